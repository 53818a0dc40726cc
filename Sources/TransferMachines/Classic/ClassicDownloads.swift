internal import AvatarCore

/// The downloads on one classic connection: who asks for how many chunks, and whose a reply is.
struct ClassicDownloads: DownloadWay {
    private var transfers: [AvatarName: Transfer] = [:]
    private var flight = FlightWindow()
    /// Requests that the server has not answered.
    private(set) var inFlight = 0
    /// Bytes that are still to come of all downloads, as far as their sizes are known or guessed.
    private var plannedBytes: Int64 = 0
    /// What a picture is guessed to have: near the mean of those that came.
    private var expectedBytes = Limits.Download.expectedBytesFirst
    /// What the answer to a request is taken to hold: the server's chunk, as the last picture of more than one chunk told it, or near the mean
    /// of the pictures that fit into one.
    private var answerBytes = Limits.Download.expectedBytesFirst

    /// A download, and what the counters have of it.
    private struct Transfer: Sendable {
        var download: ClassicDownload
        /// What the picture counts with until its size is known.
        let expectedBytes: Int64
        var plannedBytes: Int64 { download.outstanding ?? expectedBytes }
    }

    /// Changes a download, and the counters with it.
    private mutating func change<Result>(
        _ name: AvatarName, _ body: (inout ClassicDownload) -> Result
    ) -> Result? {
        guard var transfer = transfers.removeValue(forKey: name) else { return nil }
        inFlight -= transfer.download.inFlight
        plannedBytes -= transfer.plannedBytes
        defer {
            inFlight += transfer.download.inFlight
            plannedBytes += transfer.plannedBytes
            transfers[name] = transfer
        }
        return body(&transfer.download)
    }

    // MARK: One download

    /// Whether requests of the name are under way, be they of a download that was stopped.
    func isUnderWay(_ name: AvatarName) -> Bool { transfers[name] != nil }

    /// Whether no request of the name is unanswered.
    func isQuiet(_ name: AvatarName) -> Bool { transfers[name]?.download.isQuiet ?? true }

    /// Bytes that came, and the size that the server promised; nil when the name is not under way.
    func progress(of name: AvatarName) -> (transferred: Int64, totalSize: Int64?)? {
        transfers[name].map { ($0.download.transferred, $0.download.totalSize) }
    }

    /// Whether every byte came; what is left is the disk's to do.
    func isReceived(_ name: AvatarName) -> Bool {
        guard let download = transfers[name]?.download else { return false }
        return download.transferred == download.totalSize
    }

    /// What the disk holds of the name, to go on from later.
    func part(of name: AvatarName) -> Part? { transfers[name]?.download.part }

    /// The wire tells neither whose picture it is nor whether there is a newer one.
    func owner(of name: AvatarName) -> UserID? { nil }

    mutating func begin(_ name: AvatarName, from part: Part?, known: SHA256Digest?) {
        remove(name)
        let transfer = Transfer(download: ClassicDownload(part: part), expectedBytes: expectedBytes)
        plannedBytes += transfer.plannedBytes
        transfers[name] = transfer
    }

    /// Nothing more is asked of the name; what is in flight runs out.
    mutating func stop(_ name: AvatarName) { change(name) { $0.stop() } }

    /// The name is under way no longer.
    mutating func remove(_ name: AvatarName) {
        guard let transfer = transfers.removeValue(forKey: name) else { return }
        inFlight -= transfer.download.inFlight
        plannedBytes -= transfer.plannedBytes
    }

    /// The disk has the bytes up to `offset`; whether that is all of the picture.
    mutating func wrote(_ name: AvatarName, through offset: Int64) -> Bool {
        change(name) { $0.wrote(through: offset).isEmpty == false } ?? false
    }

    // MARK: All downloads

    /// Whether another picture should begin beside `places` others. Each takes a round trip until its size is known and another until it is
    /// there, so that two windows are planned ahead. A few begin however large the others are.
    func takesAnother(places: Int) -> Bool {
        places < Limits.Download.activeMin
            || (places < Limits.Download.activeMax && plannedBytes < 2 * flight.bytes)
    }

    /// Whether the server has owed an answer for too long.
    func isSilent(now: MonotonicTime) -> Bool { transfers.values.contains { $0.download.isSilent(now: now) } }

    /// When something is to be done for the name without a reply; where it may not ask, only the server's silence is worth waking up for.
    func deadline(of name: AvatarName, mayAsk: Bool) -> MonotonicTime {
        guard let download = transfers[name]?.download else { return .never }
        return (mayAsk ? download.deadline : download.silentAt) ?? .never
    }

    /// Requests that may be in flight on the connection.
    private var inFlightMax: Int {
        Int(min(Int64(Limits.Download.inFlightMax), max(flight.bytes / answerBytes, 1)))
    }

    /// The requests to send now. Each place moves, however many requests more urgent ones have in flight; the rest goes by urgency.
    mutating func ask(_ places: [Downloads.Place], now: MonotonicTime) -> [ServerRequest] {
        var budget = inFlightMax - inFlight
        let asking = places.filter { transfers[$0.name]?.download.wantsToAsk(now: now) ?? false }
        var requests: [ServerRequest] = []
        // A download whose pause is over hears of it even when there is no room: its deadline would stay in the past, and wake for nothing.
        for place in asking where isQuiet(place.name) {
            ask(place.name, atMost: min(1, budget), &budget, now, &requests)
        }
        guard !asking.isEmpty else { return requests }
        // A large picture gets what small ones leave.
        for share in [Limits.Download.shareRequests, Limits.Download.inFlightMax] {
            for visibility in Visibility.allCases.reversed() {
                for place in asking where budget > 0 && place.priority == visibility {
                    let room = share - (transfers[place.name]?.download.inFlight ?? 0)
                    if room > 0 { ask(place.name, atMost: min(room, budget), &budget, now, &requests) }
                }
            }
        }
        if budget <= 0 { flight.filled() }
        return requests
    }

    private mutating func ask(
        _ name: AvatarName, atMost count: Int, _ budget: inout Int, _ now: MonotonicTime,
        _ requests: inout [ServerRequest]
    ) {
        let chunkBytes = transfers[name]?.download.chunkSize ?? Int64(Limits.Wire.ownChunkBytes)
        for seq in change(name, { $0.ask(budget: count, now: now) }) ?? [] {
            budget -= 1
            requests.append(.download(name: name, seq: seq, chunkBytes: chunkBytes))
        }
    }

    /// Requests that were sent are answered, whatever became of their download.
    mutating func takeCancelled() -> [ServerRequest] { [] }
    mutating func pause() {}

    mutating func replied(
        _ reply: ServerReply.Kind, places: [Downloads.Place], now: MonotonicTime, random: inout SeededRandom
    ) -> DownloadAnswer {
        guard case .download(let answered, let reply) = reply else { return .stray("an answer in another protocol") }
        let stray = DownloadAnswer.stray("a picture named \(answered.map { String($0.prefix(80)) } ?? "nothing")")
        guard let name = answered.map({ try? AvatarName($0) }) ?? oldestAsked(places),
            let download = transfers[name]?.download
        else { return stray }
        let restarts = download.restarts
        measure(reply, to: download, now: now)
        var events: [DownloadEvent] = []
        for step in change(name, { $0.replied(reply, now: now, random: &random) }) ?? [] {
            switch step {
            case .begin(let totalSize, let chunkSize):
                events.append(.began(PartPlan(totalSize: totalSize, chunkSize: chunkSize)))
            case .append(let offset, let bytes): events.append(.received(offset: offset, bytes: bytes))
            case .commit: break
            case .tokenRefused(let error): events.append(.loginRefused(LoginRefusal(error)))
            case .failed(let reason, let detail): events.append(.failed(reason, detail: detail))
            case .stray: return stray
            }
        }
        if let count = transfers[name]?.download.restarts, count > restarts {
            events.insert(.startedOver(times: count), at: 0)
        }
        return .of(name, events)
    }

    /// Learns from a reply how fast the connection is, how much an answer holds, and how large pictures are.
    private mutating func measure(_ reply: ClassicDownload.Reply, to download: ClassicDownload, now: MonotonicTime) {
        guard let sentAt = download.oldestSentAt, case .chunk(_, let totalSize, _, let isLast, let data) = reply else {
            return
        }
        flight.delivered(Int64(data.count), sentAt: sentAt, now: now)
        guard download.totalSize == nil else { return }
        if isLast {
            answerBytes = max(
                answerBytes + (Int64(data.count) - answerBytes) / 8, Limits.Download.expectedBytes.lowerBound)
        } else if Limits.Wire.classicChunkBytes.contains(data.count) {
            answerBytes = Int64(data.count)
        }
        let size = min(
            max(totalSize, Limits.Download.expectedBytes.lowerBound), Limits.Download.expectedBytes.upperBound)
        expectedBytes += (size - expectedBytes) / 8
    }

    /// The name that an error reply without a name must mean: the oldest request for a first chunk, which goes alone, since only the
    /// answers to those may hold nothing but the error; the oldest of the other requests where there is none.
    private func oldestAsked(_ places: [Downloads.Place]) -> AvatarName? {
        func age(_ name: AvatarName) -> (isLater: Int, owedUntil: MonotonicTime) {
            let download = transfers[name]?.download
            return (download?.oldestAsked == 1 ? 0 : 1, download?.silentAt ?? .zero)
        }
        return places.lazy.map(\.name).filter { !isQuiet($0) }.min { age($0) < age($1) }
    }

    /// Nothing that was asked will be answered.
    mutating func connectionLost() {
        for name in transfers.keys { change(name) { $0.connectionLost() } }
        flight.connectionLost()
    }

    mutating func accountChanged() {}
}

extension LoginRefusal {
    init(_ error: ClassicError) { self.init(code: error.rawValue, description: error.description) }
}
