internal import AvatarCore

/// The downloads of the HTTP way: each picture is one request, side by side on one connection, and goes on by a range after a cut.
struct HTTPDownloads: DownloadWay {
    private var transfers: [AvatarName: HTTPDownload] = [:]
    private var names: [Int: AvatarName] = [:]
    private var lastNumber = 0
    private var cancelled: [ServerRequest] = []
    /// When the server has owed an answer for too long, if nothing comes until then.
    private var silentAt: MonotonicTime?
    /// The server put off what it was asked: nothing is asked before that.
    private var pausedUntil = MonotonicTime.zero
    /// Requests that may be under way at once.
    private var requestsMax = Limits.HTTPWay.streamsMax
    /// What a picture is guessed to have until its size is known: near the mean of those that came.
    private var expectedBytes = Limits.Download.expectedBytesFirst

    var inFlight: Int { names.count }

    // MARK: One download

    func isUnderWay(_ name: AvatarName) -> Bool { transfers[name] != nil }
    func isQuiet(_ name: AvatarName) -> Bool { transfers[name]?.call == nil }
    func progress(of name: AvatarName) -> (transferred: Int64, totalSize: Int64?)? {
        transfers[name].map { ($0.received, $0.plan?.totalSize) }
    }
    func isReceived(_ name: AvatarName) -> Bool { transfers[name]?.isReceived ?? false }
    func part(of name: AvatarName) -> Part? { transfers[name]?.part }
    func owner(of name: AvatarName) -> UserID? { transfers[name]?.owner }

    mutating func begin(_ name: AvatarName, from part: Part?, known: SHA256Digest?) {
        remove(name)
        transfers[name] = HTTPDownload(part: part, known: known)
    }

    mutating func stop(_ name: AvatarName) {
        giveUpCall(of: name)
        transfers[name]?.stop()
    }

    mutating func remove(_ name: AvatarName) {
        giveUpCall(of: name)
        transfers[name] = nil
    }

    mutating func wrote(_ name: AvatarName, through offset: Int64) -> Bool {
        transfers[name]?.wrote(through: offset) ?? false
    }

    private mutating func giveUpCall(of name: AvatarName) {
        guard let number = transfers[name]?.call else { return }
        transfers[name]?.callEnded()
        end(number)
        cancelled.append(.cancel(HTTPCallID(.picture, number)))
    }

    private mutating func end(_ number: Int) {
        names[number] = nil
        if names.isEmpty { silentAt = nil }
    }

    // MARK: All downloads

    /// Bytes that are still to come, as far as sizes are known or guessed.
    private var plannedBytes: Int64 {
        transfers.values.reduce(0) { $0 + ($1.outstanding ?? expectedBytes) }
    }

    func takesAnother(places: Int) -> Bool {
        places < Limits.HTTPWay.activeMin
            || (places < requestsMax && plannedBytes < Limits.HTTPWay.plannedBytesMax)
    }

    func isSilent(now: MonotonicTime) -> Bool { silentAt.map { $0 <= now } ?? false }

    func deadline(of name: AvatarName, mayAsk: Bool) -> MonotonicTime {
        guard let transfer = transfers[name] else { return .never }
        if transfer.call != nil { return silentAt ?? .never }
        return mayAsk && transfer.wantsToAsk ? max(pausedUntil, transfer.pausedUntil) : .never
    }

    mutating func ask(_ places: [Downloads.Place], now: MonotonicTime) -> [ServerRequest] {
        guard pausedUntil <= now else { return [] }
        var requests: [ServerRequest] = []
        for visibility in Visibility.allCases.reversed() {
            for place in places where place.priority == visibility && names.count < requestsMax {
                guard var transfer = transfers[place.name], transfer.wantsToAsk, transfer.pausedUntil <= now else {
                    continue
                }
                lastNumber += 1
                let call = transfer.ask(place.name, number: lastNumber, now: now)
                transfers[place.name] = transfer
                names[lastNumber] = place.name
                if silentAt == nil { silentAt = now + Limits.Connection.replyTimeout }
                requests.append(.http(HTTPCallID(.picture, lastNumber), call))
            }
        }
        return requests
    }

    mutating func takeCancelled() -> [ServerRequest] {
        defer { cancelled = [] }
        return cancelled
    }

    mutating func replied(
        _ reply: ServerReply.Kind, places: [Downloads.Place], now: MonotonicTime, random: inout SeededRandom
    ) -> DownloadAnswer {
        guard case .http(let id, let reply) = reply, id.purpose == .picture else {
            return .stray("an answer in another protocol")
        }
        guard let name = names[id.number], var transfer = transfers[name], transfer.call == id.number else {
            return .stale
        }
        silentAt = now + Limits.Connection.replyTimeout
        let wasKnown = transfer.plan != nil
        let events = transfer.replied(reply, now: now, random: &random)
        if !wasKnown, let size = transfer.plan?.totalSize { learn(size) }
        if case .head(let head) = reply, head.isPutOff { pausedUntil = max(pausedUntil, transfer.pausedUntil) }
        let isOver = transfer.call == nil
        transfers[name] = transfer
        if isOver {
            end(id.number)
            if reply.mayHaveMore { cancelled.append(.cancel(id)) }
        }
        return .of(name, events)
    }

    private mutating func learn(_ size: Int64) {
        let bounds = Limits.Download.expectedBytes
        expectedBytes += (min(max(size, bounds.lowerBound), bounds.upperBound) - expectedBytes) / 8
    }

    mutating func greeted(_ head: HTTPHead) {
        requestsMax = head.isMultiplexed ? Limits.HTTPWay.streamsMax : Limits.HTTPWay.connectionsMax
    }

    mutating func pause() {
        for name in transfers.keys.sorted() where !isReceived(name) { giveUpCall(of: name) }
    }

    mutating func connectionLost() {
        for name in transfers.keys { transfers[name]?.callEnded() }
        (names, cancelled, silentAt) = ([:], [], nil)
    }

    mutating func accountChanged() { pausedUntil = .zero }
}

extension HTTPReply {
    /// Whether bytes of the response may follow that nobody waits for any more. Of an error nothing follows that matters, and a request that is
    /// reset costs the server more than it saves.
    fileprivate var mayHaveMore: Bool {
        switch self {
        case .head(let head): (200..<300).contains(head.status)
        case .bytes: true
        case .sent, .change, .end: false
        }
    }
}

extension HTTPHead {
    /// Whether the server wants to be asked later.
    var isPutOff: Bool { status == 429 || status == 503 }
}
