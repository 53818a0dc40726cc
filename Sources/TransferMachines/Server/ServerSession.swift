package import AvatarCore
internal import DequeModule

/// The rules of one connection: the server sends replies in the order of the requests, takes in no more requests than the bounds allow,
/// and sends replies one by one to a client that cannot read two at once.
///
/// The driver keeps the bytes of requests and replies. It names each request by its ticket and tells the session how many bytes it has.
package struct ServerSession: Sendable {
    /// Names one request, in the order in which they came.
    package typealias Ticket = UInt64

    /// Why the connection is to be closed.
    package enum CloseReason: Hashable, Sendable, CustomStringConvertible {
        /// No token within ``Limits/Server/tokenWait``.
        case noToken
        /// No valid frame within ``Limits/Server/silence``.
        case silent

        package var description: String {
            switch self {
            case .noToken: "no token was shown in time"
            case .silent: "no valid frame came for too long"
            }
        }
    }

    /// How long a connection may stay open without a token, and without a valid frame.
    package struct Timeouts: Hashable, Sendable {
        package var tokenWait = Limits.Server.tokenWait
        package var silence = Limits.Server.silence

        package init() {}
    }

    private struct Slot {
        var chunk: ReplyPacing.Chunk?
        var requestBytes: Int
        var replyBytes: Int?
        /// Whether the client asks for the next chunk once it has read the reply.
        var isFollowed = false
    }

    private let opened: MonotonicTime
    private let timeouts: Timeouts
    private var lastFrame: MonotonicTime
    private var slots: Deque<Slot> = []
    private var firstTicket: Ticket = 0
    private var bytesInFlight = 0
    private var bytesUnsent = 0
    private var pacing: ReplyPacing
    /// Whether the client may stay longer than ``Timeouts/tokenWait``.
    private var hasAuthenticated = false
    private var confirmed: Deque<(user: UserID, token: ExactString, at: MonotonicTime)> = []
    private var downloads: Deque<(key: ResourceKey, token: ExactString, owner: UserID)> = []
    /// The uploads of which this connection has brought a chunk, oldest first.
    private(set) package var uploads: [ResourceKey] = []

    package init(now: MonotonicTime, timeouts: Timeouts = Timeouts()) {
        pacing = ReplyPacing(now: now)
        opened = now
        self.timeouts = timeouts
        lastFrame = now
    }
}

// Requests and replies.
extension ServerSession {
    /// Whether the server may take in another request.
    package var acceptsRequests: Bool {
        slots.isEmpty
            || (slots.count < Limits.Server.requestsInFlightMax && bytesInFlight < Limits.Server.bytesInFlightMax)
    }

    /// How many requests the server has taken in and not yet answered.
    package var requestsInFlight: Int { slots.count }

    /// Bytes of requests and replies in flight, including replies that the kernel has not taken yet.
    package var bytesHeld: Int { bytesInFlight + bytesUnsent }

    /// Whether every request is answered and the kernel has taken every answer.
    package var isIdle: Bool { slots.isEmpty && bytesUnsent == 0 }

    /// Whether the client says or shows that it can read several replies at once.
    package var isPipelining: Bool { pacing.isPipelining }

    /// When a reply that waits for the client to read the last one may be written, if the client's kernel has acknowledged the last one by
    /// then; nil where no reply waits for that. The driver asks the kernel, and calls ``acknowledged()``.
    package func replyDue(now: MonotonicTime) -> MonotonicTime? {
        guard !pacing.isClear, bytesUnsent == 0, slots.first?.replyBytes != nil else { return nil }
        return pacing.patience(now: now)
    }

    /// A whole request has come. The driver calls ``answer(_:bytes:isFollowed:)`` with its ticket at any time later.
    ///
    /// - Parameters:
    ///   - resource: the file that the request is for, and `seq` its chunk; nil where it is for none.
    ///   - pipelines: whether the request says that its client reads several replies at once.
    ///   - bytes: the request's size.
    package mutating func receive(
        resource: ResourceKey?, seq: Int64 = 0, pipelines: Bool = false, bytes: Int, now: MonotonicTime
    ) -> Ticket {
        lastFrame = now
        let chunk = resource.map { ReplyPacing.Chunk(resource: $0, seq: seq) }
        pacing.asked(chunk, pipelines: pipelines, others: slots.lazy.map(\.chunk), now: now)
        slots.append(Slot(chunk: chunk, requestBytes: bytes, replyBytes: nil))
        bytesInFlight += bytes
        return firstTicket + UInt64(slots.count - 1)
    }

    /// The driver has the reply to a request, which has `bytes` bytes. `isFollowed` when the client asks for the next chunk after it: the
    /// reply is neither an error nor the last.
    package mutating func answer(_ ticket: Ticket, bytes: Int, isFollowed: Bool = false) {
        guard ticket >= firstTicket, ticket - firstTicket < UInt64(slots.count) else { return }
        let index = Int(ticket - firstTicket)
        guard slots[index].replyBytes == nil else { return }
        bytesInFlight += bytes - slots[index].requestBytes
        slots[index].requestBytes = 0
        slots[index].replyBytes = bytes
        slots[index].isFollowed = isFollowed
    }

    /// The ticket of the reply that the driver may write now; nil while the next reply is not there or must wait.
    package mutating func nextReply(now: MonotonicTime) -> Ticket? {
        guard let slot = slots.first, let bytes = slot.replyBytes, pacing.isClear,
            bytesUnsent < Limits.Server.replyBytesUnsentMax
        else { return nil }
        slots.removeFirst()
        bytesInFlight -= bytes
        bytesUnsent += bytes
        pacing.sent(
            next: slot.chunk.flatMap { slot.isFollowed ? .init(resource: $0.resource, seq: $0.seq + 1) : nil }, now: now
        )
        defer { firstTicket += 1 }
        return firstTicket
    }

    /// The kernel has taken `bytes` bytes of replies.
    package mutating func sent(bytes: Int) { bytesUnsent -= bytes }

    /// The time of ``replyDue(now:)`` has come, and the kernel holds no byte that is unsent or unacknowledged (SIOCOUTQ is 0).
    package mutating func acknowledged() { if bytesUnsent == 0 { pacing.acknowledged(waiting: slots.count) } }
}

// Who the client is, and which transfers it has under way.
extension ServerSession {
    /// The store has confirmed that `token` is the token of `user`.
    package mutating func authenticate(_ user: UserID, token: ExactString, now: MonotonicTime) {
        hasAuthenticated = true
        if let index = confirmed.firstIndex(where: { $0.user == user && $0.token == token }) {
            confirmed[index].at = now
            return
        }
        if confirmed.count == Limits.Server.tokensPerConnectionMax { confirmed.removeFirst() }
        confirmed.append((user, token, now))
    }

    /// Whether a transfer may begin without asking the store about `token`: the store confirmed it for `user` on this connection less
    /// than ``Limits/Server/tokenTrust`` ago.
    package func isAuthenticated(_ user: UserID, token: ExactString, now: MonotonicTime) -> Bool {
        confirmed.contains { $0.user == user && $0.token == token && now < $0.at + Limits.Server.tokenTrust }
    }

    /// The token of `user` that the store confirmed last on this connection; it may have been replaced since.
    package func shownToken(of user: UserID) -> ExactString? {
        confirmed.filter { $0.user == user }.max { $0.at < $1.at }?.token
    }

    /// The first chunk of a download was served after its token had been checked: the chunks that follow are authorized by that.
    ///
    /// - Parameters:
    ///   - key: the user who asks, and the name.
    ///   - token: the token that the first chunk showed.
    ///   - owner: the user in whose folder the file lies.
    package mutating func beginDownload(_ key: ResourceKey, token: ExactString, owner: UserID) {
        endDownload(key)
        if downloads.count == Limits.Server.downloadsRememberedMax { downloads.removeFirst() }
        downloads.append((key, token, owner))
    }

    /// The last chunk of a download was served, or the download failed.
    package mutating func endDownload(_ key: ResourceKey) { downloads.removeAll { $0.key == key } }

    /// The user in whose folder the file of a download lies; nil when this connection has not begun the download with `token`.
    package func ownerOfDownload(_ key: ResourceKey, token: ExactString) -> UserID? {
        downloads.first { $0.key == key && $0.token == token }?.owner
    }

    /// A chunk of an upload was taken on this connection: the first one, or one that goes on with an upload begun elsewhere.
    ///
    /// - Returns: the upload that the session has forgotten, because it remembers no more than ``Limits/Server/uploadsRememberedMax``.
    package mutating func takeUpload(_ key: ResourceKey) -> ResourceKey? {
        hasAuthenticated = true
        guard !uploads.contains(key) else { return nil }
        uploads.append(key)
        return uploads.count > Limits.Server.uploadsRememberedMax ? uploads.removeFirst() : nil
    }
}

// For how long the client may stay.
extension ServerSession {
    /// When to call ``expire(now:)`` next.
    package var deadline: MonotonicTime {
        let silent = lastFrame + timeouts.silence
        return hasAuthenticated ? silent : min(silent, opened + timeouts.tokenWait)
    }

    /// Why the connection is to be closed now, or nil. A client that has stopped reading is closed as silent, because its requests are
    /// no longer read either.
    package func expire(now: MonotonicTime) -> CloseReason? {
        if !hasAuthenticated, now >= opened + timeouts.tokenWait { return .noToken }
        if now >= lastFrame + timeouts.silence { return .silent }
        return nil
    }
}
