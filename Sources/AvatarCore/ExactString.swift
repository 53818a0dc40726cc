/// Text that came from outside: a name, a label, a token. Two of them are equal when their UTF-8 bytes are equal.
///
/// Swift's `String` compares by Unicode's canonical equivalence, so that "é" written as one scalar equals "e" followed by a combining
/// acute. The file system, SQLite, the wire and every other program compare bytes: to them these are two names of two files. Whoever
/// compares, hashes or sorts an identifier from outside therefore does it with this type.
package struct ExactString: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The text as it came.
    package let string: String
    /// Most identifiers are ASCII. `String` compares those by their bytes, and faster than is possible from outside of it.
    private let isASCII: Bool

    /// Keeps `string` as it is, without normalising it.
    package init(_ string: String) {
        self.string = string
        // All bytes together, without a way out at the first: so the compiler compares many at a time.
        isASCII = Self.withBytes(of: string) { $0.reduce(0, |) } < 0x80
    }

    package var description: String { string }

    package static func == (left: Self, right: Self) -> Bool {
        // Equal bytes are always equivalent, and equivalent ASCII always has equal bytes.
        guard left.string == right.string else { return false }
        if left.isASCII, right.isASCII { return true }
        return left.withBytes { left in right.withBytes { right in left.elementsEqual(right) } }
    }

    package func hash(into hasher: inout Hasher) {
        if isASCII { return string.hash(into: &hasher) }
        // Not String's own hash: it is the same for all equivalent texts, of which a client could make thousands.
        withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // No UTF-8 holds this byte: it ends the text, so that what is hashed behind the text cannot be taken for a part of it.
        hasher.combine(0xFF as UInt8)
    }

    /// By the bytes, as SQLite's BINARY collation sorts.
    package static func < (left: Self, right: Self) -> Bool {
        left.withBytes { left in right.withBytes { right in left.lexicographicallyPrecedes(right) } }
    }

    private func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        Self.withBytes(of: string, body)
    }

    private static func withBytes<Result>(
        of string: String, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        // On Linux every string is one piece of memory, and nothing is copied.
        if let result = string.utf8.withContiguousStorageIfAvailable(body) { return result }
        var copy = string
        return copy.withUTF8(body)
    }
}

extension ExactString: ExpressibleByStringInterpolation {
    package init(stringLiteral value: String) { self.init(value) }
}
