/// The name of one avatar file: the key of a picture on this machine, and one path component everywhere.
///
/// At most ``Limits/Name/bytesMax`` bytes of UTF-8, not empty, no leading dot, no `/`, no NUL or other control characters
/// (docs/architecture.md, "Identity"). Both sides check it, so that neither can be made to write outside its folder.
package struct AvatarName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The name, compared by its bytes.
    package let exact: ExactString

    /// The name as it stands in the folder and on the wire.
    package var string: String { exact.string }

    /// Checks `string` and keeps it as it is: no trimming, no normalisation, so that equal bytes mean the same file.
    package init(_ string: String) throws(AvatarNameError) {
        if let code = Self.fault(in: string) {
            throw AvatarNameError(code, name: string)
        }
        exact = ExactString(string)
    }

    package var description: String { string }

    package static func < (left: Self, right: Self) -> Bool {
        left.exact < right.exact
    }

    private static func fault(in string: String) -> AvatarNameError.Code? {
        if string.isEmpty { return .empty }
        if string.utf8.count > Limits.Name.bytesMax { return .tooLong(bytes: string.utf8.count) }
        if string.utf8.first == UInt8(ascii: ".") { return .leadingDot }
        var isASCII = true
        for byte in string.utf8 {
            if byte == UInt8(ascii: "/") { return .slash }
            if byte < 0x20 || byte == 0x7F { return .controlCharacter(UInt32(byte)) }
            if byte >= 0x80 { isASCII = false }
        }
        // Beyond ASCII the only control characters are U+0080 to U+009F.
        guard !isASCII else { return nil }
        for scalar in string.unicodeScalars where (0x80...0x9F).contains(scalar.value) {
            return .controlCharacter(scalar.value)
        }
        return nil
    }
}

/// A name that cannot be an avatar's, and why.
package struct AvatarNameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the name.
    package enum Code: Hashable, Sendable, CustomStringConvertible {
        case empty
        case tooLong(bytes: Int)
        case leadingDot
        case slash
        case controlCharacter(UInt32)
        case notUTF8

        package var description: String {
            switch self {
            case .empty: "is empty"
            case .tooLong(let bytes): "has \(bytes) bytes, at most \(Limits.Name.bytesMax) are allowed"
            case .leadingDot: "begins with a dot"
            case .slash: "holds a '/', but must be one path component"
            case .controlCharacter(let value): "holds the control character U+\(hex4(value))"
            case .notUTF8: "is not UTF-8"
            }
        }
    }

    /// The name as it came, for the log; never used as a path.
    package let name: String
    /// What is wrong with it.
    package let code: Code

    /// The error for a name that was found wrong elsewhere: bytes that are no UTF-8, say.
    package init(_ code: Code, name: String) {
        self.code = code
        self.name = name
    }

    package var description: String { "the name \(code)" }
}

private func hex4(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
