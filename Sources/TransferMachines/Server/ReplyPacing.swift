internal import AvatarCore

/// Decides when the next reply may follow on a connection whose client may lose its place when two replies reach it in one read
/// (docs/protocol.md, "One reply at a time").
///
/// The kernel tells when the client's kernel has a reply, and not when the client has read it. What shows that the client has read a reply
/// is the request that follows from it: the next chunk of the same file. After a last chunk or an error no request follows, so some time
/// has to pass.
struct ReplyPacing: Sendable {
    /// One chunk of one file.
    struct Chunk: Hashable, Sendable {
        let resource: ResourceKey
        let seq: Int64
    }

    /// The reply that the client may not have read yet.
    private struct Unread: Sendable {
        let sentAt: MonotonicTime
        /// The request that the client sends once it has read the reply; nil after a last chunk or an error.
        let next: Chunk?
        /// When the first request came since, where no request follows from the reply.
        var askedAt: MonotonicTime?
    }

    private var unread: Unread?
    /// Whether the client says or shows that it reads any number of replies at once.
    private(set) var isPipelining = false
    /// Whether the client has been seen to fetch several files side by side, so that a request may come before it has read the last reply.
    private var isSideBySide = false
    /// How many replies a client that was never seen side by side has read before it sent anything else.
    private var readInTurn = 0
    /// The shortest and the longest time from a reply to the request that follows from it; the longest since the client was last calm.
    private var fastest = Duration.seconds(3600)
    private var slowest = Duration.zero
    /// When the client last took longer than ``Limits/Server/calmTurnaround``, or the connection's begin.
    private var restlessAt: MonotonicTime
    /// How often the client has been quicker than that since.
    private var quickTurnarounds = 0

    init(now: MonotonicTime) { restlessAt = now }

    /// Whether a reply may be written now as far as the client's reading goes.
    var isClear: Bool { isPipelining || unread == nil }

    /// A request has come. `others` are the chunks of requests that are not answered yet.
    mutating func asked(_ chunk: Chunk?, pipelines: Bool, others: some Collection<Chunk?>, now: MonotonicTime) {
        guard !isPipelining else { return }
        // Two labels of one picture may ask for the same chunk: only different chunks of one file are a pipeline.
        let isAhead = chunk.map { chunk in
            others.contains { $0?.resource == chunk.resource && $0?.seq != chunk.seq }
        }
        if pipelines || isAhead == true {
            isPipelining = true
            return
        }
        if !others.isEmpty { isSideBySide = true }
        guard let unread else { return }
        if let next = unread.next {
            guard chunk == next else {
                isSideBySide = isSideBySide || chunk?.resource != next.resource
                return
            }
            note(turnaround: now - unread.sentAt, at: now)
            self.unread = nil
            readInTurn += 1
            return
        }
        if unread.askedAt == nil { self.unread?.askedAt = now }
        // A client that never asked for two files at once has read the last reply, unless the request came faster than it ever answered one.
        if !isSideBySide, readInTurn >= Limits.Server.readInTurnMin, now - unread.sentAt >= fastest {
            self.unread = nil
        }
    }

    private mutating func note(turnaround: Duration, at now: MonotonicTime) {
        fastest = min(fastest, turnaround)
        if isCalm(now) { slowest = .zero }
        guard turnaround > Limits.Server.calmTurnaround else {
            quickTurnarounds += 1
            return
        }
        slowest = max(slowest, turnaround)
        (restlessAt, quickTurnarounds) = (now, 0)
    }

    private func isCalm(_ now: MonotonicTime) -> Bool {
        quickTurnarounds >= Limits.Server.calmTurnaroundsMin && now - restlessAt >= Limits.Server.calmAfter
    }

    /// A reply is written. `next` is the chunk that the client asks for once it has read the reply, nil where no request follows.
    mutating func sent(next: Chunk?, now: MonotonicTime) {
        guard !isPipelining else { return }
        unread = Unread(sentAt: now, next: next)
    }

    /// When the client counts as having read the last reply though nothing shows it, if its kernel has acknowledged the reply by then.
    func patience(now: MonotonicTime) -> MonotonicTime {
        guard let unread else { return now }
        if unread.next != nil { return unread.sentAt + Limits.Server.followUpWait }
        guard isSideBySide, !isCalm(now) else { return unread.sentAt + Limits.Server.lastReplyPause.lowerBound }
        let pause = max(Limits.Server.lastReplyPauseRestless, slowest)
        return unread.sentAt + min(pause, Limits.Server.lastReplyPause.upperBound)
    }

    /// ``patience(now:)`` has passed and the client's kernel has acknowledged the reply. `waiting` is how many requests have come since.
    mutating func acknowledged(waiting: Int) {
        if let unread, let askedAt = unread.askedAt, waiting <= 1 {
            readInTurn += 1
            fastest = min(fastest, askedAt - unread.sentAt)
        }
        unread = nil
    }
}
