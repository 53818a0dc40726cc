package import AvatarCore
internal import DequeModule

/// One connection, without its socket: replies go out in the order in which the requests came, no more is taken in than
/// the bounds allow, and a client that cannot take two replies at once gets them one by one.
///
/// The driver names each request by its ticket and keeps the bytes; here are only their counts.
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

    /// How long a connection may stay without giving a reason to.
    package struct Timeouts: Hashable, Sendable {
        package var tokenWait = Limits.Server.tokenWait
        package var silence = Limits.Server.silence

        package init() {}
    }

    private struct Slot {
        var resource: ResourceKey?
        var requestBytes: Int
        var replyBytes: Int?
    }

    private let opened: MonotonicTime
    private let timeouts: Timeouts
    private var lastFrame: MonotonicTime
    private var slots: Deque<Slot> = []
    private var firstTicket: Ticket = 0
    private var bytesInFlight = 0
    private var bytesUnsent = 0
    /// Whether the last reply may still be on its way to the client's own memory.
    private var isDraining = false
    private var lastAnswered: ResourceKey?
    private var authenticated: Deque<(user: UserID, token: String, at: MonotonicTime)> = []
    private var hasAuthenticated = false
    private var owners: Deque<(name: AvatarName, owner: UserID)> = []

    /// Whether the client has had two requests for one resource in flight: then it can take replies as they come.
    private(set) package var isPipelining = false

    package init(now: MonotonicTime, timeouts: Timeouts = Timeouts()) {
        opened = now
        self.timeouts = timeouts
        lastFrame = now
    }
}

// Requests and replies.
extension ServerSession {
    /// Whether another request may be taken in.
    package var acceptsRequests: Bool {
        slots.isEmpty
            || (slots.count < Limits.Server.requestsInFlightMax && bytesInFlight < Limits.Server.bytesInFlightMax)
    }

    /// Requests that were taken in and whose answers have not gone out.
    package var requestsInFlight: Int { slots.count }

    /// Bytes of requests and replies that are in flight, those included that the kernel has not taken yet.
    package var bytesHeld: Int { bytesInFlight + bytesUnsent }

    /// Whether every request has been answered and every answer handed to the kernel.
    package var isIdle: Bool { slots.isEmpty && bytesUnsent == 0 }

    /// Whether a reply waits only for the last one, which the kernel has taken, to be acknowledged.
    package var awaitsDrain: Bool {
        isDraining && !isPipelining && bytesUnsent == 0 && slots.first?.replyBytes != nil
    }

    /// A whole request has come. It is answered with ``answer(_:bytes:)``, whenever.
    package mutating func receive(resource: ResourceKey?, bytes: Int, now: MonotonicTime) -> Ticket {
        lastFrame = now
        if let resource, !isPipelining {
            isPipelining = slots.contains { $0.resource == resource }
        }
        // Who asks for the next chunk of a picture has dealt with the last one; so has who asks for one thing at a time.
        if slots.isEmpty || (resource != nil && resource == lastAnswered) { drained() }
        slots.append(Slot(resource: resource, requestBytes: bytes, replyBytes: nil))
        bytesInFlight += bytes
        return firstTicket + UInt64(slots.count - 1)
    }

    /// The reply to a request is there, and has `bytes` bytes.
    package mutating func answer(_ ticket: Ticket, bytes: Int) {
        guard ticket >= firstTicket, ticket - firstTicket < UInt64(slots.count) else { return }
        let index = Int(ticket - firstTicket)
        guard slots[index].replyBytes == nil else { return }
        bytesInFlight += bytes - slots[index].requestBytes
        slots[index].requestBytes = 0
        slots[index].replyBytes = bytes
    }

    /// The reply that may be handed to the network now, or nil while the next one is not there, or must wait.
    package mutating func nextReply() -> Ticket? {
        guard let bytes = slots.first?.replyBytes, bytesUnsent < Limits.Server.replyBytesUnsentMax else { return nil }
        guard isPipelining || !isDraining else { return nil }
        lastAnswered = slots.removeFirst().resource
        bytesInFlight -= bytes
        bytesUnsent += bytes
        isDraining = true
        defer { firstTicket += 1 }
        return firstTicket
    }

    /// The kernel has taken `bytes` bytes of replies.
    package mutating func sent(bytes: Int) { bytesUnsent -= bytes }

    /// The client's side has the last reply: some time has passed, and the kernel holds nothing unsent or unacknowledged
    /// (SIOCOUTQ is 0).
    package mutating func drained() { if bytesUnsent == 0 { isDraining = false } }
}

// Who it is, and for how long it may stay.
extension ServerSession {
    /// The store has said that this is this user's token.
    package mutating func authenticate(_ user: UserID, token: String, now: MonotonicTime) {
        hasAuthenticated = true
        if let index = authenticated.firstIndex(where: { $0.user == user && $0.token == token }) {
            authenticated[index].at = now
            return
        }
        if authenticated.count == Limits.Server.tokensPerConnectionMax { authenticated.removeFirst() }
        authenticated.append((user, token, now))
    }

    /// A chunk that goes on with an upload was taken: as good as the token that its first chunk showed.
    package mutating func authorized() { hasAuthenticated = true }

    /// Whether chunk `seq` needs no look at the store for this token: this connection has shown it for this user, and for a picture
    /// that begins, no longer ago than ``Limits/Server/tokenTrust``.
    package func isAuthenticated(_ user: UserID, token: String, seq: Int64, now: MonotonicTime) -> Bool {
        authenticated.contains {
            $0.user == user && $0.token == token && (seq > 1 || now < $0.at + Limits.Server.tokenTrust)
        }
    }

    /// Whose tokens this connection has shown, oldest first.
    package var authenticatedUsers: [UserID] { authenticated.map(\.user) }

    /// Whose file `name` was at seq 1.
    package func owner(of name: AvatarName) -> UserID? { owners.first { $0.name == name }?.owner }

    /// Remembers or forgets (nil) whose file `name` is, for the chunks that follow.
    package mutating func remember(_ owner: UserID?, of name: AvatarName) {
        owners.removeAll { $0.name == name }
        guard let owner else { return }
        if owners.count == Limits.Server.ownersRememberedMax { owners.removeFirst() }
        owners.append((name, owner))
    }

    /// When to call ``expire(now:)`` next.
    package var deadline: MonotonicTime {
        let silent = lastFrame + timeouts.silence
        return hasAuthenticated ? silent : min(silent, opened + timeouts.tokenWait)
    }

    /// Whether the connection has outstayed its welcome. A reader that has stopped reading sends no frames that we take in,
    /// so that it ends here too.
    package func expire(now: MonotonicTime) -> CloseReason? {
        if !hasAuthenticated, now >= opened + timeouts.tokenWait { return .noToken }
        if now >= lastFrame + timeouts.silence { return .silent }
        return nil
    }
}
