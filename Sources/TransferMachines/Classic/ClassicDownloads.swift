internal import AvatarCore

/// The downloads on one classic connection: who asks for how many chunks, and whose a reply is.
struct ClassicDownloads: Sendable {
    private var transfers: [AvatarName: ClassicDownload] = [:]

    // MARK: One download

    /// Whether requests of the name are under way, be they of a download that was stopped.
    func isUnderWay(_ name: AvatarName) -> Bool { transfers[name] != nil }

    /// Whether no request of the name is unanswered.
    func isQuiet(_ name: AvatarName) -> Bool { transfers[name]?.isQuiet ?? true }

    /// Bytes that came, and the size that the server promised; nil when the name is not under way.
    func progress(of name: AvatarName) -> (transferred: Int64, totalSize: Int64?)? {
        transfers[name].map { ($0.transferred, $0.totalSize) }
    }

    /// Whether every byte came; what is left is the disk's to do.
    func isReceived(_ name: AvatarName) -> Bool {
        guard let transfer = transfers[name] else { return false }
        return transfer.transferred == transfer.totalSize
    }

    /// What the disk holds of the name, to go on from later.
    func part(of name: AvatarName) -> Part? { transfers[name]?.part }

    mutating func begin(_ name: AvatarName, from part: Part?) { transfers[name] = ClassicDownload(part: part) }

    /// Nothing more is asked of the name; what is in flight runs out.
    mutating func stop(_ name: AvatarName) { transfers[name]?.stop() }

    /// The name is under way no longer.
    mutating func remove(_ name: AvatarName) { transfers[name] = nil }

    /// The disk has the bytes up to `offset`; whether that is all of the picture.
    mutating func wrote(_ name: AvatarName, through offset: Int64) -> Bool {
        transfers[name]?.wrote(through: offset).isEmpty == false
    }

    // MARK: All downloads

    /// Whether the server owes an answer to any of them.
    var isQuiet: Bool { transfers.values.allSatisfy(\.isQuiet) }

    /// Requests that the server has not answered.
    var inFlight: Int { transfers.values.reduce(0) { $0 + $1.inFlight } }

    /// Whether the server has owed an answer for too long.
    func isSilent(now: MonotonicTime) -> Bool { transfers.values.contains { $0.isSilent(now: now) } }

    /// When something is to be done for the name without a reply; where it may not ask, only the server's silence is worth waking up for.
    func deadline(of name: AvatarName, mayAsk: Bool) -> MonotonicTime {
        guard let transfer = transfers[name] else { return .never }
        return (mayAsk ? transfer.deadline : transfer.silentAt) ?? .never
    }

    /// The requests to send now. Each place moves, however full the windows of more urgent ones are; the rest goes by urgency.
    mutating func ask(_ places: [Downloads.Place], now: MonotonicTime) -> [ServerRequest] {
        var budget = Limits.Download.inFlightMax
        var asking: [Downloads.Place] = []
        for place in places {
            guard let transfer = transfers[place.name] else { continue }
            budget -= transfer.inFlight
            if transfer.wantsToAsk(now: now) { asking.append(place) }
        }
        var requests: [ServerRequest] = []
        // A download whose pause is over hears of it even when there is no room: its deadline would stay in the past, and wake for nothing.
        for place in asking where isQuiet(place.name) {
            ask(place.name, atMost: min(1, budget), &budget, now, &requests)
        }
        guard budget > 0, !asking.isEmpty else { return requests }
        for visibility in Visibility.allCases.reversed() {
            for place in asking where budget > 0 && place.priority == visibility {
                ask(place.name, atMost: budget, &budget, now, &requests)
            }
        }
        return requests
    }

    private mutating func ask(
        _ name: AvatarName, atMost count: Int, _ budget: inout Int, _ now: MonotonicTime,
        _ requests: inout [ServerRequest]
    ) {
        for seq in transfers[name]?.ask(budget: count, now: now) ?? [] {
            budget -= 1
            requests.append(.download(name: name, seq: seq))
        }
    }

    /// What a reply means, and for which download; nil for a reply to nothing that was asked. `places` are in the order in which they
    /// began.
    mutating func replied(
        _ answered: String?, _ reply: ClassicDownload.Reply, places: [Downloads.Place], now: MonotonicTime,
        random: inout SeededRandom
    ) -> (name: AvatarName, events: [DownloadEvent])? {
        guard let name = answered.map({ try? AvatarName($0) }) ?? oldestAsked(places), let transfer = transfers[name]
        else { return nil }
        let restarts = transfer.restarts
        var events: [DownloadEvent] = []
        for step in transfers[name]?.replied(reply, now: now, random: &random) ?? [] {
            switch step {
            case .begin(let totalSize, let chunkSize):
                events.append(.began(PartPlan(totalSize: totalSize, chunkSize: chunkSize)))
            case .append(let offset, let bytes): events.append(.received(offset: offset, bytes: bytes))
            case .commit: break
            case .tokenRefused(let error): events.append(.loginRefused(LoginRefusal(error)))
            case .failed(let reason, let detail): events.append(.failed(reason, detail: detail))
            case .stray: return nil
            }
        }
        if let count = transfers[name]?.restarts, count > restarts { events.insert(.startedOver(times: count), at: 0) }
        return (name, events)
    }

    /// The name that an error reply without a name must mean: the oldest request for a first chunk, which goes alone, since only the
    /// answers to those may hold nothing but the error; the oldest of the other requests where there is none.
    private func oldestAsked(_ places: [Downloads.Place]) -> AvatarName? {
        func age(_ name: AvatarName) -> (isLater: Int, owedUntil: MonotonicTime) {
            let transfer = transfers[name]
            return (transfer?.oldestAsked == 1 ? 0 : 1, transfer?.silentAt ?? .zero)
        }
        return places.lazy.map(\.name).filter { !isQuiet($0) }.min { age($0) < age($1) }
    }

    /// Nothing that was asked will be answered.
    mutating func connectionLost() { for name in transfers.keys { transfers[name]?.connectionLost() } }
}

extension LoginRefusal {
    init(_ error: ClassicError) { self.init(code: error.rawValue, description: error.description) }
}
