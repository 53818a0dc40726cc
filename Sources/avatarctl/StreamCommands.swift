import ArgumentParser
internal import AvatarAgentClient
internal import Foundation
internal import LabelBus

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints every change as it happens, until it is interrupted.",
        discussion: """
            With --since and --epoch it begins with what happened after that change. When the agent's log does not reach \
            back that far, it says so: read again with avatarctl list. When the agent ends, it waits until the agent is back, and goes on with \
            what happened in between.
            """)

    @Option(help: "The number of the last change that was seen.")
    var since: Int?

    @Option(help: "The epoch which that number belongs to.")
    var epoch: String?

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            var place = (epoch: epoch, since: since)
            var returns: SocketReturns?
            while true {
                do {
                    try await follow(client, &place) {
                        if returns != nil { notice("the agent is back") }
                        returns = nil
                    }
                } catch let error as AgentClientError {
                    // The first time nobody knows whether there is an agent at all.
                    let isAway = [.connectionLost, .unanswered, .notReachable].contains(error.code)
                    guard place.epoch != nil, isAway else { throw error }
                }
                if returns == nil {
                    notice("the agent is away; what changes meanwhile is told when it is back (Ctrl-C ends this)")
                    returns = try SocketReturns(client.socketPath)
                }
                try await returns?.next()
            }
        }
    }

    /// Prints the changes after `place` until the agent hangs up. `isThere` is called with its first word.
    private func follow(
        _ client: AgentClient, _ place: inout (epoch: String?, since: Int?), isThere: () -> Void
    ) async throws {
        for try await reply in try await client.watch(epoch: place.epoch, since: place.since) {
            isThere()
            place = (reply.epoch, reply.cursor)
            if reply.reset == true { reset(reply) }
            for change in reply.changes {
                if common.json {
                    Output.line(change)
                } else {
                    // An earlier agent does not tell when it was.
                    let time = change.at ?? Date().formatted(.iso8601)
                    Output.line("\(time)  \(change.cursor)  \(change.kind)  \(Progress.sentence(change.avatar))")
                }
            }
        }
    }

    /// On standard error: who reads the changes wants nothing else between them.
    private func notice(_ text: String) { Output.errorLine("avatarctl: \(text)") }

    private func reset(_ reply: WatchReply) {
        if common.json { return Output.line(reply) }
        Output.line("the log begins again at \(reply.cursor) of epoch \(reply.epoch): read again with avatarctl list")
    }
}

struct Register: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Registers labels as a chat client would, and prints what they are told.",
        discussion: "For finding out what a client should see. Each label has its picture's name.")

    @Argument(help: "The pictures' names.", completion: Completions.names)
    var names: [String]

    @Flag(help: "Go on after every label had its picture, until interrupted.")
    var keep = false

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let labels = names.map { LabelRequest(label: $0, name: $0) }
        try await common.run { client in
            for try await reply in try await client.register(labels, keep: keep) {
                if common.json {
                    Output.line(reply)
                    continue
                }
                for state in reply.labels { Output.line("\(state.label)  \(Progress.sentence(state.avatar))") }
                if reply.synced == true { Output.line("(that was all for now)") }
            }
        }
    }
}
