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
            for finding in await Self.agentFindings(client) + [Self.inotifyFinding()] {
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
        // A page of the list passes through the agent's disk thread, which compares the paths first: what it finds stands in the status.
        await look(client)
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
        guard !status.problems.isEmpty else { return findings + [Finding(what: "the agent has no complaint")] }
        return findings
            + status.problems.map { problem in
                Finding(what: "the agent complains", problem: problem.what, remedy: problem.remedy)
            }
    }

    /// Has the agent look where its folders' paths lead; a disk that hangs is not waited for.
    private static func look(_ client: AgentClient) async {
        await withTaskGroup { group in
            group.addTask {
                do {
                    for try await _ in client.list() { break }
                } catch {
                    // The status tells what is wrong, if anything is.
                }
            }
            group.addTask { try? await Task.sleep(for: Limits.Storage.silenceTold) }
            await group.next()
            group.cancelAll()
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
