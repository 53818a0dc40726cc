/// Writes JSON, value after value; commas come by themselves.
///
/// The caller keeps objects and arrays balanced. Text never holds a raw NUL, so that a message may end with one.
package struct JSONWriter {
    /// What has been written: an array, which takes single bytes more cheaply than a ByteBuffer does.
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// Begins with room for `capacity` bytes, and takes more as it needs.
    package init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ byte: UInt8) {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        bytes.append(byte)
        needsComma = false
    }

    private mutating func close(_ byte: UInt8) {
        bytes.append(byte)
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
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        plain(name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member's name that is not known to be plain; its value has to follow.
    package mutating func name(_ name: String) {
        value(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func value(_ value: Bool) {
        separate()
        plain(value ? "true" : "false")
    }

    package mutating func value(_ value: Int) { self.value(Int64(value)) }

    package mutating func value(_ value: Int64) {
        separate()
        digits(value)
    }

    /// A number; JSON has no infinity and no NaN, so those become 0.
    package mutating func value(_ value: Double) {
        separate()
        bytes.append(contentsOf: (value.isFinite ? String(value) : "0").utf8)
    }

    package mutating func value(_ value: String) {
        separate()
        string(value)
    }

    /// A whole number as a string of its decimal digits, as the classic dialect has its sizes.
    package mutating func decimalString(_ value: Int64) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        digits(value)
        bytes.append(UInt8(ascii: "\""))
    }

    /// A string of at most `bytesMax` bytes that `body` writes in place, none of which needs an escape: base64.
    package mutating func plainString(bytesMax: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(addingCapacity: bytesMax, initializingWith: body)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func plain(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// What `encoded` holds, as one value: JSON that was written before.
    package mutating func raw(_ encoded: [UInt8]) {
        separate()
        bytes.append(contentsOf: encoded)
    }

    /// Ends a message.
    package mutating func endMessage() {
        bytes.append(0)
        needsComma = false
    }
}

// MARK: - Members

extension JSONWriter {
    /// A member; nothing when its value is absent. The same holds for the other types of values.
    package mutating func field(_ name: StaticString, _ value: String?) {
        guard let value else { return }
        self.name(name)
        self.value(value)
    }

    package mutating func field(_ name: StaticString, _ value: Int?) { field(name, value.map { Int64($0) }) }

    package mutating func field(_ name: StaticString, _ value: Int64?) {
        guard let value else { return }
        self.name(name)
        self.value(value)
    }

    package mutating func field(_ name: StaticString, _ value: Bool?) {
        guard let value else { return }
        self.name(name)
        self.value(value)
    }

    package mutating func field(_ name: StaticString, _ values: [String]?) {
        guard let values else { return }
        self.name(name)
        array { writer in for value in values { writer.value(value) } }
    }
}

// MARK: - Bytes

extension JSONWriter {
    /// `text` with its quotes (RFC 8259, section 7). Control characters are escaped, so that no raw NUL comes out, and DEL with them.
    private mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { text in
            var plainFrom = 0
            // Most strings need no escape, and go in one piece.
            for index in text.indices where Self.needsEscape(text[index]) {
                bytes.append(contentsOf: text[plainFrom..<index])
                escape(text[index])
                plainFrom = index + 1
            }
            bytes.append(contentsOf: text[plainFrom...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private mutating func escape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return bytes.append(byte) }
        plain("u00")
        let digits: StaticString = "0123456789abcdef"
        digits.withUTF8Buffer { digits in
            bytes.append(digits[Int(byte >> 4)])
            bytes.append(digits[Int(byte & 15)])
        }
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
        digits.span.extracting(first...).withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
    }
}
