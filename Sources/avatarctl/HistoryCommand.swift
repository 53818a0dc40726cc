import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Foundation
internal import LabelBus

struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells what happened to the avatars, newest last.",
        discussion: """
            What came, was replaced, removed, uploaded, not uploaded, or could not be had, from the agent's log of the last \
            \(Limits.Cache.eventsMax) changes, which outlives its restarts.
            """)

    @Argument(help: "Only these pictures; all when none is named.", completion: Completions.names)
    var names: [String] = []

    @Option(
        help: ArgumentHelp(
            "Only what happened since then, such as today, 2h, \"3 days ago\" or \"2026-11-27 05:43\".",
            valueName: "time"))
    var since: String?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("The last so many; 50 when not given, all with --since.", valueName: "number"))
    var limit: Int?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more") }
        if let since, TimeArgument.date(since, now: Date()) == nil {
            throw ValidationError(
                "--since \"\(since)\" is no time: it is one such as today, yesterday, 2h, \"3 days ago\", 2026-11-27, "
                    + "\"2026-11-27 05:43\" or 2026-11-27T05:43:51Z")
        }
    }

    func run() async throws {
        let now = Date()
        let begin = since.flatMap { TimeArgument.date($0, now: now) }
        let wanted = Set(names.map { ExactString($0) })
        try await common.run { client in
            let changes = try await client.history(
                limit: limit ?? (begin == nil ? Limits.History.shown : Limits.Cache.eventsMax)
            ) { change in
                if let begin {
                    guard let date = change.at.flatMap({ try? Date($0, strategy: .iso8601) }) else {
                        throw LocalError(
                            description: "the agent is of an earlier version, and does not tell when a change was")
                    }
                    // The agent tells seconds.
                    if date.timeIntervalSince(begin) <= -1 { return .end }
                }
                return wanted.isEmpty || wanted.contains(ExactString(change.avatar.name ?? "")) ? .take : .leave
            }
            for change in changes {
                if common.json { Output.line(change) } else { Output.styledLine(Self.line(change, now: now)) }
            }
            if changes.isEmpty, !common.json { Output.errorLine("avatarctl: nothing is known of that") }
        }
    }

    /// `2026-11-27 05:43:51  3 minutes ago    replaced       bruno.png, 20.0 KiB`
    static func line(_ change: Change, now: Date) -> String {
        let moment = change.at.map { Moment.text($0, now: now) } ?? "at an unknown time"
        let (word, style) = words(change.kind)
        var facts = [change.avatar.name ?? "(unnamed)"]
        if let size = change.size, change.kind != .removed { facts.append("\(ByteCount(size))") }
        if let reason = change.reason { facts.append(reason) }
        return Terminal.styled(padded(moment, 36), .dim) + "  " + Terminal.styled(padded(word, 13), style) + "  "
            + Output.harmless(facts.joined(separator: ", "))
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func words(_ kind: ChangeKind) -> (String, Terminal.Style?) {
        switch kind {
        case .ready: ("new", .green)
        case .changed: ("replaced", .green)
        case .removed: ("removed", .yellow)
        case .failed: ("not to be had", .red)
        case .uploaded: ("uploaded", .green)
        case .icon: ("your avatar", nil)
        case .refused: ("not uploaded", .red)
        default: (kind.rawValue, nil)
        }
    }
}

/// What becomes of one change on the way back through the log.
enum HistoryChoice {
    case take
    case leave
    /// Neither this one nor any before it.
    case end
}

extension AgentClient {
    /// The last changes that `choose` takes, oldest first, at most `limit`: the log read from its end, page by page, until they are found, or
    /// `choose` ends it, or the log begins.
    func history(limit: Int, choose: (Change) throws -> HistoryChoice) async throws -> [Change] {
        let place = try await changes()
        var found: [Change] = []
        var end = place.cursor
        var step = Limits.Labels.changesPerReplyMax
        while end > 0, step > 0 {
            let start = max(0, end - step)
            let page = try await changes(epoch: place.epoch, since: start)
            if page.reset == true {
                // The log begins behind `start`, where smaller steps lead; another epoch is another log.
                step = page.epoch == place.epoch ? step / 2 : 0
                continue
            }
            for change in page.changes.reversed() where change.cursor <= end {
                switch try choose(change) {
                case .take: found.append(change)
                case .leave: break
                case .end: return found.reversed()
                }
                if found.count >= limit { return found.reversed() }
            }
            end = start
        }
        return found.reversed()
    }
}
