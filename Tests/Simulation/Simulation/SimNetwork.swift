internal import AvatarCore
internal import NIOCore
internal import TransferMachines

/// One TCP connection of the simulated network: bytes in order, in pieces of any size, with delay; it can be cut at any byte, or go
/// silent in one direction or in both without a word.
final class SimLink {
    enum Side { case agent, server }

    let world: World
    private var random: SeededRandom
    private let delayMax: Duration
    private let pieces: Int
    private var lastDelivery: [MonotonicTime] = [.zero, .zero]
    private var budget: Int?
    private var isSilent = [false, false]
    private(set) var isOpen = true
    /// What the agent and the server hear.
    var ends: (agent: End, server: End) = (End(), End())

    /// The connection is cut because as many bytes arrived as it was to live for.
    var cutShort: () -> Void = {}

    /// One end of the connection.
    struct End {
        var received: (ByteBuffer) -> Void = { _ in }
        var closed: (String) -> Void = { _ in }
    }

    init(world: World, random: SeededRandom, delayMax: Duration, pieces: Int, cutAfter: Int?) {
        self.world = world
        self.random = random
        self.delayMax = delayMax
        self.pieces = pieces
        budget = cutAfter
    }

    func send(_ bytes: ByteBuffer, from side: Side) {
        guard isOpen else { return }
        let index = side == .agent ? 0 : 1
        var rest = bytes
        for piece in 0..<pieces where rest.readableBytes > 0 {
            let isLast = piece == pieces - 1
            let count = isLast ? rest.readableBytes : random.pick(1...rest.readableBytes)
            guard let part = rest.readSlice(length: count) else { return }
            let at = max(lastDelivery[index], world.now + random.upTo(delayMax))
            lastDelivery[index] = at
            world.schedule(at: at) { [self] in deliver(part, to: 1 - index) }
        }
    }

    private func deliver(_ part: ByteBuffer, to index: Int) {
        guard isOpen, !isSilent[index] else { return }
        let received = index == 0 ? ends.agent.received : ends.server.received
        guard let left = budget else { return received(part) }
        budget = left - part.readableBytes
        if left >= part.readableBytes { return received(part) }
        if left > 0, let beginning = part.getSlice(at: part.readerIndex, length: left) { received(beginning) }
        guard isOpen else { return }
        cutShort()
        cut("connection reset")
    }

    /// Both sides learn of the end, each in its own time.
    func cut(_ cause: String) {
        guard isOpen else { return }
        isOpen = false
        world.log("the connection is cut:", cause)
        for tell in [ends.agent.closed, ends.server.closed] {
            world.schedule(in: random.upTo(delayMax)) { tell(cause) }
        }
    }

    /// One side closes in order; the other hears of it behind what was sent.
    func close(by side: Side) {
        guard isOpen else { return }
        let other = side == .agent ? 1 : 0
        isOpen = false
        let tell = other == 0 ? ends.agent.closed : ends.server.closed
        world.schedule(at: max(world.now, lastDelivery[1 - other]) + random.upTo(delayMax)) { tell("closed") }
    }

    /// Nothing arrives any more, and nobody is told.
    func goSilent() { isSilent = [true, true] }

    /// Half open: what one side sends arrives nowhere, while the other is heard.
    func goHalfSilent() {
        world.log("a connection is half open")
        isSilent[random.pick(0...1)] = true
    }
}
