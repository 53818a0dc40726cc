/// The agent cannot be talked to.
public struct AgentClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: Hashable, Sendable {
        /// Nobody answers at the socket.
        case notReachable
        /// The connection ended before the first reply: the agent ended, or could not start when systemd's socket woke it.
        case unanswered
        /// The connection ended between two replies.
        case connectionLost
        /// The agent took the call, or is to take it, and does not answer.
        case silent
        /// What came back is no reply to the call.
        case malformedReply
    }

    /// What went wrong.
    public let code: Code
    /// Where the agent was looked for.
    public let socketPath: String
    /// More about it, as a person reads it.
    public let reason: String

    init(_ code: Code, socketPath: String, reason: String) {
        self.code = code
        self.socketPath = socketPath
        self.reason = reason
    }

    /// One sentence, as a person reads it.
    public var description: String {
        switch code {
        case .notReachable: "the agent does not answer at \(socketPath): \(reason)"
        case .unanswered: "the agent hung up before it answered at \(socketPath): \(reason)"
        case .connectionLost: "the agent hung up: \(reason)"
        case .silent: "the agent does not answer at \(socketPath): \(reason)"
        case .malformedReply: "the agent answered what this program does not understand: \(reason)"
        }
    }
}
