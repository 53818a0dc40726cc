package import AvatarCore
internal import DequeModule

/// One crop on its way up in the classic dialect: chunks in a window, the token with the first.
///
/// After a cut the server is asked how far it is (1005), and goes on where it says: that is our own server, which holds what it has and
/// acknowledges a repeated chunk. Where a server cannot say, the upload goes on at `n + 1` only when every chunk sent before was
/// acknowledged, and starts again at 1 otherwise: the seed's server appends whatever comes, but truncates at 1. A crop that was cut twice
/// before such a server goes on with one chunk in flight, which can be resumed more often. A server that has all of an earlier upload of the
/// same bytes is sent them again from 1, since only the last chunk of an upload under way surely makes the picture the icon; where it may be
/// the last answer that was lost, the last chunk alone.
package struct ClassicUpload: Sendable {
    /// How a try ended.
    package enum Outcome: Hashable, Sendable {
        /// The server has it all.
        case done
        /// The server does not accept who we are (1010, 1011).
        case tokenRefused(ClassicError)
        /// The server refused; another try may follow.
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
        /// So many chunks are there, of so many bytes each where the server says so.
        case at(seq: Int64, totalSize: Int64, transSize: Int64, chunkBytes: Int64? = nil)
        case error(Int)
    }

    private enum Phase: Hashable {
        case waiting
        case asking
        case sending
        case over
    }

    private var geometry: ChunkGeometry
    private var phase = Phase.waiting
    /// Chunks that the server acknowledged, and chunks that were sent.
    private var acknowledged: Int64 = 0
    private var sent: Int64 = 0
    /// When the chunks were sent that are not acknowledged.
    private var sentAt: Deque<MonotonicTime> = []
    /// Answers that are owed to chunks behind one that was refused.
    private var ignored = 0
    /// The chunks that were read and come next.
    private var chunks: Deque<[UInt8]> = []
    /// What the disk is reading.
    private var reading: Range<Int64>?
    /// Whether a server may have some of it.
    package private(set) var everSent: Bool
    private var answerLost = false
    /// Whether the server may have taken the last chunk of this very upload, without the agent having heard of it.
    private var mayBeComplete: Bool
    private var resumedBlindly = false
    /// Whether the last chunk is sent again to a server that has all of them. A server that stopped before it set the icon does so then, for
    /// whoever shows the token.
    private var repeatsLast = false
    /// How often the connection was cut with chunks in flight, before a server that does not say how far it is.
    private var cuts = 0

    /// A crop of this geometry; `everSent` when an earlier run may have sent some of it.
    package init(geometry: ChunkGeometry, everSent: Bool) {
        self.geometry = geometry
        self.everSent = everSent
        answerLost = everSent
        mayBeComplete = everSent
    }

    // MARK: How it is

    /// Bytes that the server acknowledged.
    package var transferred: Int64 { end(of: acknowledged) }
    /// Bytes that were sent and not acknowledged.
    package var bytesInFlight: Int64 { end(of: sent) - end(of: acknowledged) }
    /// Bytes that are still to be sent.
    package var bytesLeft: Int64 { geometry.totalSize - end(of: sent) }
    /// Bytes that were read and not sent, and those that are being read.
    package var bytesAhead: Int64 {
        Int64(reading?.count ?? 0) + min(Int64(chunks.count) * geometry.chunkSize, bytesLeft)
    }
    /// Answers that the server owes.
    package var answersOwed: Int { (phase == .asking ? 1 : 0) + answersToChunks }
    /// Answers to chunks that the server owes.
    package var answersToChunks: Int { Int(sent - acknowledged) + ignored }
    /// Whether the server was asked how far it is, and has not answered.
    package var isAsking: Bool { phase == .asking }
    /// Whether the first chunk was sent and not answered: an error to that may name nothing.
    package var owesFirst: Bool { acknowledged == 0 && answersToChunks > 0 }
    /// Whether the last chunk was sent.
    package var hasSentLast: Bool { sent == geometry.chunkCount }
    /// The chunk to send next, be it read or not; nil while none may be sent.
    package var nextSeq: Int64? {
        guard phase == .sending, ignored == 0, sent < geometry.chunkCount else { return nil }
        let isCautious = cuts >= Limits.Upload.windowedCutsMax
        return isCautious && sent > acknowledged ? nil : sent + 1
    }
    /// Whether this chunk is the last.
    package func isLast(_ seq: Int64) -> Bool { geometry.isLast(seq) }

    private func end(of seq: Int64) -> Int64 { geometry.range(of: seq)?.upperBound ?? 0 }

    // MARK: The way up

    /// A connection is there, and it is this crop's turn: begins, or goes on. Whether the server is to be asked how far it is (1005).
    package mutating func begin() -> Bool {
        guard phase == .waiting, ignored == 0 else { return false }
        resumedBlindly = false
        repeatsLast = false
        phase = everSent ? .asking : .sending
        return everSent
    }

    /// The connection is gone; answers that were owed are lost.
    package mutating func connectionLost() {
        guard phase != .over else { return }
        if sent > acknowledged {
            answerLost = true
            cuts += 1
            if geometry.isLast(sent) { mayBeComplete = true }
        }
        ignored = 0
        phase = .waiting
        aim(behind: acknowledged)
    }

    /// The server said how far it is.
    package mutating func progress(_ progress: Progress) {
        guard phase == .asking else { return }
        phase = .sending
        if case .at(_, _, _, let chunkBytes?) = progress { takeOver(chunkBytes) }
        switch progress {
        case .at(let seq, geometry.totalSize, let transSize, _)
        where geometry.range(of: seq)?.upperBound == transSize:
            // It is our own server: a chunk that it is sent twice does no harm there.
            cuts = 0
            if seq < geometry.chunkCount {
                aim(behind: seq)
            } else if mayBeComplete {
                // Sent its last chunk again with the token, a server that has them all makes the picture the icon, and acknowledges it.
                aim(behind: geometry.chunkCount - 1)
                repeatsLast = true
                resumedBlindly = true
            } else {
                aim(behind: 0)
            }
        case .error(ClassicError.tokenInvalid.rawValue), .error(ClassicError.uidInvalid.rawValue):
            aim(behind: 0)
        case .at, .error:
            aim(behind: answerLost ? 0 : acknowledged)
            resumedBlindly = acknowledged > 0
        }
        answerLost = false
    }

    /// The upload was begun in chunks of another size, by an earlier run of the agent perhaps: it goes on in those.
    private mutating func takeOver(_ chunkBytes: Int64) {
        guard chunkBytes != geometry.chunkSize, Int64(Limits.Wire.classicChunkBytes.lowerBound) <= chunkBytes,
            chunkBytes <= max(geometry.chunkSize, Int64(Limits.Wire.ownChunkBytes)),
            let begun = ChunkGeometry(totalSize: geometry.totalSize, chunkSize: chunkBytes)
        else { return }
        // Nothing that the agent counted so far counts in the other chunks; the server's answer does.
        aim(behind: 0)
        geometry = begun
    }

    /// The chunk behind this one is read and sent next.
    private mutating func aim(behind seq: Int64) {
        (acknowledged, sent, reading) = (seq, seq, nil)
        sentAt.removeAll()
        chunks.removeAll()
    }

    /// Which bytes are to be read now, at most so many or one chunk; ``read(at:bytes:)`` brings them. One read at a time.
    package mutating func read(atMost bytes: Int64) -> Range<Int64>? {
        guard phase == .sending, reading == nil else { return nil }
        let first = sent + Int64(chunks.count) + 1
        let count = max(bytes / geometry.chunkSize, 1)
        guard let start = geometry.range(of: first)?.lowerBound,
            let end = geometry.range(of: min(first + count - 1, geometry.chunkCount))?.upperBound
        else { return nil }
        reading = start..<end
        return reading
    }

    /// Bytes that were asked for: all of them, or the first chunks.
    package mutating func read(at offset: Int64, bytes: [UInt8]) {
        guard phase == .sending, let range = reading, range.lowerBound == offset, bytes.count <= range.count,
            bytes.count == range.count || Int64(bytes.count) % geometry.chunkSize == 0, !bytes.isEmpty || range.isEmpty
        else { return }
        reading = nil
        let size = Int(clamping: geometry.chunkSize)
        for start in stride(from: 0, to: max(bytes.count, 1), by: size) {
            chunks.append(Array(bytes[start..<min(start + size, bytes.count)]))
        }
    }

    /// The next chunk to send, where it was read.
    package mutating func send(now: MonotonicTime) -> Chunk? {
        guard let seq = nextSeq, let range = geometry.range(of: seq), let data = chunks.popFirst() else { return nil }
        sent = seq
        sentAt.append(now)
        everSent = true
        if seq == 1 { mayBeComplete = false }
        return Chunk(
            seq: seq, lastSeq: geometry.chunkCount, transSize: range.upperBound, isLast: geometry.isLast(seq),
            showsToken: seq == 1 || (repeatsLast && geometry.isLast(seq)), data: data)
    }

    // MARK: Answers

    /// What the chunk that is answered next is, in bytes, and when it was sent; nil where its answer says nothing of the network.
    package var measured: (bytes: Int64, sentAt: MonotonicTime)? {
        guard ignored == 0, let sentAt = sentAt.first, let range = geometry.range(of: acknowledged + 1) else {
            return nil
        }
        return (Int64(range.count), sentAt)
    }

    /// The server answered the oldest chunk in flight; `seq` is nil where an error reply holds none.
    package mutating func replied(error code: Int, seq: Int64?, reason: UploadRefusalReason? = nil) -> Outcome? {
        if ignored > 0 {
            ignored -= 1
            return nil
        }
        guard phase == .sending, sent > acknowledged else { return nil }
        guard code == ClassicError.success else { return refused(code, reason) }
        let expected = acknowledged + 1
        guard seq == expected else {
            startAgain()
            phase = .waiting
            return .refused(UploadRefusal(senseless: "chunk \(seq ?? 0) was acknowledged for \(expected)"))
        }
        acknowledged = expected
        _ = sentAt.popFirst()
        guard geometry.isLast(expected) else { return nil }
        phase = .over
        return .done
    }

    private mutating func refused(_ code: Int, _ reason: UploadRefusalReason?) -> Outcome? {
        let error = ClassicError(rawValue: code)
        switch error {
        case .tokenInvalid?, .uidInvalid?:
            ignored = Int(sent - acknowledged) - 1
            answerLost = true
            // Chunks behind the refused one may be taken all the same: the connection had shown a token that counted when they were begun.
            if geometry.isLast(sent) { mayBeComplete = true }
            aim(behind: acknowledged)
            phase = .waiting
            return error.map { .tokenRefused($0) }
        case .fileNotExists, .seqInvalid, .offsetInvalid, .progressLost:
            let isBlind = resumedBlindly
            resumedBlindly = false
            startAgain()
            // A server that forgot is told from the start again, once for each time that it was taken on trust.
            if isBlind { return nil }
        default: startAgain()
        }
        phase = .waiting
        return .refused(UploadRefusal(code: code, reason: reason))
    }

    /// Chunk 1 comes next, once what is in flight was answered. It truncates, so that nothing need be asked.
    private mutating func startAgain() {
        ignored = Int(sent - acknowledged) - 1
        everSent = false
        repeatsLast = false
        aim(behind: 0)
    }
}
