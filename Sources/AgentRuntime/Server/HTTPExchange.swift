internal import AsyncHTTPClient
internal import AvatarCore
internal import TransferMachines

/// A request that is under way, and what is known of its response.
final class HTTPExchange {
    let message: HTTPMapping.Message
    private let redirects: Int
    var head: HTTPHead?
    /// The body of an error or of an answer to a greeting, as far as it is read.
    var words: [UInt8] = []
    /// What the response is read by where it is the stream of changes.
    var changes = ChangeDecoder()
    var body: BodyWriter?
    var task: HTTPClient.Task<Void>?

    init(_ message: HTTPMapping.Message, redirects: Int = 0) {
        (self.message, self.redirects) = (message, redirects)
    }

    /// The same request for the place at the same origin that the head leads to; nil where it leads nowhere that may be followed.
    func redirected(by head: HTTPHead) -> HTTPExchange? {
        guard [301, 302, 303, 307, 308].contains(head.status), message.bodyBytes == nil, message.body == nil,
            let place = head.location,
            redirects < Limits.HTTPWay.redirectsMax
        else { return nil }
        var next = message
        next.path = place
        return HTTPExchange(next, redirects: redirects + 1)
    }

    func cancel() {
        task?.cancel()
        body?.cancel()
    }
}
