/// Patterns for names of files that are no avatars although they lie in the upload folder: the leftovers and unfinished files of editors
/// and browsers (`upload.ignore`).
///
/// In a pattern `*` stands for any characters, also none, and `?` for one; every other character stands for itself, the letters A to Z
/// in either case. A pattern fits the whole name.
package struct NamePatterns: Hashable, Sendable {
    /// Why a pattern makes no sense.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let pattern: String
        package let reason: String

        package var description: String { "the pattern \"\(pattern)\" \(reason)" }
    }

    private enum Piece: Hashable, Sendable {
        case any
        case one
        case literal(Unicode.Scalar)
    }

    private let patterns: [[Piece]]

    /// What is ignored unless somebody says otherwise.
    package static let leftovers = [
        "*~", "*.bak", "*.tmp", "*.part", "*.partial", "*.crdownload", "*.download", "*.filepart", "*.swp",
        "*.kate-swp",
    ]

    /// Nothing is ignored.
    package static let none = NamePatterns(patterns: [])

    /// The patterns of ``leftovers``.
    package static let standard = NamePatterns(patterns: leftovers.map(pieces))

    private init(patterns: [[Piece]]) { self.patterns = patterns }

    /// Reads a list of patterns with commas between them; blanks around a pattern are no part of it. A list of nothing but a comma
    /// ignores nothing.
    package init(list: String) throws(Fault) {
        var read: [[Piece]] = []
        for part in list.split(separator: ",") {
            let text = Self.trimmed(part)
            guard !text.isEmpty else { continue }
            read.append(try Self.checked(text))
        }
        guard read.count <= Limits.Upload.ignoredPatternsMax else {
            throw Fault(pattern: list, reason: "is one of more than \(Limits.Upload.ignoredPatternsMax)")
        }
        patterns = read
    }

    /// The patterns as a list that ``init(list:)`` reads, letters in lower case; a comma for none.
    package var list: String {
        guard !patterns.isEmpty else { return "," }
        return patterns.map { pieces in
            pieces.map { piece in
                switch piece {
                case .any: "*"
                case .one: "?"
                case .literal(let scalar): String(Character(scalar))
                }
            }.joined()
        }.joined(separator: ", ")
    }

    /// Whether one of the patterns fits the name.
    package func match(_ name: String) -> Bool {
        guard !patterns.isEmpty else { return false }
        let scalars = name.unicodeScalars.map(Self.folded)
        return patterns.contains { Self.fits($0, scalars) }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    private static func checked(_ text: String) throws(Fault) -> [Piece] {
        guard text.utf8.count <= Limits.Name.bytesMax else {
            throw Fault(pattern: text, reason: "has more than \(Limits.Name.bytesMax) bytes")
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "/": throw Fault(pattern: text, reason: "holds a '/', but is about names and not about paths")
            case "[", "]", "{", "}", "\\":
                throw Fault(
                    pattern: text,
                    reason: "holds '\(scalar)': only * and ? have a meaning, and ? fits that character too")
            default:
                guard scalar.value >= 0x20, scalar.value != 0x7F else {
                    throw Fault(pattern: text, reason: "holds a control character")
                }
            }
        }
        guard text.contains(where: { $0 != "*" }) else {
            throw Fault(pattern: text, reason: "fits every name, so that nothing would be uploaded")
        }
        return pieces(text)
    }

    private static func pieces(_ text: String) -> [Piece] {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "*": .any
            case "?": .one
            default: .literal(folded(scalar))
            }
        }
    }

    private static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        guard ("A"..."Z").contains(scalar) else { return scalar }
        return Unicode.Scalar(UInt8(scalar.value) + 0x20)
    }

    /// Goes back to the last `*` only, which is enough for patterns of this kind, so that no pattern takes longer than name times pattern.
    private static func fits(_ pattern: [Piece], _ name: [Unicode.Scalar]) -> Bool {
        var (piece, character) = (0, 0)
        var retry: (piece: Int, character: Int)?
        while character < name.count {
            let current = piece < pattern.count ? pattern[piece] : nil
            switch current {
            case .any:
                retry = (piece, character)
                piece += 1
                continue
            case .one:
                (piece, character) = (piece + 1, character + 1)
                continue
            case .literal(let scalar) where scalar == name[character]:
                (piece, character) = (piece + 1, character + 1)
                continue
            case .literal, nil: break
            }
            guard let last = retry else { return false }
            retry = (last.piece, last.character + 1)
            (piece, character) = (last.piece + 1, last.character + 1)
        }
        return pattern[piece...].allSatisfy { $0 == .any }
    }
}
