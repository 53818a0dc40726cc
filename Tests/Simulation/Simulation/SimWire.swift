internal import NIOCore
internal import NIOHTTP1

/// What HTTP/2 puts on the wire, as far as it matters here: requests and responses side by side on one connection, in frames.
enum SimWire {
    typealias Stream = UInt32

    enum Frame {
        /// A request or a response begins: its first line and its fields.
        case head(Stream, line: String, HTTPHeaders)
        case bytes(Stream, ByteBuffer)
        case end(Stream)
        /// Nothing more comes, or is wanted, of this one.
        case reset(Stream)
        /// GOAWAY: the server takes none behind this one.
        case goAway(last: Stream)
    }

    static func head(_ stream: Stream, _ line: String, _ fields: HTTPHeaders) -> ByteBuffer {
        let text = ([line] + fields.map { "\($0.name): \($0.value)" }).joined(separator: "\n")
        return frame(0, stream) { $0.writeString(text) }
    }

    static func bytes(_ stream: Stream, _ bytes: some Sequence<UInt8>) -> ByteBuffer {
        frame(1, stream) { $0.writeBytes(bytes) }
    }

    static func end(_ stream: Stream) -> ByteBuffer { frame(2, stream) { _ in } }
    static func reset(_ stream: Stream) -> ByteBuffer { frame(3, stream) { _ in } }
    static func goAway(last: Stream) -> ByteBuffer { frame(4, last) { _ in } }

    private static func frame(_ kind: UInt8, _ stream: Stream, _ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var payload = ByteBuffer()
        body(&payload)
        var buffer = ByteBuffer()
        buffer.writeInteger(kind)
        buffer.writeInteger(stream)
        buffer.writeInteger(UInt32(payload.readableBytes))
        buffer.writeBuffer(&payload)
        return buffer
    }

    /// Frames out of bytes, however they are cut.
    struct Decoder {
        private var buffer = ByteBuffer()

        mutating func append(_ bytes: ByteBuffer) { buffer.writeImmutableBuffer(bytes) }

        mutating func next() -> Frame? {
            let start = buffer.readerIndex
            guard let kind = buffer.readInteger(as: UInt8.self), let stream = buffer.readInteger(as: UInt32.self),
                let count = buffer.readInteger(as: UInt32.self), let payload = buffer.readSlice(length: Int(count))
            else {
                buffer.moveReaderIndex(to: start)
                return nil
            }
            switch kind {
            case 0: return head(stream, String(buffer: payload))
            case 1: return .bytes(stream, payload)
            case 2: return .end(stream)
            case 3: return .reset(stream)
            default: return .goAway(last: stream)
            }
        }

        private func head(_ stream: Stream, _ text: String) -> Frame {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            var fields = HTTPHeaders()
            for line in lines.dropFirst() {
                let name = line.prefix { $0 != ":" }
                fields.add(name: String(name), value: String(line.dropFirst(name.count + 2)))
            }
            return .head(stream, line: String(lines.first ?? ""), fields)
        }
    }
}
