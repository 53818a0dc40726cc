internal import AvatarCore
internal import LabelBus
internal import NIOCore
internal import TransferMachines

/// One connection to the resource server, as the driver uses it on its event loop. One type for each way to a server; nothing is decided in any.
protocol ServerLink: AnyObject {
    /// Sends one request; what cannot be sent is answered by ``LinkEvents/closed``.
    func send(_ request: ServerRequest)
    /// Asks the server about itself.
    func ask(_ question: ServerQuestion)
    /// Hands what was sent to the kernel.
    func flush()
    /// What is known of the server by now.
    var facts: ServerFacts { get }
    /// Closes it, or gives up opening it; no event comes after that. Done when nothing of it is left.
    @discardableResult
    func close() -> EventLoopFuture<Void>
}

/// What the driver hears of a connection, on its loop.
struct LinkEvents: Sendable {
    /// It is open; with what came on it by then.
    let opened: @Sendable ([ServerReply.Kind]) -> Void
    /// All replies that came together.
    let replied: @Sendable ([ServerReply.Kind]) -> Void
    /// The connection is gone, or did not come about; said once.
    let closed: @Sendable (String) -> Void
}

extension LabelBus.Server {
    /// The server as clients of the bus hear of it.
    init(_ address: ServerAddress) {
        self.init(host: address.host, port: address.port, url: address.url?.description)
    }
}
