internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes

/// A connection of HTTP/1.1, by itself for a proxy in front, or within TLS.
struct PlainChannel: ServerChildChannel {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    private let http1: HTTP1Channel
    let bounds: ExchangeBounds

    init(_ http1: HTTP1Channel, _ bounds: ExchangeBounds) {
        self.http1 = http1
        self.bounds = bounds
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let exchanges = ExchangeGuard(bounds, isStream: false)
        do {
            try channel.pipeline.syncOperations.addHandler(ByteListener(exchanges))
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
        return http1.setup(channel: channel, logger: logger).assumeIsolated().flatMapThrowing { exchange in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(
                exchanges, position: .before(try pipeline.handler(type: HTTPConnectionStateHandler.self)))
            return exchange
        }.nonisolated()
    }

    func handle(value: Value, logger: Logger) async { await http1.handle(value: value, logger: logger) }
}
