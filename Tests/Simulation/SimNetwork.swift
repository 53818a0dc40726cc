internal import AvatarCore
internal import TransferMachines

/// One TCP connection of the simulated network: bytes in order, in pieces of any size, with delay; it can be cut at any byte, or go
/// silent on both sides without a word.
final class SimLink {
    enum Side { case agent, server }

    let world: World
    private var random: SeededRandom
    private let delayMax: Duration
    private let pieces: Int
    private var lastDelivery: [MonotonicTime] = [.zero, .zero]
    private var budget: Int?
    private var isSilent = false
    private(set) var isOpen = true
    var received: [(ArraySlice<UInt8>) -> Void] = [{ _ in }, { _ in }]
    var closed: [(String) -> Void] = [{ _ in }, { _ in }]

    init(world: World, random: SeededRandom, delayMax: Duration, pieces: Int, cutAfter: Int?) {
        self.world = world
        self.random = random
        self.delayMax = delayMax
        self.pieces = pieces
        budget = cutAfter
    }

    func send(_ bytes: [UInt8], from side: Side) {
        guard isOpen else { return }
        let index = side == .agent ? 0 : 1
        var rest = bytes[...]
        for piece in 0..<pieces where !rest.isEmpty {
            let isLast = piece == pieces - 1
            let count = isLast ? rest.count : random.pick(1...rest.count)
            let part = rest.prefix(count)
            rest = rest.dropFirst(count)
            let at = max(lastDelivery[index], world.now + random.upTo(delayMax))
            lastDelivery[index] = at
            world.schedule(at: at) { [self] in deliver(part, to: 1 - index) }
        }
    }

    private func deliver(_ part: ArraySlice<UInt8>, to index: Int) {
        guard isOpen, !isSilent else { return }
        if let left = budget {
            budget = left - part.count
            guard left >= part.count else {
                if left > 0 { received[index](part.prefix(left)) }
                if isOpen { cut("connection reset") }
                return
            }
        }
        received[index](part)
    }

    /// Both sides learn of the end, each in its own time.
    func cut(_ cause: String) {
        guard isOpen else { return }
        isOpen = false
        world.log("the connection is cut:", cause)
        for index in 0...1 {
            let tell = closed[index]
            world.schedule(in: random.upTo(delayMax)) { tell(cause) }
        }
    }

    /// One side closes in order; the other hears of it behind what was sent.
    func close(by side: Side) {
        guard isOpen else { return }
        let other = side == .agent ? 1 : 0
        isOpen = false
        let tell = closed[other]
        world.schedule(at: max(world.now, lastDelivery[1 - other]) + random.upTo(delayMax)) { tell("closed") }
    }

    /// Nothing arrives any more, and nobody is told.
    func goSilent() { isSilent = true }
}
