internal import AvatarCore
package import NIOCore

/// Cuts what was read into messages at their NULs: any split or join of reads gives the same messages, each byte is looked
/// at once, and a message that is too long is known by its length, not by waiting for its end.
package struct FrameBuffer {
    private var buffer: ByteBuffer?
    private var scanned = 0
    private let messageBytesMax: Int

    package init(messageBytesMax: Int) { self.messageBytesMax = messageBytesMax }

    /// Bytes that are here and not handed out.
    package var readableBytes: Int { buffer?.readableBytes ?? 0 }

    /// Bytes of memory that are held.
    package var capacity: Int { buffer?.storageCapacity ?? 0 }

    /// Adds what one read brought.
    package mutating func append(_ read: inout ByteBuffer) {
        if buffer == nil {
            buffer = read
        } else {
            buffer?.writeBuffer(&read)
        }
    }

    /// The next message without its NUL, or nil when it is not all here. Throws when it is longer than is taken.
    package mutating func next() throws(BusMessageError) -> [UInt8]? {
        guard let view = buffer?.readableBytesView else { return nil }
        let rest = view.dropFirst(scanned)
        guard let end = rest.firstIndex(of: 0) else {
            scanned = view.count
            if scanned > messageBytesMax { throw tooLong }
            return nil
        }
        let length = end - view.startIndex
        if length > messageBytesMax { throw tooLong }
        scanned = 0
        let message = buffer?.readBytes(length: length)
        buffer?.moveReaderIndex(forwardBy: 1)
        if buffer?.readableBytes == 0 { buffer = nil }
        return message
    }

    private var tooLong: BusMessageError {
        BusMessageError(.tooLong, "\(messageBytesMax)")
    }

    /// Lets go of the memory of messages that were handed out, and of the room that a read came with.
    package mutating func compact() {
        guard let readable = buffer?.readableBytes, let capacity = buffer?.capacity else { return }
        if capacity > 1024, capacity / 4 > readable { buffer?.shrinkBufferCapacity(to: readable) }
        if let index = buffer?.readerIndex, index > 64 * 1024 { buffer?.discardReadBytes() }
    }

    /// Throws everything away.
    package mutating func clear() {
        buffer = nil
        scanned = 0
    }
}
