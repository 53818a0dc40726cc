import AvatarCore
package import NIOCore

/// One message on the wire: `u16 message id | u32 body length | body`, big-endian (docs/protocol.md, "Frames").
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
package struct FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the header.
    package enum Code: Hashable, Sendable {
        /// A message id past ``Limits/Wire/messageIDMax``.
        case messageIDTooLarge
        /// A longer body than is taken.
        case bodyTooLarge
    }

    /// What is wrong.
    package let code: Code
    /// What the header claims: a message id, or the body's bytes.
    package let claimed: Int
    /// The largest that is taken.
    package let limit: Int

    package init(_ code: Code, claimed: Int, limit: Int) {
        self.code = code
        self.claimed = claimed
        self.limit = limit
    }

    package var description: String {
        switch code {
        case .messageIDTooLarge: "a frame with message id \(claimed): at most \(limit) is allowed"
        case .bodyTooLarge: "a frame that claims \(claimed) bytes: at most \(limit) are taken"
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
        guard id <= Limits.Wire.messageIDMax else {
            throw FrameError(.messageIDTooLarge, claimed: Int(id), limit: Int(Limits.Wire.messageIDMax))
        }
        guard Int(length) <= bodyBytesMax else {
            throw FrameError(.bodyTooLarge, claimed: Int(length), limit: bodyBytesMax)
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
