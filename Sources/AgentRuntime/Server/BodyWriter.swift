internal import AsyncHTTPClient
internal import NIOCore

/// The body of a request whose bytes come one after the other.
final class BodyWriter {
    private let loop: any EventLoop
    private let count: Int64
    private let sent: (Int) -> Void
    private let done: EventLoopPromise<Void>
    private var writer: HTTPClient.Body.StreamWriter?
    private var pieces: [[UInt8]] = []
    private var isLast: Bool
    private var isWriting = false
    private var isOver = false

    init(bytes: Int64, on loop: any EventLoop, sent: @escaping (Int) -> Void) {
        (count, self.loop, self.sent) = (bytes, loop, sent)
        isLast = bytes == 0
        done = loop.makePromise()
    }

    deinit { if !isOver { done.fail(CancellationError()) } }

    var body: HTTPClient.Body {
        let bound = NIOLoopBound(self, eventLoop: loop)
        return .stream(contentLength: count) { [done] writer in
            bound.value.begin(writer)
            return done.futureResult
        }
    }

    private func begin(_ writer: HTTPClient.Body.StreamWriter) {
        self.writer = writer
        goOn()
    }

    func write(_ bytes: [UInt8], isLast: Bool) {
        pieces.append(bytes)
        self.isLast = isLast
        goOn()
    }

    func cancel() { finish(.failure(CancellationError())) }

    private func goOn() {
        guard let writer, !isWriting, !isOver else { return }
        guard !pieces.isEmpty else {
            if isLast { finish(.success(())) }
            return
        }
        let piece = pieces.removeFirst()
        isWriting = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        writer.write(.byteBuffer(ByteBuffer(bytes: piece))).hop(to: loop).whenComplete { result in
            bound.value.wrote(piece.count, result)
        }
    }

    private func wrote(_ count: Int, _ result: Result<Void, any Error>) {
        isWriting = false
        guard !isOver else { return }
        switch result {
        case .success:
            sent(count)
            goOn()
        case .failure(let error): finish(.failure(error))
        }
    }

    private func finish(_ result: Result<Void, any Error>) {
        guard !isOver else { return }
        isOver = true
        pieces = []
        done.completeWith(result)
    }
}
