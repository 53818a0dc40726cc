import AvatarCore
package import NIOCore

/// One message on the wire: `u16 message id | u32 body length | body`, big-endian (PROTOCOL.md).
package struct Frame: Hashable, Sendable {
    /// Bytes before the body.
    package static let headerBytes = 6

    /// What the body is; see ``MessageID``.
    package var id: UInt16
    /// The body without the header; at most 4 GiB - 1 byte.
    package var body: ByteBuffer

    package init(id: UInt16, body: ByteBuffer) {
        self.id = id
        self.body = body
    }

    /// Appends header and body to `buffer`.
    package func write(into buffer: inout ByteBuffer) {
        buffer.reserveCapacity(minimumWritableBytes: Self.headerBytes + body.readableBytes)
        buffer.writeMultipleIntegers(id, UInt32(truncatingIfNeeded: body.readableBytes))
        buffer.writeImmutableBuffer(body)
    }
}

/// A header that no honest peer sends; the connection cannot go on behind it.
package enum FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A message id past ``Limits/Wire/messageIDMax``.
    case messageIDTooLarge(UInt16)
    /// A body of `claimed` bytes where at most `limit` are taken.
    case bodyTooLarge(claimed: UInt32, limit: Int)

    package var description: String {
        switch self {
        case .messageIDTooLarge(let id):
            "a frame with message id \(id): at most \(Limits.Wire.messageIDMax) is allowed"
        case .bodyTooLarge(let claimed, let limit):
            "a frame that claims \(claimed) bytes: at most \(limit) are taken"
        }
    }
}

/// Cuts the byte stream into frames. Id and length are judged as soon as the header is there, before any of the body is
/// waited for, so that a claim of 4 GB costs six bytes.
package struct FrameDecoder: NIOSingleStepByteToMessageDecoder {
    package typealias InboundOut = Frame

    private let bodyBytesMax: Int

    /// - Parameter bodyBytesMax: the largest body taken, inclusive.
    package init(bodyBytesMax: Int) {
        self.bodyBytesMax = bodyBytesMax
    }

    /// The next frame, or nil while it is not whole. Throws ``FrameError``.
    package mutating func decode(buffer: inout ByteBuffer) throws -> Frame? {
        guard let id = buffer.getInteger(at: buffer.readerIndex, as: UInt16.self),
            let length = buffer.getInteger(at: buffer.readerIndex + 2, as: UInt32.self)
        else { return nil }
        guard id <= Limits.Wire.messageIDMax else { throw FrameError.messageIDTooLarge(id) }
        guard Int(length) <= bodyBytesMax else {
            throw FrameError.bodyTooLarge(claimed: length, limit: bodyBytesMax)
        }
        guard buffer.readableBytes - Frame.headerBytes >= Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: Frame.headerBytes)
        return buffer.readSlice(length: Int(length)).map { Frame(id: id, body: $0) }
    }

    /// As ``decode(buffer:)``: half a frame at the end of the stream is nothing.
    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> Frame? {
        try decode(buffer: &buffer)
    }
}
