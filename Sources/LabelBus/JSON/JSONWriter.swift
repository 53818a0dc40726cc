package import NIOCore

/// Writes JSON into a buffer, value after value; commas come by themselves.
///
/// The caller keeps objects and arrays balanced. Text never holds a raw NUL, so that a message may end with one.
package struct JSONWriter {
    /// What has been written.
    package private(set) var buffer: ByteBuffer
    private var needsComma = false

    /// Begins with room for `capacity` bytes, and takes more as it needs.
    package init(capacity: Int = 0) { buffer = ByteBufferAllocator().buffer(capacity: capacity) }

    private mutating func separate() {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ byte: UInt8) {
        if needsComma {
            buffer.writeInteger(UInt16(UInt8(ascii: ",")) << 8 | UInt16(byte))
        } else {
            buffer.writeInteger(byte)
        }
        needsComma = false
    }

    private mutating func close(_ byte: UInt8) {
        buffer.writeInteger(byte)
        needsComma = true
    }

    /// An object, its members written by `body`.
    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        body(&self)
        close(UInt8(ascii: "}"))
    }

    /// An array, its elements written by `body`.
    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        body(&self)
        close(UInt8(ascii: "]"))
    }

    /// A member's name; its value has to follow.
    package mutating func name(_ name: StaticString) {
        let separators = needsComma ? 1 : 0
        let count = name.utf8CodeUnitCount
        // One write instead of four: names are most of what is written.
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count + 4) { bytes in
            bytes[0] = UInt8(ascii: ",")
            bytes[separators] = UInt8(ascii: "\"")
            name.withUTF8Buffer { bytes[(separators + 1)...].copyBytes(from: $0) }
            bytes[separators + count + 1] = UInt8(ascii: "\"")
            bytes[separators + count + 2] = UInt8(ascii: ":")
            return separators + count + 3
        }
        needsComma = false
    }

    /// A member's name that is not known to be plain; its value has to follow.
    package mutating func name(_ name: String) {
        value(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func value(_ value: Bool) {
        separate()
        buffer.writeStaticString(value ? "true" : "false")
    }

    package mutating func value(_ value: Int) {
        separate()
        buffer.writeString(String(value))
    }

    /// A number; JSON has no infinity and no NaN, so those become 0.
    package mutating func value(_ value: Double) {
        separate()
        buffer.writeString(value.isFinite ? String(value) : "0")
    }

    package mutating func value(_ value: String) {
        separate()
        var value = value
        if value.withUTF8({ writePlain($0) }) { return }
        buffer.writeInteger(UInt8(ascii: "\""))
        writeEscaped(value)
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    /// A string that needs no escape, as most do, in one go; false, and nothing is written, for another.
    private mutating func writePlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let written = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: text.count + 2) { bytes in
            bytes[0] = UInt8(ascii: "\"")
            for index in text.indices {
                if Self.needsEscape(text[index]) { return 0 }
                bytes[index + 1] = text[index]
            }
            bytes[text.count + 1] = UInt8(ascii: "\"")
            return text.count + 2
        }
        return written > 0
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func writeEscaped(_ value: String) {
        let digits = Array("0123456789abcdef".utf8)
        for byte in value.utf8 {
            guard Self.needsEscape(byte) else {
                buffer.writeInteger(byte)
                continue
            }
            if byte >= 0x20 {
                buffer.writeInteger(UInt8(ascii: "\\"))
                buffer.writeInteger(byte)
            } else {
                buffer.writeStaticString("\\u00")
                buffer.writeInteger(digits[Int(byte >> 4)])
                buffer.writeInteger(digits[Int(byte & 15)])
            }
        }
    }

    /// What `encoded` holds, as one value: JSON that was written before.
    package mutating func raw(_ encoded: ByteBuffer) {
        separate()
        buffer.writeImmutableBuffer(encoded)
    }

    /// Ends a message.
    package mutating func endMessage() {
        buffer.writeInteger(UInt8(0))
        needsComma = false
    }
}
