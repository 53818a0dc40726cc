import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import PosixFiles

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks for what keeps the agent from its work, and says what to do about it.",
        discussion: "Works without the agent, too. Fails when something is wrong.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            var isWell = true
            var status: ExitStatus?
            // The question for the folders has the agent look where its paths lead, too: what it finds stands in the status.
            let folders = await Self.folderFindings(client)
            for finding in await Self.agentFindings(client) + folders + [Self.inotifyFinding()] {
                Output.line(common.json ? finding.json : finding.text)
                if finding.problem != nil { isWell = false }
                if finding.what == Self.agentAnswers, finding.problem != nil { status = .notReachable }
            }
            if !isWell { throw status ?? .failed }
        }
    }

    private static let agentAnswers = "the agent answers"

    /// One thing that was looked at.
    private struct Finding {
        let what: String
        var problem: String?
        var remedy: String?

        /// As a person reads it, in the manner of `avatar-server check`.
        var text: String {
            guard let problem else { return "ok    \(what)" }
            return "FAIL  \(what): \(problem)" + (remedy.map { "; try: \($0)" } ?? "")
        }

        var json: String {
            Output.json { writer in
                writer.field("check", what)
                writer.field("ok", problem == nil)
                writer.field("problem", problem)
                writer.field("remedy", remedy)
            }
        }
    }

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
        var findings = [Finding(what: agentAnswers), Finding(what: "somebody is logged in")]
        if status.server == nil {
            findings[1].problem = "the agent has no server and no user"
            findings[1].remedy = "avatarctl login --host HOST --uid UID"
        }
        if status.server != nil { findings.append(await loginFinding(client)) }
        var held = Finding(what: "nothing is paused")
        if let paused = status.pausedTransfers {
            held.problem = "\(paused) are"
            held.remedy = "avatarctl resume"
        }
        findings.append(held)
        guard !status.problems.isEmpty else { return findings + [Finding(what: "the agent has no complaint")] }
        return findings
            + status.problems.map { problem in
                Finding(what: "the agent complains", problem: problem.what, remedy: problem.remedy)
            }
    }

    /// Asks the server now: that somebody is logged in says nothing about what the server thinks of the login.
    private static func loginFinding(_ client: AgentClient) async -> Finding {
        var finding = Finding(what: "the server takes the login")
        do {
            _ = try await answer(within: Limits.Connection.connectTimeout + Limits.Connection.replyTimeout) {
                try await client.verify()
            }
        } catch AgentError.methodNotFound {
            // An earlier agent cannot tell.
        } catch AgentError.serverUnreachable(let reason) {
            finding.problem = "it cannot be reached: \(reason)"
            finding.remedy = "avatarctl login with the right --host and --port, if these are wrong"
        } catch AgentError.serverRefused(_, let reason) {
            finding.problem = "it refuses it: \(reason)"
            finding.remedy = "avatarctl login with a fresh token"
        } catch {
            finding.problem = "the agent could not ask it: \(error)"
        }
        return finding
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
        return differences.map { Finding(what: what, problem: $0.sentence, remedy: "avatarctl sync") }
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
    private static func inotifyFinding() -> Finding {
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

    private static func remedy(_ limit: InotifyLimit) -> String { limit.remedy(current: current(limit)) }

    /// What the kernel allows now (proc(5)).
    private static func current(_ limit: InotifyLimit) -> Int? {
        do throws(PosixError) {
            let file = try OpenFile.open(path: "/proc/sys/fs/inotify/\(limit.rawValue)")
            let text = String(decoding: try file.read(at: 0, count: 32), as: UTF8.self)
            return text.split(separator: "\n").first.flatMap { Int($0) }
        } catch {
            return nil
        }
    }
}
