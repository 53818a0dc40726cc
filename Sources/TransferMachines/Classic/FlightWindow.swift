internal import AvatarCore

/// How many bytes of chunks a connection should have on their way in one direction: twice what it delivers in its shortest round trip.
///
/// With less the connection idles between a reply and the next request. With more the chunks only wait on the way, and a picture that has
/// just come into view waits behind them; and a server that slows down is met with less. TCP sends as fast as the network takes it; the window only has to keep ahead of TCP. It begins at
/// its least and doubles with every round trip while the connection delivers all that it is asked for.
struct FlightWindow: Sendable {
    /// The bytes that may be on their way.
    private(set) var bytes = Limits.Flight.bytes.lowerBound
    /// The shortest time from a request to its reply on this connection.
    private var roundTrip: Duration?
    /// What the last rounds delivered, in bytes a second; a round lasts at least the shortest round trip.
    private var rates: [Int64] = []
    private var roundBegan: MonotonicTime?
    private var deliveredInRound: Int64 = 0
    /// Whether requests had to wait for the window in this round: only such a round says what the connection can deliver.
    private var wasFull = false

    /// Requests had to wait because the window was full.
    mutating func filled() { wasFull = true }

    /// So many bytes of a file arrived, here or at the server, as the reply says to a request that was sent at `sentAt`.
    mutating func delivered(_ count: Int64, sentAt: MonotonicTime, now: MonotonicTime) {
        let roundTrip = min(self.roundTrip ?? .seconds(3600), max(now - sentAt, .nanoseconds(1)))
        self.roundTrip = roundTrip
        deliveredInRound += count
        guard let began = roundBegan else {
            (roundBegan, deliveredInRound) = (now, 0)
            return
        }
        let elapsed = now - began
        guard elapsed >= max(roundTrip, Limits.Flight.roundMin) else { return }
        let rate = Int64(Double(deliveredInRound) * 1e9 / Double(elapsed.wholeNanoseconds))
        if wasFull || rate > rates.max() ?? 0 { record(rate) }
        (roundBegan, deliveredInRound, wasFull) = (now, 0, false)
        guard let best = rates.max() else { return }
        let product = Double(best) * Double(roundTrip.wholeNanoseconds) / 1e9
        bytes = min(
            max(Int64(2 * product), Limits.Flight.bytes.lowerBound), Limits.Flight.bytes.upperBound)
    }

    private mutating func record(_ rate: Int64) {
        rates.append(rate)
        if rates.count > Limits.Flight.rounds { rates.removeFirst() }
    }

    /// The next connection may take another way through the network.
    mutating func connectionLost() { self = FlightWindow() }
}
