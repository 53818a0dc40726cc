import AvatarCore
import NIOCore

/// Writes one frame whose body is a flat JSON object, field by field.
///
/// Compact, UTF-8, control characters escaped: JsonCpp and Qt's QJsonDocument read it, and no byte is spent on indentation
/// that an old server's 4096 would count.
struct ObjectWriter {
    /// The body so far: an array takes single bytes more cheaply than a ByteBuffer does.
    private var body: [UInt8] = []

    /// Appends a frame to `buffer`, its fields written by `fields`. `bodyBytes` is a guess of what they take.
    static func write(
        _ id: UInt16, into buffer: inout ByteBuffer, expecting bodyBytes: Int, _ fields: (inout ObjectWriter) -> Void
    ) {
        var writer = ObjectWriter()
        writer.body.reserveCapacity(bodyBytes)
        fields(&writer)
        if writer.body.isEmpty { writer.body.append(UInt8(ascii: "{")) }
        writer.body.append(UInt8(ascii: "}"))
        let body = writer.body
        buffer.reserveCapacity(minimumWritableBytes: Frame.headerBytes + body.count)
        buffer.writeMultipleIntegers(id, UInt32(truncatingIfNeeded: body.count))
        buffer.writeBytes(body)
    }

    mutating func number(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        key(field)
        digits(value)
    }

    /// A number as a decimal string, as 1034 has its sizes.
    mutating func decimalString(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        key(field)
        quoted { $0.digits(value) }
    }

    mutating func bool(_ field: Field, _ value: Bool?) {
        guard let value else { return }
        key(field)
        plain(value ? "true" : "false")
    }

    mutating func text(_ field: Field, _ value: String?) {
        guard let value else { return }
        key(field)
        body.appendJSONString(value)
    }

    mutating func base64(_ field: Field, _ value: [UInt8]?) {
        guard let value else { return }
        key(field)
        quoted { writer in
            writer.body.append(addingCapacity: Base64.encodedCount(value.count)) { output in
                Base64.encode(value.span, into: &output)
            }
        }
    }

    private mutating func key(_ field: Field) {
        body.append(UInt8(ascii: body.isEmpty ? "{" : ","))
        quoted { $0.plain(field.name) }
        body.append(UInt8(ascii: ":"))
    }

    private mutating func quoted(_ inside: (inout ObjectWriter) -> Void) {
        body.append(UInt8(ascii: "\""))
        inside(&self)
        body.append(UInt8(ascii: "\""))
    }

    private mutating func plain(_ text: StaticString) {
        text.withUTF8Buffer { body.append(contentsOf: $0) }
    }

    private mutating func digits(_ value: Int64) {
        var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "-"))
        var first = digits.count
        var rest = value.magnitude
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        // Int64 has at most 19 digits, so that there is room for the sign that lies before them.
        if value < 0 { first -= 1 }
        digits.span.extracting(first...).withUnsafeBufferPointer { body.append(contentsOf: $0) }
    }
}
