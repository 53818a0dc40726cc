package import AvatarCore

/// One crop on its way up in the classic dialect: one chunk in flight, the token with the first.
///
/// After a cut the server is asked how far it is (1005). Where it cannot say, the upload goes on at `n + 1` only when
/// every chunk sent before was acknowledged, and starts again at 1 otherwise: the seed's server appends whatever
/// comes, but truncates at 1. A server that has all of an earlier upload of the same bytes is sent them again from 1, since only the last
/// chunk of an upload under way surely makes the picture the icon; where it may be the last answer that was lost, the last chunk alone.
package struct ClassicUpload: Sendable {
    /// What the agent has to do.
    package enum Action: Hashable, Sendable {
        /// Ask how far the server is (1005), by digest, user and name.
        case askProgress
        /// Read these bytes of the crop; `read` brings them.
        case read(Range<Int64>)
        /// Send this chunk (1031).
        case send(Chunk)
        /// The server has it all.
        case done
        /// The server does not accept who we are (1010, 1011).
        case tokenRefused(ClassicError)
        /// The server refused; the try is over and another may follow.
        case refused(UploadRefusal)
    }

    /// One chunk of 1031, less what the connection knows (uid, token).
    package struct Chunk: Hashable, Sendable {
        /// Counts from 1.
        package let seq: Int64
        /// The number of chunks.
        package let lastSeq: Int64
        /// The total after this chunk.
        package let transSize: Int64
        /// Whether it is the last.
        package let isLast: Bool
        /// Whether the token belongs into it.
        package let showsToken: Bool
        /// The bytes.
        package let data: [UInt8]
    }

    /// What a 1006 says.
    package enum Progress: Hashable, Sendable {
        case at(seq: Int64, totalSize: Int64, transSize: Int64)
        case error(Int)
    }

    private enum Phase: Hashable {
        case waiting
        case asking
        case reading(seq: Int64)
        case sending(seq: Int64)
        case over
    }

    private let geometry: ChunkGeometry
    private var phase = Phase.waiting
    private var acknowledged: Int64 = 0
    private var everSent: Bool
    private var answerLost = false
    /// Whether the server may have taken the last chunk of this very upload, without the agent having heard of it.
    private var mayBeComplete: Bool
    private var resumedBlindly = false
    /// Whether the last chunk is sent again to a server that has all of them. A server that stopped before it set the icon does so then, for
    /// whoever shows the token.
    private var repeatsLast = false
    private var silentAt: MonotonicTime?

    /// A crop of this geometry; `everSent` when an earlier run may have sent some of it.
    package init(geometry: ChunkGeometry, everSent: Bool) {
        self.geometry = geometry
        self.everSent = everSent
        answerLost = everSent
        mayBeComplete = everSent
    }

    /// Bytes that the server acknowledged.
    package var transferred: Int64 { acknowledged == 0 ? 0 : geometry.range(of: acknowledged)?.upperBound ?? 0 }
    /// The crop's size.
    package var totalSize: Int64 { geometry.totalSize }
    /// Whether an answer is owed.
    package var isQuiet: Bool { silentAt == nil }
    /// When `isSilent` may become true.
    package var deadline: MonotonicTime? { silentAt }

    /// Whether the server has owed an answer for too long.
    package func isSilent(now: MonotonicTime) -> Bool {
        guard let silentAt else { return false }
        return silentAt <= now
    }

    /// A connection is there: begins, or goes on.
    package mutating func connected(now: MonotonicTime) -> [Action] {
        guard phase == .waiting else { return [] }
        resumedBlindly = false
        repeatsLast = false
        guard everSent else { return next() }
        phase = .asking
        silentAt = now + Limits.Connection.replyTimeout
        return [.askProgress]
    }

    /// The connection is gone; an answer that was owed is lost.
    package mutating func connectionLost() {
        guard phase != .over else { return }
        if case .sending(let seq) = phase {
            answerLost = true
            if geometry.isLast(seq) { mayBeComplete = true }
        }
        phase = .waiting
        silentAt = nil
    }

    /// The server said how far it is.
    package mutating func progress(_ progress: Progress, now: MonotonicTime) -> [Action] {
        guard phase == .asking else { return [] }
        silentAt = nil
        switch progress {
        case .at(let seq, geometry.totalSize, let transSize)
        where geometry.range(of: seq)?.upperBound == transSize:
            if seq < geometry.chunkCount {
                acknowledged = seq
            } else if mayBeComplete {
                // Sent its last chunk again with the token, a server that has them all makes the picture the icon, and acknowledges it.
                acknowledged = geometry.chunkCount - 1
                repeatsLast = true
                resumedBlindly = true
            } else {
                acknowledged = 0
            }
        case .error(ClassicError.tokenInvalid.rawValue), .error(ClassicError.uidInvalid.rawValue):
            acknowledged = 0
        case .at, .error:
            if answerLost { acknowledged = 0 }
            resumedBlindly = acknowledged > 0
        }
        answerLost = false
        return next()
    }

    /// The bytes that were asked for.
    package mutating func read(at offset: Int64, bytes: [UInt8], now: MonotonicTime) -> [Action] {
        guard case .reading(let seq) = phase, let range = geometry.range(of: seq), range.lowerBound == offset,
            range.count == bytes.count
        else { return [] }
        phase = .sending(seq: seq)
        everSent = true
        if seq == 1 { mayBeComplete = false }
        silentAt = now + Limits.Connection.replyTimeout
        return [
            .send(
                Chunk(
                    seq: seq, lastSeq: geometry.chunkCount, transSize: range.upperBound, isLast: geometry.isLast(seq),
                    showsToken: seq == 1 || (repeatsLast && geometry.isLast(seq)),
                    data: bytes))
        ]
    }

    /// The server answered the chunk in flight; `seq` is nil where an error reply holds none.
    package mutating func replied(error code: Int, seq: Int64?, reason: UploadRefusalReason? = nil) -> [Action] {
        guard case .sending(let sent) = phase else { return [] }
        silentAt = nil
        guard code == ClassicError.success else { return refused(code, reason) }
        guard seq == sent else {
            acknowledged = 0
            phase = .waiting
            everSent = false
            return [.refused(UploadRefusal(senseless: "chunk \(seq ?? 0) was acknowledged for \(sent)"))]
        }
        acknowledged = sent
        guard geometry.isLast(sent) else { return next() }
        phase = .over
        return [.done]
    }

    private mutating func refused(_ code: Int, _ reason: UploadRefusalReason?) -> [Action] {
        let error = ClassicError(rawValue: code)
        let refusal = UploadRefusal(code: code, reason: reason)
        phase = .waiting
        switch error {
        case .tokenInvalid, .uidInvalid:
            answerLost = true
            if let error { return [.tokenRefused(error)] }
            return []
        case .fileNotExists, .seqInvalid, .offsetInvalid, .progressLost:
            let blind = resumedBlindly
            resumedBlindly = false
            acknowledged = 0
            everSent = false
            // A server that forgot is told from the start again, once for each time that it was taken on trust.
            return blind ? next() : [.refused(refusal)]
        default:
            acknowledged = 0
            everSent = false
            return [.refused(refusal)]
        }
    }

    private mutating func next() -> [Action] {
        let seq = acknowledged + 1
        guard let range = geometry.range(of: seq) else { return [] }
        phase = .reading(seq: seq)
        return [.read(range)]
    }
}
