import AvatarCore
import NIOCore

extension Frame {
    /// Appends a frame to `buffer`, whose body is a flat JSON object with the members that `fields` writes. `bodyBytes` is a guess of what
    /// they take.
    ///
    /// Compact, UTF-8, control characters escaped: JsonCpp and Qt's QJsonDocument read it, and no byte is spent on indentation that an
    /// old server's 4096 would count.
    static func write(
        _ id: UInt16, into buffer: inout ByteBuffer, expecting bodyBytes: Int, _ fields: (inout JSONWriter) -> Void
    ) {
        var writer = JSONWriter(capacity: bodyBytes)
        writer.object(fields)
        let body = writer.bytes
        buffer.reserveCapacity(minimumWritableBytes: Frame.headerBytes + body.count)
        buffer.writeMultipleIntegers(id, UInt32(truncatingIfNeeded: body.count))
        buffer.writeBytes(body)
    }
}

// The classic dialect's members; each is left out when it is absent.
extension JSONWriter {
    mutating func number(_ field: Field, _ value: Int64?) { self.field(field.name, value) }
    mutating func bool(_ field: Field, _ value: Bool?) { self.field(field.name, value) }
    mutating func text(_ field: Field, _ value: String?) { self.field(field.name, value) }

    /// A number as a decimal string, as 1034 has its sizes.
    mutating func decimalString(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        name(field.name)
        decimalString(value)
    }

    /// Bytes as standard base64 with padding.
    mutating func base64(_ field: Field, _ value: [UInt8]?) {
        guard let value else { return }
        name(field.name)
        plainString(bytesMax: Base64.encodedCount(value.count)) { Base64.encode(value.span, into: &$0) }
    }
}
