package import AvatarCore

/// One reply of the agent's interface.
package enum AgentReply: Hashable, Sendable {
    case register(RegisterReply)
    case watch(WatchReply)
    /// Of `Get` and `Upload`.
    case avatar(Avatar)
    case list(ListReply)
    case fetch(FetchReply)
    case status(StatusReply)
    case explain([Step])
    case check(CheckReply)
    case verify(VerifyReply)
    /// Of `Adjust`, `Forget`, `Pause`, `Resume`, `Login` and `Logout`.
    case done

    /// Writes the reply's parameters.
    package func write(to writer: inout JSONWriter) {
        switch self {
        case .register(let reply): reply.write(to: &writer)
        case .watch(let reply): reply.write(to: &writer)
        case .avatar(let avatar): AvatarReply(avatar: avatar).write(to: &writer)
        case .list(let reply): reply.write(to: &writer)
        case .fetch(let reply): reply.write(to: &writer)
        case .status(let reply): reply.write(to: &writer)
        case .explain(let steps): ExplainReply(steps: steps).write(to: &writer)
        case .check(let reply): reply.write(to: &writer)
        case .verify(let reply): reply.write(to: &writer)
        case .done: break
        }
    }
}

/// The reply to `Get` and `Upload`.
package struct AvatarReply: BusObject, Hashable {
    package var avatar: Avatar

    package init(avatar: Avatar) { self.avatar = avatar }
    package init(from fields: inout ObjectReader) throws(FieldError) {
        avatar = try fields.object("avatar", Avatar.self)
    }
    package func write(to writer: inout JSONWriter) { writer.field("avatar", avatar) }
}

/// The reply to `Explain`.
package struct ExplainReply: BusObject, Hashable {
    package var steps: [Step]

    package init(steps: [Step]) { self.steps = steps }
    package init(from fields: inout ObjectReader) throws(FieldError) { steps = try fields.objects("steps", Step.self) }
    package func write(to writer: inout JSONWriter) { writer.field("steps", steps) }
}
