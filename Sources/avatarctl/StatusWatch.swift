internal import AvatarAgentClient
internal import AvatarCore
internal import Foundation
internal import LabelBus
internal import Synchronization

/// `avatarctl status --watch`: the agent is asked again when the bus tells of a change, and at its heartbeats. On a terminal the status is drawn
/// over the one before, every second too, since ages grow by themselves; elsewhere each change is a line.
final class StatusWatch: Sendable {
    private struct Shown {
        var status: StatusReply?
        /// Lines on the terminal, to be drawn over.
        var height = 0
        var line = ""
    }

    private let shown = Mutex(Shown())
    private let json: Bool
    private let isVerbose: Bool

    init(json: Bool, isVerbose: Bool) {
        self.json = json
        self.isVerbose = isVerbose
    }

    /// Goes on until it is interrupted, or the agent hangs up.
    func run(_ client: AgentClient) async throws {
        let changes = try await client.watch(heartbeat: true)
        try await withThrowingTaskGroup { group in
            group.addTask {
                for try await _ in changes { self.take(try await client.status()) }
            }
            if isDrawn {
                group.addTask {
                    while true {
                        try await Task.sleep(for: .seconds(1))
                        self.shown.withLock { self.draw(&$0) }
                    }
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private var isDrawn: Bool { !json && Output.isTerminal }

    private func take(_ status: StatusReply) {
        shown.withLock { shown in
            shown.status = status
            if isDrawn { return draw(&shown) }
            let line = json ? Output.json { status.write(to: &$0) } : Self.line(status)
            guard line != shown.line else { return }
            shown.line = line
            Output.line(json ? line : Moment.local(Date()) + "  " + line)
        }
    }

    /// Lines that are wider than the terminal would take several of its lines, and are cut.
    private func draw(_ shown: inout Shown) {
        guard let status = shown.status else { return }
        let lines = Status.lines(status, now: Date(), isVerbose: isVerbose)
        let width = Output.terminalSize.columns - 1
        var text = shown.height > 0 ? "\u{1B}[\(shown.height)A\u{1B}[J" : ""
        for line in lines { text += Output.harmless(String(line.prefix(width))) + "\n" }
        shown.height = lines.count
        Output.raw(text)
    }

    /// `online, 1 down, 0 up, 12 pictures, 1.2 MiB`
    static func line(_ status: StatusReply) -> String {
        var words = [
            status.connection, "\(status.downloads) down", "\(status.uploads) up", "\(status.labels) labels",
            "\(status.cached) pictures", "\(ByteCount(status.bytes))",
        ]
        words += status.problems.map(\.what)
        return words.joined(separator: ", ")
    }
}
