internal import AvatarCore

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

    package mutating func value(_ value: Int) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
    }

    /// A number; JSON has no infinity and no NaN, so those become 0.
    package mutating func value(_ value: Double) {
        separate()
        bytes.append(contentsOf: (value.isFinite ? String(value) : "0").utf8)
    }

    package mutating func value(_ value: String) {
        separate()
        bytes.appendJSONString(value)
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
