internal import AvatarCore
internal import Foundation
public import LabelBus
internal import NIOCore
internal import NIOPosix

/// Talks to avatard, the agent that keeps a chat user's avatars: over its label bus, a Unix socket (docs/label-bus.md).
///
/// A value without state: every call has a connection of its own, so calls neither wait for each other nor share a fate, and
/// a call that is cancelled hangs up. All methods throw ``AgentClientError`` when the agent cannot be talked to, and
/// `AgentError` when it says no.
///
/// ```swift
/// let agent = AgentClient()
/// for try await reply in try await agent.register([LabelRequest(label: "peer", name: "head_17.png")]) {
///     for label in reply.labels { show(label.avatar.path ?? label.avatar.fallback, in: label.label) }
/// }
/// ```
public struct AgentClient: Sendable {
    /// Where the agent's socket lies.
    public let socketPath: String
    /// How long a question that the agent answers from its memory or its catalog may take; nil for any time.
    public var timeout: Duration?
    /// Called when a call that may take long has brought no reply for that time.
    public var onSilence: (@Sendable () -> Void)?

    /// A client of the agent at `socketPath`; nothing is connected yet.
    public init(socketPath: String = AgentClient.defaultSocketPath) { self.socketPath = socketPath }

    /// Where the agent's socket lies unless its configuration file says otherwise (docs/label-bus.md): what AVATARD_BUS_SOCKET names, else
    /// `avatard/agent.sock` below XDG_RUNTIME_DIR, else below the runtime folder that systemd gives the user, else below XDG_STATE_HOME.
    public static var defaultSocketPath: String {
        let environment = ProcessInfo.processInfo.environment
        func path(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
        if let named = path(BusSocketPath.variable) { return named }
        let given = BusSocketPath.inRuntimeFolder(path("XDG_RUNTIME_DIR"), user: getuid()) { folder in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) && isFolder.boolValue
        }
        return given ?? BusSocketPath.inStateFolder(path("XDG_STATE_HOME") ?? (path("HOME") ?? "") + "/.local/state")
    }

    // MARK: Labels and changes

    /// Registers labels, and fetches what is missing. First every label's state now, in parts, the last of them with
    /// `synced`; then a reply whenever a label's picture completes, changes or fails for good.
    ///
    /// Without `keep` the stream ends when every label had a final state. With it, labels live until the caller stops
    /// reading. With `heartbeat` a silent stream brings a reply without labels every 30 s.
    public func register(
        _ labels: [LabelRequest], keep: Bool = false, heartbeat: Bool = false
    ) async throws -> AgentStream<RegisterReply> {
        let parameters = RegisterParameters(
            labels: labels, keep: keep ? true : nil, heartbeat: heartbeat ? true : nil)
        return try await stream(.register(parameters), RegisterReply.self) { $0 }
    }

    /// The labels' states now, at most 500; what is missing is fetched once, and nobody is told.
    public func snapshot(_ labels: [LabelRequest]) async throws -> [LabelState] {
        try await one(.register(RegisterParameters(labels: labels)), RegisterReply.self).labels
    }

    /// Changes a subscription that ``register(_:keep:heartbeat:)`` named in its first reply.
    public func adjust(
        _ subscription: String, add: [LabelRequest] = [], remove: [String] = [], visible: [String] = [],
        hidden: [String] = []
    ) async throws {
        let parameters = AdjustParameters(
            subscription: subscription, add: add.isEmpty ? nil : add, remove: remove.isEmpty ? nil : remove,
            visible: visible.isEmpty ? nil : visible, hidden: hidden.isEmpty ? nil : hidden)
        _ = try await one(.adjust(parameters), NoFields.self)
    }

    /// Every change after `since` of `epoch`, then each new one, until the caller stops reading. A reply with `reset` says
    /// that the log does not reach back that far: read again with ``list(state:)``.
    public func watch(
        epoch: String? = nil, since: Int? = nil, heartbeat: Bool = false
    ) async throws -> AgentStream<WatchReply> {
        let parameters = WatchParameters(epoch: epoch, since: since, heartbeat: heartbeat ? true : nil)
        return try await stream(.watch(parameters), WatchReply.self) { $0 }
    }

    /// The changes after `since` of `epoch` that have happened by now.
    public func changes(epoch: String? = nil, since: Int? = nil) async throws -> WatchReply {
        try await one(.watch(WatchParameters(epoch: epoch, since: since)), WatchReply.self)
    }

    // MARK: Avatars

    /// What is known of one avatar.
    public func get(_ name: String, owner: Int? = nil) async throws -> Avatar {
        try await one(.get(GetParameters(name: name, owner: owner)), AvatarReply.self).avatar
    }

    /// One page of what is known, in the order of the names.
    public func listPage(state: String? = nil, after: String? = nil, limit: Int? = nil) async throws -> ListReply {
        try await one(.list(ListParameters(state: state, after: after, limit: limit)), ListReply.self)
    }

    /// Everything that is known, page by page.
    public func list(state: String? = nil) -> AvatarPages { AvatarPages(client: self, state: state) }

    /// Fetches pictures, and returns at once how many are fetched or there. With `again` the server is asked also for those that are
    /// there; each stays until another one has come whole.
    @discardableResult
    public func fetch(_ names: [String], visibility: String? = nil, again: Bool = false) async throws -> Int {
        try await one(
            .fetch(FetchParameters(names: names, visibility: visibility, again: again ? true : nil)), FetchReply.self
        ).accepted
    }

    /// Fetches pictures, and follows them. The first element says how many are fetched or there; then one comes for each picture,
    /// and whenever one has come further; the last when all are final. Ceasing to read takes back what nobody else wants.
    public func fetchProgress(
        _ names: [String], visibility: String? = nil, again: Bool = false
    ) async throws -> AgentStream<FetchReply> {
        try await stream(
            .fetch(FetchParameters(names: names, visibility: visibility, again: again ? true : nil)), FetchReply.self
        ) { $0 }
    }

    /// Gives the agent a picture to upload, an absolute path, and returns as soon as the agent has it.
    @discardableResult
    public func upload(_ path: String) async throws -> Avatar {
        try await one(.upload(UploadParameters(path: path)), AvatarReply.self, mayTakeLong: true).avatar
    }

    /// Gives the agent a picture to upload, and follows it to its final state.
    public func uploadProgress(_ path: String) async throws -> AgentStream<Avatar> {
        try await stream(.upload(UploadParameters(path: path)), AvatarReply.self, \.avatar)
    }

    /// Removes a picture from the cache, and what is known of it.
    public func forget(_ name: String) async throws {
        _ = try await one(.forget(ForgetParameters(name: name)), NoFields.self)
    }

    /// Takes a file of the upload folder that is not uploaded off the agent's problems; it stays there, and is not tried again until it is
    /// changed or uploaded anew. Throws `AgentError.unknownAvatar` where the agent has no problem with it.
    public func dismiss(_ name: String) async throws {
        _ = try await one(.dismiss(DismissParameters(name: name)), NoFields.self)
    }

    /// What the agent did about a name, step by step.
    public func explain(_ name: String) async throws -> [Step] {
        try await one(.explain(ExplainParameters(name: name)), ExplainReply.self).steps
    }

    /// What the folders and the agent's knowledge of them differ in. With `look` the agent first looks through both, examines what
    /// differs, and tries refused files again.
    public func check(look: Bool = false) async throws -> CheckReply {
        try await one(.check(CheckParameters(look: look ? true : nil)), CheckReply.self, mayTakeLong: look)
    }

    // MARK: The agent

    /// How the agent is.
    public func status() async throws -> StatusReply { try await one(.status, StatusReply.self) }

    /// Holds transfers: `down`, `up`, or both.
    public func pause(_ direction: String? = nil) async throws {
        _ = try await one(.pause(PauseParameters(direction: direction)), NoFields.self)
    }

    /// Lets transfers go on: `down`, `up`, or both.
    public func resume(_ direction: String? = nil) async throws {
        _ = try await one(.resume(ResumeParameters(direction: direction)), NoFields.self)
    }

    /// Names the resource server and the user; the agent keeps the token, and never gives it back.
    public func login(server: Server, uid: Int, token: String) async throws {
        _ = try await one(.login(LoginParameters(server: server, uid: uid, token: token)), NoFields.self)
    }

    /// Has the agent ask the server whether it takes the login. Throws `AgentError.serverRefused` where it does not, and
    /// `AgentError.serverUnreachable` where nobody answers as a server does.
    public func verify() async throws -> VerifyReply { try await one(.verify, VerifyReply.self, mayTakeLong: true) }

    /// Forgets server, user and token.
    public func logout() async throws { _ = try await one(.logout, NoFields.self) }
}

// MARK: - Calling

extension AgentClient {
    /// Makes a call with `more`.
    private func stream<Reply: BusObject, Element>(
        _ call: AgentCall, _ type: Reply.Type, _ element: @escaping @Sendable (Reply) -> Element
    ) async throws -> AgentStream<Element> {
        let frames = try await AgentConnection.call(call, more: true, socketPath: socketPath)
        let notice = noticeSilence()
        return AgentStream(frames: frames) { json in
            notice?.cancel()
            return element(try AgentConnection.decode(type, from: json))
        }
    }

    /// Makes a call with one reply.
    ///
    /// - Parameter mayTakeLong: whether the agent may have to wait for a server or a disk: then its silence is told, and waited for.
    private func one<Reply: BusObject & Sendable>(
        _ call: AgentCall, _ type: Reply.Type, mayTakeLong: Bool = false
    ) async throws -> Reply {
        guard !mayTakeLong, let timeout else {
            let notice = noticeSilence()
            defer { notice?.cancel() }
            return try await answer(to: call, type)
        }
        return try await withThrowingTaskGroup { group in
            group.addTask { try await answer(to: call, type) }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw AgentClientError(
                    .silent, socketPath: socketPath, reason: "it has been silent for \(timeout.components.seconds) s")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    /// Waits for the time after which silence is told; the caller cancels it with the first reply.
    private func noticeSilence() -> Task<Void, Never>? {
        guard let timeout, let onSilence else { return nil }
        return Task { if (try? await Task.sleep(for: timeout)) != nil { onSilence() } }
    }

    private func answer<Reply: BusObject>(to call: AgentCall, _ type: Reply.Type) async throws -> Reply {
        let frames = try await AgentConnection.call(call, more: false, socketPath: socketPath)
        for try await json in frames { return try AgentConnection.decode(type, from: json) }
        try Task.checkCancellation()
        throw AgentClientError(.unanswered, socketPath: socketPath, reason: "the call is over")
    }
}
