import NIOCore

/// Writes one frame whose body is a flat JSON object, field by field, straight into the buffer.
///
/// Compact, UTF-8, control characters escaped: JsonCpp and Qt's QJsonDocument read it, and no byte is spent on indentation
/// that an old server's 4096 would count.
struct ObjectWriter {
    private var buffer = ByteBuffer()
    private let start: Int
    private var isFirst = true

    /// Appends a frame to `buffer`, its fields written by `body`. `bodyBytes` is a guess of what they take.
    static func write(
        _ id: UInt16, into buffer: inout ByteBuffer, expecting bodyBytes: Int, _ body: (inout ObjectWriter) -> Void
    ) {
        var writer = ObjectWriter(id, taking: &buffer, expecting: bodyBytes)
        body(&writer)
        writer.finish()
        swap(&writer.buffer, &buffer)
    }

    /// Begins a frame behind what `buffer` holds, and takes the buffer over: with two owners it would be copied.
    private init(_ id: UInt16, taking buffer: inout ByteBuffer, expecting bodyBytes: Int) {
        start = buffer.writerIndex
        swap(&self.buffer, &buffer)
        self.buffer.reserveCapacity(minimumWritableBytes: Frame.headerBytes + bodyBytes)
        self.buffer.writeMultipleIntegers(id, UInt32(0))
        self.buffer.writeInteger(UInt8(ascii: "{"))
    }

    /// Ends the object and sets the frame's length.
    private mutating func finish() {
        buffer.writeInteger(UInt8(ascii: "}"))
        let bodyBytes = buffer.writerIndex - start - Frame.headerBytes
        buffer.setInteger(UInt32(truncatingIfNeeded: bodyBytes), at: start + 2)
    }

    mutating func number(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        key(field)
        buffer.writeString(String(value))
    }

    /// A number as a decimal string, as 1034 has its sizes.
    mutating func decimalString(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        text(field, String(value))
    }

    mutating func bool(_ field: Field, _ value: Bool?) {
        guard let value else { return }
        key(field)
        buffer.writeStaticString(value ? "true" : "false")
    }

    mutating func text(_ field: Field, _ value: String?) {
        guard let value else { return }
        key(field)
        buffer.writeInteger(UInt8(ascii: "\""))
        if value.utf8.contains(where: Self.needsEscape) {
            for byte in value.utf8 { escaped(byte) }
        } else {
            buffer.writeString(value)
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    mutating func base64(_ field: Field, _ value: [UInt8]?) {
        guard let value else { return }
        key(field)
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeWithOutputRawSpan(minimumWritableBytes: Base64.encodedCount(value.count)) { raw in
            Base64.encode(value.span, into: &raw)
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func key(_ field: Field) {
        if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
        isFirst = false
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeStaticString(field.name)
        buffer.writeStaticString("\":")
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private mutating func escaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
        case 0x7F: buffer.writeStaticString("\\u007f")
        case 0..<0x20:
            buffer.writeStaticString("\\u00")
            buffer.writeInteger(UInt8(ascii: "0") + byte >> 4)
            let low = byte & 15
            buffer.writeInteger(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
        default: buffer.writeInteger(byte)
        }
    }
}
