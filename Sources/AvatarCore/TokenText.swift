/// A token as it stands in a file, on standard input or in a message: the first line that is not blank. The blanks, line ends and byte order mark that
/// editors and shells put around it are no part of it.
package enum TokenText {
    /// Why there is no token in the text.
    package enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case empty
        case tooLong
        case utf16
        case noText

        package var description: String {
            switch self {
            case .empty: "there is no token in it"
            case .tooLong: "it is longer than a token, \(Limits.Token.bytesMax) bytes at most"
            case .utf16: "it is written in UTF-16; a token is UTF-8 or ASCII"
            case .noText: "it is no text of one line"
            }
        }
    }

    /// How many bytes are read to find a token in them: what stands around it has a bound, too.
    package static let bytesMax = Limits.Token.bytesMax + 1024

    /// The token in these bytes, of which there may be ``bytesMax``.
    package static func token(in bytes: [UInt8]) throws(Fault) -> String {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { throw .utf16 }
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        let lines = text.split { $0 == 0x0A || $0 == 0x0D }
        guard let line = lines.lazy.map(trimmed).first(where: { !$0.isEmpty }) else { throw .empty }
        guard line.count <= Limits.Token.bytesMax else { throw .tooLong }
        guard let token = String(validating: line, as: UTF8.self), !token.utf8.contains(where: isControl) else {
            throw .noText
        }
        return token
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line.removeLast() }
        return line
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0B || byte == 0x0C }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
}
