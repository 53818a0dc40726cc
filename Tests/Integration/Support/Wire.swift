import NIOCore
import NIOPosix
import Synchronization

/// A TCP relay on the loopback between the agent and its server: it counts bytes, strikes at a chosen one, and can be cut.
final class Wire: Sendable {
    /// Which way bytes go.
    enum Direction: Hashable, Sendable {
        /// From the agent to the server.
        case up
        /// From the server to the agent.
        case down
    }

    private let traffic: Traffic
    private let channel: any Channel

    /// Listens on a free port; each connection goes on to the port that `upstream` says then.
    init(upstream: @escaping @Sendable () -> Int) async throws {
        let traffic = Traffic()
        self.traffic = traffic
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { traffic.join($0, to: upstream()) }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// Where it listens.
    var port: Int { channel.localAddress?.port ?? 0 }
    /// Connections that came.
    var connections: Int { traffic.state.withLock { $0.arrivals.count } }
    /// Bytes that have passed, all connections together.
    func passed(_ direction: Direction) -> Int { traffic.state.withLock { $0.passed[direction] ?? 0 } }

    /// Calls `strike` once, on the network thread, as soon as that many more bytes have passed.
    func strike(after bytes: Int, _ direction: Direction, _ strike: @escaping @Sendable () -> Void) {
        traffic.state.withLock { state in
            let at = (state.passed[direction] ?? 0) + bytes
            state.trap = Traffic.Trap(direction: direction, at: at, strike: strike)
        }
    }

    /// Breaks every connection each time so many more bytes have come down, or up, so many times.
    func cut(every bytes: Int, _ direction: Direction = .down, times: Int) {
        strike(after: bytes, direction) { [self] in
            traffic.breakAll()
            if times > 1 { cut(every: bytes, direction, times: times - 1) }
        }
    }

    /// Lets nothing more come down once so many more bytes have, until the connection ends.
    func hold(after bytes: Int) {
        strike(after: bytes, .down) { [self] in traffic.hold() }
    }

    /// Hears everything that passes, with the moment.
    func listen(_ heard: @escaping @Sendable (Direction, ByteBuffer, NIODeadline) -> Void) {
        traffic.state.withLock { $0.listeners.append(heard) }
    }

    /// When the first connections came, as soon as there are so many.
    func arrivals(_ count: Int) async throws -> [NIODeadline] {
        let enough = Occasion<[NIODeadline]>()
        traffic.state.withLock { state in
            if state.arrivals.count >= count {
                enough.happen(Array(state.arrivals.prefix(count)))
            } else {
                state.arrivalWaiters.append((count, enough))
            }
        }
        return try await enough.wait("\(count) connections")
    }

    /// Listens no more.
    func close() async { try? await channel.close() }
}

/// What passes over a wire.
private final class Traffic: Sendable {
    struct Trap {
        let direction: Wire.Direction
        let at: Int
        let strike: @Sendable () -> Void
    }

    struct State {
        var passed: [Wire.Direction: Int] = [:]
        var arrivals: [NIODeadline] = []
        var arrivalWaiters: [(count: Int, enough: Occasion<[NIODeadline]>)] = []
        var trap: Trap?
        var inner: [any Channel] = []
        var outer: [any Channel] = []
        var listeners: [@Sendable (Wire.Direction, ByteBuffer, NIODeadline) -> Void] = []
    }

    let state = Mutex(State())

    func join(_ inner: any Channel, to port: Int) -> EventLoopFuture<Void> {
        state.withLock { state in
            state.arrivals.append(.now())
            state.inner.append(inner)
            for waiter in state.arrivalWaiters where waiter.count == state.arrivals.count {
                waiter.enough.happen(state.arrivals)
            }
        }
        // The agent's side is registered, and so read, only when this is done.
        return ClientBootstrap(group: inner.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { [self] outer in
                outer.eventLoop.makeCompletedFuture {
                    try inner.pipeline.syncOperations.addHandler(Relay(to: outer) { [self] in pass($0, .up) })
                    try outer.pipeline.syncOperations.addHandler(Relay(to: inner) { [self] in pass($0, .down) })
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .map { [self] outer in state.withLock { $0.outer.append(outer) } }
    }

    func breakAll() {
        let channels = state.withLock { state in
            defer { state.inner = [] }
            return state.inner
        }
        for channel in channels { channel.close(promise: nil) }
    }

    func hold() {
        for channel in state.withLock({ $0.outer }) { channel.setOption(.autoRead, value: false).whenComplete { _ in } }
    }

    private func pass(_ bytes: ByteBuffer, _ direction: Wire.Direction) {
        let now = NIODeadline.now()
        let (strike, listeners) = state.withLock { state in
            state.passed[direction, default: 0] += bytes.readableBytes
            guard let trap = state.trap, trap.direction == direction, (state.passed[direction] ?? 0) >= trap.at else {
                return ((@Sendable () -> Void)?.none, state.listeners)
            }
            state.trap = nil
            return (trap.strike, state.listeners)
        }
        for heard in listeners { heard(direction, bytes, now) }
        strike?()
    }
}

/// Hands on what comes, and closes the other end with this one.
private final class Relay: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel
    private let passed: (ByteBuffer) -> Void

    init(to other: any Channel, passed: @escaping (ByteBuffer) -> Void) {
        self.other = other
        self.passed = passed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        // Handed on first: whoever is struck has the byte it is struck at.
        other.writeAndFlush(bytes, promise: nil)
        passed(bytes)
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
