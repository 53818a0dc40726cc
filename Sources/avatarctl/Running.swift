internal import AvatarAgentClient
internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import ProgramSupport

/// How a command ends (avatarctl(1), "EXIT STATUS").
enum ExitStatus: Int32, Error {
    case failed = 1
    case usage = 2
    case notReachable = 3
    case serverNotReachable = 4
    /// Of `doctor`: nothing is wrong, and something should be looked at.
    case warnings = 5
}

/// Ends the program.
func leave(_ status: ExitStatus) -> Never { exit(status.rawValue) }

extension CommonOptions {
    /// Runs a command's work, and says what went wrong as a person reads it, or as one JSON object.
    func run(_ body: (AgentClient) async throws -> Void) async throws {
        do {
            var client = AgentClient(socketPath: try AgentSocket.path(flag: socket))
            client.timeout = .seconds(timeout)
            client.onSilence = { [timeout] in
                Output.errorLine(
                    "avatarctl: the agent has not answered for \(timeout) s; still waiting for it (Ctrl-C ends this)")
            }
            try await body(client)
        } catch let error as AgentError {
            report(error)
            if case .serverUnreachable = error { throw ExitStatus.serverNotReachable }
            throw ExitStatus.failed
        } catch let error as AgentClientError {
            report(error)
            switch error.code {
            case .notReachable, .unanswered, .silent: throw ExitStatus.notReachable
            case .connectionLost, .malformedReply: throw ExitStatus.failed
            }
        } catch let error as ConfigurationError {
            for fault in error.faults { Output.errorLine("avatarctl: \(fault)") }
            throw ExitStatus.usage
        } catch let error as LocalError {
            Output.errorLine("avatarctl: \(error.description)")
            throw ExitStatus.failed
        }
    }

    private func report(_ error: AgentError) {
        guard json else { return Output.errorLine("avatarctl: \(error)") }
        Output.errorLine(
            Output.json { writer in
                writer.field("error", error.name)
                writer.name("parameters")
                writer.object { error.write(to: &$0) }
            })
    }

    private func report(_ error: AgentClientError) {
        if json {
            Output.errorLine(Output.json { $0.field("error", error.description) })
        } else {
            Output.errorLine("avatarctl: \(error)")
        }
        if !json, error.code == .notReachable || error.code == .unanswered {
            // Of an agent at a socket of its own the user's unit knows nothing.
            let lastWords = socket == nil ? AgentUnit.lastWords() : []
            for line in AgentUnit.advice(lastWords: lastWords, hungUp: error.code == .unanswered) {
                Output.errorLine(line)
            }
        }
        if !json, error.code == .silent {
            Output.errorLine(
                "It may be stopped, or its disk may hang: systemctl --user status avatard, then: systemctl --user restart avatard"
            )
        }
    }
}

/// Something that went wrong on this side, before the agent was asked.
struct LocalError: Error, CustomStringConvertible {
    /// One sentence, as a person reads it.
    let description: String
}
