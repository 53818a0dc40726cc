internal import AvatarCore

/// One picture on its way down over HTTP: what is asked next, and what a response means.
///
/// Lengths, ranges and tags are believed no further than they fit together: bytes of two versions never meet in one part, and the size that
/// the first head promised is the size that the picture has.
struct HTTPDownload: Sendable {
    private enum Phase: Hashable {
        /// Nothing is under way; something is to be asked.
        case wanting
        /// The request with this number is on its way, or its response.
        case asked(Int)
        /// The response's bytes come.
        case receiving(Int)
        case stopped
    }

    private var phase = Phase.wanting
    private(set) var plan: PartPlan?
    private var begun: MonotonicTime?
    private let known: SHA256Digest?
    /// Bytes that came, from the first on without gaps, and those that the disk has.
    private(set) var received: Int64 = 0
    private var written: Int64 = 0
    private(set) var owner: UserID?
    /// How often it started over, or went on after a response that ended too early.
    private var restarts = 0
    /// How often in a row the server put it off.
    private var pauses = 0
    private(set) var pausedUntil = MonotonicTime.zero

    /// From nothing, or from the part of a version that has a tag; `known` is the picture that is there already.
    init(part: Part?, known: SHA256Digest?) {
        self.known = known
        guard let part, part.plan.tag != nil, part.plan.chunkSize == nil, part.held < part.plan.totalSize else {
            return
        }
        (plan, begun, received, written) = (part.plan, part.begun, part.held, part.held)
    }

    /// The request that is under way.
    var call: Int? {
        switch phase {
        case .asked(let number), .receiving(let number): number
        case .wanting, .stopped: nil
        }
    }
    var wantsToAsk: Bool { phase == .wanting }
    var isReceived: Bool { plan.map { received == $0.totalSize } ?? false }
    /// Bytes that are still to come; nil where nothing is known of the size.
    var outstanding: Int64? {
        if phase == .stopped { return 0 }
        return plan.map { $0.totalSize - received }
    }
    /// What the disk holds, to go on from later.
    var part: Part? {
        guard let plan, let begun, plan.tag != nil, written > 0 else { return nil }
        return Part(plan: plan, held: written, begun: begun)
    }

    mutating func ask(_ name: AvatarName, number: Int, now: MonotonicTime) -> HTTPCall {
        if plan?.tag == nil || begun.map({ now - $0 > Limits.Download.partAge }) ?? true { forgetPart() }
        phase = .asked(number)
        return .picture(name, from: received, tag: plan?.tag, known: received == 0 ? known : nil)
    }

    /// The request is under way no longer; the next one goes on where this one was.
    mutating func callEnded() { if call != nil { phase = .wanting } }

    mutating func stop() { phase = .stopped }

    mutating func wrote(through offset: Int64) -> Bool {
        guard offset > written, offset <= received else { return false }
        written = offset
        return written == plan?.totalSize
    }

    mutating func replied(_ reply: HTTPReply, now: MonotonicTime, random: inout SeededRandom) -> [DownloadEvent] {
        switch (phase, reply) {
        case (_, .sent): return []
        case (.asked(let number), .head(let head)): return began(number, head, now: now, random: &random)
        case (.receiving, .bytes(let bytes)):
            guard let plan, received + Int64(bytes.count) <= plan.totalSize else {
                return fail(.corrupt, "more bytes came than the server promised")
            }
            guard !bytes.isEmpty else { return [] }
            let offset = received
            received += Int64(bytes.count)
            return [.received(offset: offset, bytes: bytes)]
        case (.receiving, .end):
            if isReceived {
                phase = .stopped
                return []
            }
            return goOn("the response ended after \(received) of \(plan?.totalSize ?? 0) bytes", now, &random)
        default: return fail(.serverError, "the parts of a response came in no order")
        }
    }

    // MARK: The head

    private mutating func began(
        _ number: Int, _ head: HTTPHead, now: MonotonicTime, random: inout SeededRandom
    ) -> [DownloadEvent] {
        switch head.status {
        case 200: return whole(number, head, now: now)
        case 206: return rest(number, head, now, &random)
        case 304 where known != nil && received == 0:
            phase = .stopped
            return [.unchanged]
        case 401:
            phase = .stopped
            return [.loginRefused(LoginRefusal(head))]
        case 404, 410: return fail(.absent, head.words)
        case 403: return fail(.forbidden, head.words)
        case 416:
            forgetPart()
            return goOn(head.words, now, &random)
        case 429, 503:
            pauses += 1
            guard pauses <= Limits.HTTPWay.pausesMax else { return fail(.serverError, head.words) }
            pausedUntil = now + head.pause(tries: pauses)
            phase = .wanting
            return []
        default: return fail(.serverError, head.words)
        }
    }

    /// 200: the whole picture comes, be it that a range was asked for.
    private mutating func whole(_ number: Int, _ head: HTTPHead, now: MonotonicTime) -> [DownloadEvent] {
        guard !head.isEncoded else {
            return fail(.serverError, "the server sends it compressed, which nobody asked for")
        }
        guard let size = head.length else { return fail(.serverError, "the server does not say how large it is") }
        guard size > 0 else { return fail(.corrupt, "the file is empty on the server") }
        guard size <= Limits.Picture.downloadBytesMax else {
            return fail(.tooLarge, "the server promises \(size) bytes")
        }
        let wasBegun = received > 0
        if wasBegun { restarts += 1 }
        let promise = PartPlan(totalSize: size, chunkSize: nil, sha256: head.sha256, tag: head.tag)
        (plan, begun, received, written, pauses) = (promise, now, 0, 0, 0)
        owner = head.owner
        phase = .receiving(number)
        return (wasBegun ? [.startedOver(times: restarts)] : []) + [.began(promise)]
    }

    /// 206: what is missing comes.
    private mutating func rest(
        _ number: Int, _ head: HTTPHead, _ now: MonotonicTime, _ random: inout SeededRandom
    ) -> [DownloadEvent] {
        guard let plan, received > 0, !head.isEncoded else {
            return fail(.serverError, "the server sends a part that nobody asked for")
        }
        guard head.tag == plan.tag, head.totalSize == plan.totalSize, head.sha256 == plan.sha256,
            head.range == received..<plan.totalSize
        else {
            forgetPart()
            return goOn("the rest is of another version", now, &random)
        }
        owner = head.owner
        pauses = 0
        phase = .receiving(number)
        return []
    }

    // MARK: Ends

    /// Asks again, from where it is; not for ever.
    private mutating func goOn(
        _ why: String, _ now: MonotonicTime, _ random: inout SeededRandom
    ) -> [DownloadEvent] {
        restarts += 1
        guard restarts <= Limits.Download.restartsMax else { return fail(.serverError, why) }
        if plan?.tag == nil { forgetPart() }
        let jitter = Int64.random(in: 0...Limits.Download.restartJitterMax.wholeNanoseconds, using: &random)
        pausedUntil = now + .nanoseconds(jitter)
        phase = .wanting
        return [.startedOver(times: restarts)]
    }

    private mutating func forgetPart() { (plan, begun, received, written) = (nil, nil, 0, 0) }

    private mutating func fail(_ reason: AbsenceReason, _ detail: String) -> [DownloadEvent] {
        phase = .stopped
        return [.failed(reason, detail: detail)]
    }
}
