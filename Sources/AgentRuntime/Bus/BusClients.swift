internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import Logging
internal import NIOCore
internal import ProgramSupport
internal import Synchronization

/// The clients that are connected: who is let in, and who has to be closed in the end.
final class BusClients: Sendable {
    private struct State {
        var channels: [UInt64: any Channel] = [:]
        var refused = 0
        var hasWarned = false
        var isClosing = false
    }

    private enum Verdict {
        case handler(LabelBusHandler.Admission)
        case closeAtOnce
    }

    private let state = Mutex(State())
    private let numbers = Atomic<UInt64>(0)
    private let dispatcher: CallDispatcher
    private let budget = BusBudget()
    private let batches = FlushBatches()
    private let connectionsMax: Int
    private let logger: Logger

    init(dispatcher: CallDispatcher, connectionsMax: Int, logger: Logger) {
        self.dispatcher = dispatcher
        self.connectionsMax = connectionsMax
        self.logger = logger
    }

    var count: Int { state.withLock { $0.channels.count } }

    /// Called for each new channel, on its event loop, before it is read from.
    func welcome(_ channel: any Channel) -> EventLoopFuture<Void> {
        peer(of: channel).flatMapThrowing { peer in
            let number = self.numbers.add(1, ordering: .relaxed).newValue
            switch self.admit(channel, number, peer) {
            case .closeAtOnce: throw ChannelError.ioOnClosedChannel
            case .handler(let admission):
                channel.closeFuture.whenComplete { _ in self.forget(number, admission) }
                try channel.pipeline.syncOperations.addHandlers([
                    LabelBusHandler(
                        connection: number, dispatcher: self.dispatcher, budget: self.budget, batches: self.batches,
                        admission: admission),
                    BusErrorHandler(logger: self.logger),
                ])
            }
        }
    }

    private func admit(_ channel: any Channel, _ number: UInt64, _ peer: PeerCredentials) -> Verdict {
        let (verdict, mustWarn) = state.withLock { state -> (Verdict, Bool) in
            if state.isClosing { return (.closeAtOnce, false) }
            let isOwn = peer.uid == geteuid()
            if isOwn, state.channels.count < connectionsMax {
                state.channels[number] = channel
                return (.handler(.welcome), false)
            }
            guard state.refused < Limits.Bus.refusedConnectionsMax else { return (.closeAtOnce, false) }
            state.refused += 1
            if !isOwn { return (.handler(.refused(.permissionDenied)), false) }
            let mustWarn = !state.hasWarned
            state.hasWarned = true
            return (.handler(.refused(.tooMany(what: "connections", limit: connectionsMax))), mustWarn)
        }
        if peer.uid != geteuid() {
            logger.debug(
                "a client of another user was refused", metadata: ["uid": "\(peer.uid)", "pid": "\(peer.pid)"])
        }
        if mustWarn {
            logger.warning("too many clients on the label bus", metadata: ["limit": "\(connectionsMax)"])
        }
        return verdict
    }

    private func forget(_ number: UInt64, _ admission: LabelBusHandler.Admission) {
        state.withLock { state in
            switch admission {
            case .welcome:
                state.channels[number] = nil
                if state.channels.count < connectionsMax / 2 { state.hasWarned = false }
            case .refused: state.refused -= 1
            }
        }
    }

    /// Closes every client and waits until they are gone, so that the service has heard of every hang-up.
    func closeAll() async {
        let channels = state.withLock { state in
            state.isClosing = true
            return state.channels.sorted { $0.key < $1.key }.map(\.value)
        }
        for channel in channels { channel.close(promise: nil) }
        for channel in channels { try? await channel.closeFuture.get() }
    }

    private func peer(of channel: any Channel) -> EventLoopFuture<PeerCredentials> {
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        return provider.unsafeGetSocketOption(level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
    }
}

/// The kernel's `struct ucred` (unix(7)).
private struct PeerCredentials: Sendable {
    var pid: Int32 = 0
    var uid: UInt32 = 0
    var gid: UInt32 = 0
}

/// Says in the log why a client was closed.
private final class BusErrorHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("a client of the label bus was closed", metadata: ["reason": "\(ErrorWords.text(error))"])
        // A violation closes by itself, after the replies before it.
        if !(error is BusMessageError) { context.close(promise: nil) }
    }
}
