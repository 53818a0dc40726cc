import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Foundation
internal import LabelBus

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Says how the agent is.")

    @Flag(help: "Show the agent's counters too.")
    var verbose = false

    @Flag(help: "Go on, and show each change, until interrupted.")
    var watch = false

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            if watch { return try await StatusWatch(json: common.json, isVerbose: verbose).run(client) }
            let status = try await client.status()
            if common.json { return Output.line(status) }
            let now = Date()
            for line in Self.lines(status, now: now, isVerbose: verbose) { Output.line(line) }
        }
    }

    /// What a person is told.
    static func lines(_ status: StatusReply, now: Date, isVerbose: Bool) -> [String] {
        var lines = ["avatard \(status.version)"]
        let server = status.server.map { " (\(HostPort.text(host: $0.host, port: $0.port)))" } ?? ""
        lines.append("connection  \(status.connection) \(Age.text(since: status.since, now: now))\(server)")
        if status.server == nil {
            lines.append("user        nobody is logged in: \(LoginLine.toType)")
        } else if let uid = status.uid {
            lines.append("user        \(uid)")
        }
        if let paused = status.pausedTransfers { lines.append("paused      \(paused): avatarctl resume") }
        if let dialect = status.dialect { lines.append("dialect     \(dialect)") }
        if let icon = status.icon { lines.append("your icon   \(Progress.sentence(icon))") }
        lines.append("transfers   \(status.downloads) down, \(status.uploads) up")
        lines.append("labels      \(status.labels)")
        lines.append(
            "cache       \(status.cached) \(status.cached == 1 ? "picture" : "pictures"), \(ByteCount(status.bytes))")
        for problem in status.problems {
            lines.append("problem     \(problem.what) (\(Age.text(since: problem.since, now: now)))")
            if let remedy = problem.remedy { lines.append("            \(remedy)") }
        }
        guard isVerbose else { return lines }
        for (name, value) in status.figures.sorted(by: { $0.key < $1.key }) {
            lines.append("figure      \(name) \(value.formattedShort)")
        }
        return lines
    }
}

extension Double {
    /// Without a fraction when there is none.
    fileprivate var formattedShort: String { Int(exactly: self).map(String.init) ?? String(self) }
}

extension StatusReply {
    /// Why transfers of that direction do not move now, as a person says it; nil where they do.
    func reasonToWait(_ direction: Direction) -> String? {
        if (figures["paused_\(direction.rawValue)"] ?? 0) > 0 {
            return "\(direction.transfers) are paused: avatarctl resume"
        }
        guard connection != "online", server != nil, let problem = problems.first else { return nil }
        return "not connected: \(problem.what)"
    }

    /// Which transfers are held until `avatarctl resume`, as a person says it; nil for none.
    var pausedTransfers: String? {
        let held = Direction.allCases.filter { (figures["paused_\($0.rawValue)"] ?? 0) > 0 }
        return held.isEmpty ? nil : held.map(\.transfers).joined(separator: " and ")
    }
}

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the avatars that the agent knows.")

    @Option(
        help: "Only those in this state: ready, outgoing, builtin, absent, failed, pending or paused.",
        completion: .list(Self.states.map(\.rawValue)))
    var state: String?

    @Flag(name: .shortAndLong, help: "Size, type, age, digest, origin and assurance too.")
    var long = false

    @OptionGroup var common: CommonOptions

    private static let states: [AvatarState] = [.ready, .outgoing, .builtin, .absent, .failed, .pending, .paused]

    func validate() throws {
        guard let state, !Self.states.contains(where: { $0.rawValue == state }) else { return }
        let words = Self.states.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--state \"\(state)\" must be one of \(words)")
    }

    func run() async throws {
        try await common.run { client in
            let list: LongList? =
                long ? LongList(isTable: Output.isTerminal, uid: try await client.status().uid, now: Date()) : nil
            if !common.json, let heading = list?.heading { Output.styledLine(heading) }
            for try await avatar in client.list(state: state) {
                if !common.json, let list {
                    Output.styledLine(list.line(avatar))
                } else if common.json {
                    Output.line(avatar)
                } else {
                    Output.line(Progress.sentence(avatar))
                }
            }
        }
    }
}

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says what is known of one avatar.",
        discussion: "Nothing is fetched; avatarctl fetch does that.")

    @Argument(help: "The picture's name.", completion: Completions.names)
    var name: String

    @Option(help: "The user whose picture it is.")
    var owner: Int?

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            let avatar = try await client.get(name, owner: owner)
            if common.json { Output.line(avatar) } else { Output.line(Progress.sentence(avatar)) }
        }
    }
}

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells what the agent did about one avatar, step by step.")

    @Argument(help: "The picture's name.", completion: Completions.names)
    var name: String

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            for step in try await client.explain(name) {
                if common.json {
                    Output.line(step)
                } else {
                    let what = step.what + (step.detail.map { ": \($0)" } ?? "")
                    Output.styledLine(
                        Terminal.styled(Moment.text(step.at, now: Date()), .dim) + "  " + Output.harmless(what))
                }
            }
        }
    }
}
