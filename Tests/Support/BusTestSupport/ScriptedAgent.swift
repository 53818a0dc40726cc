internal import AvatarCore
package import LabelBus
internal import Synchronization

/// An agent without network and folders: it answers every method from memory, and pictures complete when the test says so.
package final class ScriptedAgent: AgentService {
    struct Subscription {
        var stream: ReplyStream
        var keep: Bool
        var labels: [String: LabelRequest] = [:]
    }

    struct State {
        var avatars: [String: Avatar] = [:]
        var subscriptions: [String: Subscription] = [:]
        var watchers: [ReplyStream.ID: ReplyStream] = [:]
        var uploads: [String: ReplyStream] = [:]
        var fetches: [ReplyStream.ID: (stream: ReplyStream, accepted: Int, open: Set<String>)] = [:]
        var log: [Change] = []
        var logStart = 0
        var paused: Set<String> = []
        /// What `Check` answers.
        var differences: [Difference] = []
        /// Files of the upload folder that `Dismiss` takes.
        var dismissable: Set<ExactString> = []
        var login: LoginParameters?
        var calls: [AgentCall] = []
        var onewayCalls = 0
        var hungUp: [ReplyStream.ID] = []
        var held: [ReplyStream] = []
        var fallback = ScriptedAgent.fallback
    }

    package static let epoch = "epoch-1"
    package static let fallback = "/usr/share/avatard/fallback.png"

    let state = Mutex(State())
    private let events: AsyncStream<Event>.Continuation
    /// What happened, for a test to wait for; the newest 1,024.
    package let happened: AsyncStream<Event>
    /// Methods that are answered `MethodNotImplemented`, or never.
    private let missing: Set<String>
    private let heldMethods: Set<String>

    package enum Event: Hashable, Sendable {
        case called(AgentCall, more: Bool, oneway: Bool)
        case hungUp(ReplyStream.ID)
    }

    /// Directions that `Resume` does not know yet.
    private let refusing: [String: String]

    package init(
        missing: Set<String> = [], held: Set<String> = [], refusing: [String: String] = [:],
        fallback: String = ScriptedAgent.fallback
    ) {
        self.missing = missing
        heldMethods = held
        self.refusing = refusing
        state.withLock { $0.fallback = fallback }
        (happened, events) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1024))
    }

    /// From now on the agent has a problem with the file, which may be dismissed once.
    package func mayDismiss(_ name: String) { state.withLock { _ = $0.dismissable.insert(ExactString(name)) } }

    // MARK: The service

    package func handle(_ call: AgentCall, more: Bool, oneway: Bool, reply: ReplyStream) {
        let name = String(call.method.dropFirst(AgentInterface.name.count + 1))
        state.withLock { state in
            if state.calls.count < 4096 { state.calls.append(call) }
            if oneway { state.onewayCalls += 1 }
            if missing.contains(name) || refuses(call) {
                reply.fail(.methodNotImplemented(method: call.method))
            } else if heldMethods.contains(name) {
                state.held.append(reply)
            } else {
                state.answer(call, more: more, reply)
            }
        }
        events.yield(.called(call, more: more, oneway: oneway))
    }

    private func refuses(_ call: AgentCall) -> Bool {
        if case .resume(let parameters) = call, let direction = refusing["Resume"] {
            return parameters.direction == direction
        }
        return false
    }

    package func hungUp(_ stream: ReplyStream.ID) {
        state.withLock { state in
            state.hungUp.append(stream)
            state.watchers[stream] = nil
            state.fetches[stream] = nil
            for (id, subscription) in state.subscriptions where subscription.stream.id == stream {
                state.subscriptions[id] = nil
            }
        }
        events.yield(.hungUp(stream))
    }

    // MARK: What a test does to it

    /// Every call that is held back fails with this.
    package func failHeld(_ error: AgentError) {
        let held = state.withLock { state in
            defer { state.held = [] }
            return state.held
        }
        for reply in held { reply.fail(error) }
    }

    /// A picture is known, but not there.
    package func want(_ name: String) { state.withLock { _ = $0.known(name) } }

    /// A picture completes.
    package func complete(_ name: String, path: String, size: Int = 3) {
        state.withLock { state in
            var avatar = state.known(name)
            avatar.state = .ready
            avatar.path = path
            avatar.size = size
            avatar.transferred = size
            avatar.generation += 1
            avatar.assurance = "structural"
            state.change(to: avatar, kind: avatar.generation > 1 ? .changed : .ready)
        }
    }

    /// A picture fails for good.
    package func fail(_ name: String, reason: String) {
        state.withLock { state in
            var avatar = state.known(name)
            avatar.state = .failed
            avatar.reason = reason
            state.change(to: avatar, kind: .failed)
        }
    }

    /// A transfer comes further.
    package func progress(_ name: String, transferred: Int, size: Int) {
        state.withLock { state in
            var avatar = state.known(name)
            avatar.transferred = transferred
            avatar.size = size
            state.avatars[name] = avatar
            state.tellProgress(avatar)
        }
    }

    /// Everything before now is no longer in the log.
    package func truncateLog() {
        state.withLock { state in
            state.logStart += state.log.count
            state.log = []
        }
    }

    /// Waits for a call of that method; the events before it are gone then.
    package func untilCalled(_ method: String, more: Bool? = nil) async {
        for await event in happened {
            if case .called(let call, let isMore, _) = event, call.method.hasSuffix("." + method),
                more == nil || more == isMore
            {
                return
            }
        }
    }

    /// Waits until a client with a running call has hung up; the events before it are gone then.
    package func untilHungUp() async {
        for await event in happened { if case .hungUp = event { return } }
    }

    /// Calls that were held by name and are not answered.
    package var held: [ReplyStream] { state.withLock { $0.held } }
    /// The calls, the first 4,096.
    package var calls: [AgentCall] { state.withLock { $0.calls } }
    /// The streams that hung up, in order.
    package var hungUpStreams: [ReplyStream.ID] { state.withLock { $0.hungUp } }
    /// Labels that are registered.
    package var labelCount: Int { state.withLock { $0.subscriptions.values.reduce(0) { $0 + $1.labels.count } } }
    /// The server and user that were logged in.
    package var login: LoginParameters? { state.withLock { $0.login } }
}
