internal import AvatarCore

/// How slow a request may come, and how much of it is still taken when its answer is out.
package struct ExchangeBounds: Sendable {
    package var headTime = Limits.HTTP.headTime
    package var bodyGrace = Limits.HTTP.bodyGrace
    package var bodyBytesPerSecondMin = Limits.HTTP.bodyBytesPerSecondMin
    package var drainTime = Limits.HTTP.drainTime
    package var drainBytesMax = Limits.HTTP.drainBytesMax
    package var lingerTime = Limits.HTTP.lingerTime

    package init() {}
}

/// Decides for a connection of HTTP/1.1, or for one stream of HTTP/2, when its client is too slow, and what is done with the rest of a
/// request that was answered early: it is taken and thrown away, so that the client reads its answer instead of a reset, but not for ever.
///
/// Requests may come one behind the other before the first is answered. A clock runs only for a request whose turn it is, and only while the
/// server waits for bytes: what it does not read itself is not the client's fault.
struct ExchangeWatch {
    /// What ends the connection, with an answer.
    enum Refusal: Hashable, Sendable {
        case slowHead
        case slowBody
        case headTooLarge
        /// It breaks HTTP.
        case broken
    }

    enum Action: Hashable, Sendable {
        case nothing
        case answer(Refusal)
        case close
    }

    private enum Coming {
        case nothing
        case head(since: MonotonicTime)
        case body(BodyPace)
    }

    /// What is still taken of a client that has its answer.
    private struct Rest {
        let until: MonotonicTime
        var bytesLeft: Int
        /// Nothing follows; else the connection goes on when the request ends in time.
        let isLast: Bool
    }

    private let bounds: ExchangeBounds
    private var coming = Coming.nothing
    private var isReading = false
    /// Requests that came and whose answers have not ended.
    private var owed = 0
    /// The head of the oldest owed answer is out.
    private var isAnswering = false
    /// Waits until the answers before it have ended.
    private var refusal: Refusal?
    private var rest: Rest?

    init(_ bounds: ExchangeBounds) { self.bounds = bounds }

    /// Whether the last answer is out: nothing of the client or of the responder goes on.
    private(set) var isOver = false

    /// Whether bytes of a body are thrown away.
    var isDraining: Bool { rest != nil }

    /// When ``timePassed(now:)`` has something to decide.
    var deadline: MonotonicTime? {
        if let rest { return rest.until }
        switch coming {
        case .nothing: return nil
        case .head(let since): return owed == 0 ? since + bounds.headTime : nil
        case .body(let pace): return owed == 1 && !isAnswering ? pace.deadline(bounds) : nil
        }
    }

    /// Bytes of the connection came, of whatever they are.
    mutating func bytesCame(_ count: Int, now: MonotonicTime) -> Action {
        if rest?.isLast == true { return take(count) }
        if case .nothing = coming, rest == nil { coming = .head(since: now) }
        return .nothing
    }

    /// - Parameter waits: whether the client sends its body only when it is asked to (`Expect: 100-continue`).
    mutating func headCame(waits: Bool, now: MonotonicTime) {
        owed += 1
        coming = .body(BodyPace(isDue: !waits, waitingSince: isReading ? now : nil))
    }

    mutating func bodyCame(_ count: Int) -> Action {
        if rest != nil { return take(count) }
        if case .body(var pace) = coming {
            pace.came(count)
            coming = .body(pace)
        }
        return .nothing
    }

    mutating func requestEnded() {
        coming = .nothing
        if rest?.isLast == false { rest = nil }
    }

    mutating func readBegins(now: MonotonicTime) {
        isReading = true
        if case .body(var pace) = coming {
            pace.begin(now)
            coming = .body(pace)
        }
    }

    mutating func readEnds(now: MonotonicTime) {
        isReading = false
        if case .body(var pace) = coming {
            pace.end(now)
            coming = .body(pace)
        }
    }

    /// The client has been asked to send its body now.
    mutating func bodyWasAskedFor(now: MonotonicTime) {
        if case .body = coming { coming = .body(BodyPace(isDue: true, waitingSince: isReading ? now : nil)) }
    }

    mutating func answerBegins() { isAnswering = true }

    mutating func answerEnds(now: MonotonicTime) -> Action {
        owed = max(0, owed - 1)
        isAnswering = false
        if let refusal, owed == (isInBody ? 1 : 0) { return end(.answer(refusal), now) }
        guard owed == 0 else { return .nothing }
        switch coming {
        case .nothing: break
        case .head: coming = .head(since: now)
        case .body: rest = Rest(until: now + bounds.drainTime, bytesLeft: bounds.drainBytesMax, isLast: false)
        }
        return .nothing
    }

    /// The request that is coming cannot be read; nothing can be read behind it.
    mutating func broke(_ refusal: Refusal, now: MonotonicTime) -> Action {
        if isOver { return .nothing }
        if isDraining { return end(.close, now) }
        switch (isInBody, owed) {
        case (false, 0): return end(.answer(refusal), now)
        case (true, 1): return end(isAnswering ? .close : .answer(refusal), now)
        default:
            self.refusal = refusal
            return .nothing
        }
    }

    mutating func timePassed(now: MonotonicTime) -> Action {
        guard let deadline, now >= deadline else { return .nothing }
        if rest != nil { return end(.close, now) }
        return end(.answer(isInBody ? .slowBody : .slowHead), now)
    }

    private var isInBody: Bool { if case .body = coming { true } else { false } }

    private mutating func take(_ count: Int) -> Action {
        guard var now = rest else { return .nothing }
        now.bytesLeft -= count
        rest = now
        guard now.bytesLeft < 0 else { return .nothing }
        isOver = true
        rest = nil
        coming = .nothing
        return .close
    }

    private mutating func end(_ action: Action, _ now: MonotonicTime) -> Action {
        isOver = true
        coming = .nothing
        rest =
            action == .close
            ? nil : Rest(until: now + bounds.lingerTime, bytesLeft: bounds.drainBytesMax, isLast: true)
        return action
    }
}

/// How long the server has waited for a body, and how long it may.
private struct BodyPace {
    private var bytes = 0
    private var waited = Duration.zero
    private var waitingSince: MonotonicTime?
    /// Whether it is the client's turn.
    private var isDue: Bool

    init(isDue: Bool, waitingSince: MonotonicTime?) {
        self.isDue = isDue
        self.waitingSince = waitingSince
    }

    mutating func came(_ count: Int) {
        bytes += count
        // Some do not wait.
        isDue = true
    }

    mutating func begin(_ now: MonotonicTime) { if waitingSince == nil { waitingSince = now } }

    mutating func end(_ now: MonotonicTime) {
        if let waitingSince { waited += now - waitingSince }
        waitingSince = nil
    }

    func deadline(_ bounds: ExchangeBounds) -> MonotonicTime? {
        guard isDue, let waitingSince else { return nil }
        return waitingSince + (bounds.bodyGrace + .seconds(bytes) / bounds.bodyBytesPerSecondMin - waited)
    }
}
