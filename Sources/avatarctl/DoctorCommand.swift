import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Foundation
internal import Glibc
internal import LabelBus
internal import PosixFiles

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks for what keeps the agent from its work, and says what to do about it.",
        discussion: """
            Each line is ok, warn or FAIL, with the line to type. Works without the agent, too. Exits with 1 when something is wrong, and with 5 \
            when there are only warnings.
            """)

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            let places = AgentPlaces.current()
            // The question for the folders has the agent look where its paths lead, too: what it finds stands in the status.
            let folders = await Self.folderFindings(client)
            let status = try? await client.status()
            let agent = await Self.agentFindings(client)
            let findings =
                [places.finding] + agent + folders + MachineFindings.folders(places, cached: status?.bytes)
                + MachineFindings.socket(client.socketPath) + SystemdFindings.current()
                + [MachineFindings.inotifyUse(), Self.inotifyFinding()]
            for finding in findings { Output.line(common.json ? finding.json : finding.text) }
            if agent.contains(where: { $0.what == Self.agentAnswers && $0.level == .bad }) {
                throw ExitStatus.notReachable
            }
            switch findings.map(\.level).max() {
            case .bad: throw ExitStatus.failed
            case .warning: throw ExitStatus.warnings
            case .ok, nil: break
            }
        }
    }

    private static let agentAnswers = "the agent answers"

    private static func agentFindings(_ client: AgentClient) async -> [Finding] {
        let status: StatusReply
        do {
            status = try await client.status()
        } catch {
            return [
                Finding(
                    what: agentAnswers, problem: "\(error)",
                    remedy: "systemctl --user start avatard; journalctl --user --unit avatard says why it ended")
            ]
        }
        var findings = [
            Finding(what: agentAnswers, detail: "avatard \(status.version)"), Finding(what: "somebody is logged in"),
        ]
        if let uid = status.uid { findings[1].detail = "user \(uid)" }
        if status.server == nil {
            findings[1].problem = "the agent has no server and no user"
            findings[1].remedy = LoginLine.toType
        }
        if status.server != nil { findings += await serverFindings(client) }
        var held = Finding(what: "nothing is paused")
        if let paused = status.pausedTransfers {
            held.problem = "\(paused) are"
            held.level = .warning
            held.remedy = "avatarctl resume"
        }
        findings.append(held)
        guard !status.problems.isEmpty else { return findings + [Finding(what: "the agent has no complaint")] }
        return findings
            + status.problems.map { problem in
                Finding(
                    what: "the agent complains", level: isOfOneFile(problem) ? .warning : .bad, problem: problem.what,
                    remedy: problem.remedy)
            }
    }

    /// One file that is not uploaded is no fault of the agent's.
    private static func isOfOneFile(_ problem: Problem) -> Bool { problem.what.hasPrefix("not uploaded") }

    /// Asks the server now: that somebody is logged in says nothing about what the server thinks of the login.
    private static func serverFindings(_ client: AgentClient) async -> [Finding] {
        var finding = Finding(what: "the server takes the login")
        do {
            let reply = try await answer(within: Limits.Connection.connectTimeout + Limits.Connection.replyTimeout) {
                try await client.verify()
            }
            let address = HostPort.text(host: reply.server.host, port: reply.server.port)
            finding.detail = "\(address), \(reply.dialect) protocol"
            return [finding] + ServerFindings.findings(reply, now: Date())
        } catch AgentError.methodNotFound {
            // An earlier agent cannot tell.
        } catch AgentError.serverUnreachable(let reason) {
            finding.problem = "it cannot be reached: \(reason)"
            finding.remedy = "avatarctl login with the right --host and --port, if these are wrong"
        } catch AgentError.serverRefused(_, let reason) {
            finding.problem = "it refuses it: \(reason)"
            finding.remedy = "avatarctl login with a fresh token"
        } catch is CancellationError {
            finding.problem = "no answer in time"
        } catch {
            finding.problem = "the agent could not ask it: \(error)"
        }
        return [finding]
    }

    /// What lies in the folders is what the agent knows. Refused files are among the agent's complaints.
    private static func folderFindings(_ client: AgentClient) async -> [Finding] {
        let what = "the folders are as the agent knows them"
        let check: CheckReply
        do {
            check = try await answer(within: Limits.Storage.silenceTold) { try await client.check() }
        } catch let error as AgentError {
            // An earlier agent cannot tell.
            if case .methodNotFound = error { return [] }
            return [Finding(what: what, problem: "\(error)", remedy: "avatarctl status")]
        } catch is CancellationError {
            return [
                Finding(
                    what: what, problem: "the agent is still looking, or its disk hangs", remedy: "avatarctl status")
            ]
        } catch {
            // That the agent does not answer is said by another finding.
            return []
        }
        let differences = check.differences.filter { $0.what != "refused" }
        guard !differences.isEmpty else { return [Finding(what: what)] }
        return differences.map { difference in
            guard difference.what == "waiting" else {
                return Finding(what: what, problem: difference.sentence, remedy: "avatarctl sync")
            }
            return Finding(
                what: what, level: .warning, problem: difference.sentence,
                remedy:
                    "avatarctl login as that user, or send it as the one who is logged in: avatarctl upload with its path"
            )
        }
    }

    /// What `ask` returns; a CancellationError when that takes longer.
    private static func answer<Answer: Sendable>(
        within limit: Duration, _ ask: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await withThrowingTaskGroup { group in
            group.addTask { try await ask() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw CancellationError()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    /// The agent watches its folders; every program of this user takes from the same limits.
    static func inotifyFinding() -> Finding {
        var finding = Finding(what: "this user may watch one more folder")
        do throws(PosixError) {
            try InotifyProbe.take()
        } catch {
            finding.problem = error.description
            if error.code == EMFILE { finding.remedy = remedy(.instances) }
            if error.code == ENOSPC { finding.remedy = remedy(.watches) }
        }
        return finding
    }

    static func remedy(_ limit: InotifyLimit) -> String { limit.remedy(current: current(limit)) }

    /// What the kernel allows now (proc(5)).
    static func current(_ limit: InotifyLimit) -> Int? {
        do throws(PosixError) {
            let file = try OpenFile.open(path: "/proc/sys/fs/inotify/\(limit.rawValue)")
            let text = String(decoding: try file.read(at: 0, count: 32), as: UTF8.self)
            return text.split(separator: "\n").first.flatMap { Int($0) }
        } catch {
            return nil
        }
    }
}
