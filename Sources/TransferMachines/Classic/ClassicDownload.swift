package import AvatarCore
internal import DequeModule

/// One picture on its way down in the classic dialect: which chunk is asked for next, what a reply means, when to start over.
///
/// The rules (`docs/protocol.md`, "Windows"): the first request after every start goes alone, its reply tells size and chunk size;
/// then a window of requests for chunks that exist; replies come in the order asked. An error reply carries no `seq`, so after one
/// the requests still in flight are let run out before anything new is asked.
package struct ClassicDownload: Sendable {
    /// What the agent has to do.
    package enum Action: Hashable, Sendable {
        /// A new part begins, of this size, in chunks of that one.
        case begin(totalSize: Int64, chunkSize: Int64)
        /// These bytes go into the part.
        case append(offset: Int64, bytes: [UInt8])
        /// All bytes are in the part: verify and commit it.
        case commit(totalSize: Int64)
        /// The server does not accept who we are (1010, 1011).
        case tokenRefused(ClassicError)
        /// It is not to be had, for now.
        case failed(AbsenceReason, detail: String)
        /// The server answered something that nobody asked.
        case stray
    }

    /// What the server said to the oldest request of this name.
    package enum Reply: Hashable, Sendable {
        case chunk(seq: Int64, totalSize: Int64, currentSize: Int64, isLast: Bool, data: [UInt8])
        case error(Int)
        /// The reply was for this name, but its data could not be read.
        case garbled(String)
    }

    private struct Request: Hashable {
        let seq: Int64
        let sentAt: MonotonicTime
        var stale: Bool
    }

    private enum Phase: Hashable {
        /// The next request goes alone.
        case probing
        /// The window is open.
        case streaming
        /// Nothing is asked before this time: a start over with jitter.
        case pausing(until: MonotonicTime)
        /// Every byte is there, or nothing more is wanted.
        case stopped
    }

    private var phase = Phase.probing
    private var geometry: ChunkGeometry?
    private var begun: MonotonicTime?
    private var requests = Deque<Request>()
    private var nextSeq: Int64 = 1
    private var received: Int64 = 0
    private var written: Int64 = 0
    /// When the server has owed its oldest answer for too long.
    package private(set) var silentAt: MonotonicTime?
    /// How often it started over at chunk 1.
    package private(set) var restarts = 0

    /// From nothing, or from the whole chunks that a part holds; a part that was begun another way, without chunks, is none.
    package init(part: Part?) {
        guard let part, let chunkSize = part.plan.chunkSize,
            let known = ChunkGeometry(totalSize: part.plan.totalSize, chunkSize: chunkSize)
        else { return }
        let chunks = part.held >= known.totalSize ? known.chunkCount : known.chunksHeld(bytes: part.held)
        // A part that is all there is asked for its last chunk again: the reply says whether it is still that version.
        let kept = min(chunks, known.chunkCount - 1)
        guard kept > 0 else { return }
        geometry = known
        begun = part.begun
        received = kept * chunkSize
        written = received
        nextSeq = kept + 1
    }

    /// Bytes that have come, from the start without gaps.
    package var transferred: Int64 { received }
    /// The size the server promised, once it has.
    package var totalSize: Int64? { geometry?.totalSize }
    /// What the disk holds, to go on from later.
    package var part: Part? {
        guard let geometry, let begun, written > 0 else { return nil }
        let plan = PartPlan(totalSize: geometry.totalSize, chunkSize: geometry.chunkSize)
        return Part(plan: plan, held: written, begun: begun)
    }
    /// Requests that the server has not answered.
    package var inFlight: Int { requests.count }
    /// The chunk that the server owes first.
    package var oldestAsked: Int64? { requests.first?.seq }
    /// Whether nothing is in flight, so that the name can be asked for afresh.
    package var isQuiet: Bool { requests.isEmpty }
    /// When `tick` wants to be called.
    package var deadline: MonotonicTime? {
        if case .pausing(let until) = phase, requests.isEmpty { return until }
        return silentAt
    }

    private var windowMax: Int {
        restarts > Limits.Download.windowedRestartsMax ? 1 : Limits.Download.inFlightMax
    }

    /// The size of the server's chunks in bytes, once it is known.
    var chunkSize: Int64? { geometry?.chunkSize }
    /// When the oldest request was sent that the server has not answered.
    var oldestSentAt: MonotonicTime? { requests.first?.sentAt }
    /// Bytes that are still to come; nil where nothing is known of the size.
    var outstanding: Int64? {
        if case .stopped = phase { return 0 }
        return geometry.map { $0.totalSize - received }
    }

    /// Whether ``ask(budget:now:)`` may have something to ask for.
    package func wantsToAsk(now: MonotonicTime) -> Bool {
        switch phase {
        case .stopped: false
        case .pausing(let until): until <= now && requests.isEmpty
        case .probing: requests.isEmpty
        case .streaming: requests.count < windowMax && nextSeq <= geometry?.chunkCount ?? 0
        }
    }

    /// The chunks to ask for now, at most `budget`, in the order to send them.
    package mutating func ask(budget: Int, now: MonotonicTime) -> [Int64] {
        switch phase {
        case .stopped:
            return []
        case .pausing(let until):
            guard until <= now, requests.isEmpty else { return [] }
            phase = .probing
            return ask(budget: budget, now: now)
        case .probing:
            guard budget > 0, requests.isEmpty else { return [] }
            if let begun, now - begun > Limits.Download.partAge { forgetPart() }
            return [send(now: now)]
        case .streaming:
            guard let geometry else { return [] }
            var seqs: [Int64] = []
            while seqs.count < budget, requests.count < windowMax, nextSeq <= geometry.chunkCount,
                received - written + Int64(requests.count) * geometry.chunkSize < Limits.Download.unwrittenBytesMax
            {
                seqs.append(send(now: now))
            }
            return seqs
        }
    }

    private mutating func send(now: MonotonicTime) -> Int64 {
        let seq = nextSeq
        requests.append(Request(seq: seq, sentAt: now, stale: false))
        nextSeq += 1
        if silentAt == nil { silentAt = now + Limits.Connection.replyTimeout }
        return seq
    }

    /// The server answered the oldest request.
    package mutating func replied(_ reply: Reply, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        guard let request = requests.popFirst() else { return [.stray] }
        silentAt = requests.isEmpty ? nil : now + Limits.Connection.replyTimeout
        if request.stale { return [] }
        switch reply {
        case .error(let code):
            return refused(code, seq: request.seq, now: now, random: &random)
        case .garbled(let detail):
            return fail(.corrupt, detail)
        case .chunk(let seq, let totalSize, let currentSize, let isLast, let data):
            guard seq == request.seq else {
                return startOver(because: "chunk \(seq) came for \(request.seq)", now: now, random: &random)
            }
            guard totalSize <= Limits.Picture.downloadBytesMax else {
                return fail(.tooLarge, "the server promises \(totalSize) bytes")
            }
            var actions: [Action] = []
            if geometry == nil {
                guard let first = Self.geometry(totalSize: totalSize, firstChunk: data.count), seq == 1 else {
                    return fail(.corrupt, "a first chunk of \(data.count) bytes for a file of \(totalSize)")
                }
                geometry = first
                begun = now
                actions.append(.begin(totalSize: first.totalSize, chunkSize: first.chunkSize))
            }
            guard let geometry, let range = geometry.range(of: seq), geometry.totalSize == totalSize,
                range.count == data.count, range.upperBound == currentSize, isLast == geometry.isLast(seq)
            else {
                return startOver(because: "chunk \(seq) is of another version", now: now, random: &random)
            }
            phase = geometry.isLast(seq) ? .stopped : .streaming
            received = range.upperBound
            actions.append(.append(offset: range.lowerBound, bytes: data))
            return actions
        }
    }

    /// The size of a file's chunks, learned from its first one.
    private static func geometry(totalSize: Int64, firstChunk: Int) -> ChunkGeometry? {
        guard firstChunk > 0, Int64(firstChunk) <= totalSize else { return nil }
        guard Int64(firstChunk) == totalSize || Limits.Wire.classicChunkBytes.contains(firstChunk) else { return nil }
        return ChunkGeometry(totalSize: totalSize, chunkSize: Int64(firstChunk))
    }

    private mutating func refused(
        _ code: Int, seq: Int64, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        guard let error = ClassicError(rawValue: code) else {
            return fail(.serverError, "the server answered \(code)")
        }
        switch error {
        case .tokenInvalid, .uidInvalid:
            stop()
            return [.tokenRefused(error)]
        case .fileNotExists:
            return fail(.absent, error.description)
        case .readPermission, .writePermission:
            return fail(.forbidden, error.description)
        case .offsetInvalid where seq == 1:
            return fail(.corrupt, "the file is empty on the server")
        case .seqInvalid, .progressLost, .offsetInvalid:
            return startOver(because: error.description, now: now, random: &random)
        case .badJSON, .saveProgressFailed, .createPathFailed, .readFailed:
            return fail(.serverError, error.description)
        }
    }

    /// The disk has the bytes up to `offset`.
    package mutating func wrote(through offset: Int64) -> [Action] {
        guard offset > written, offset <= received else { return [] }
        written = offset
        guard let geometry, written == geometry.totalSize else { return [] }
        return [.commit(totalSize: geometry.totalSize)]
    }

    /// The connection is gone, and with it every answer still owed.
    package mutating func connectionLost() {
        requests.removeAll()
        silentAt = nil
        if case .stopped = phase { return }
        if case .pausing = phase { return }
        phase = .probing
        nextSeq = geometry.map { received / $0.chunkSize + 1 } ?? 1
    }

    /// Nothing more is asked; what is in flight runs out.
    package mutating func stop() {
        phase = .stopped
        for index in requests.indices { requests[index].stale = true }
    }

    /// Whether the server has been silent for too long, and the connection with it is out of step.
    package func isSilent(now: MonotonicTime) -> Bool {
        guard let silentAt else { return false }
        return silentAt <= now
    }

    private mutating func startOver(
        because detail: String, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        restarts += 1
        guard restarts <= Limits.Download.restartsMax else {
            return fail(.serverError, "\(detail), after \(restarts - 1) starts over")
        }
        stop()
        forgetPart()
        let jitter = Int64.random(in: 0...Limits.Download.restartJitterMax.wholeNanoseconds, using: &random)
        phase = .pausing(until: now + .nanoseconds(jitter))
        return []
    }

    private mutating func forgetPart() {
        geometry = nil
        begun = nil
        received = 0
        written = 0
        nextSeq = 1
    }

    private mutating func fail(_ reason: AbsenceReason, _ detail: String) -> [Action] {
        stop()
        return [.failed(reason, detail: detail)]
    }
}
