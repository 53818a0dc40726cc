import Foundation

/// One Swift file under Sources, as the rules look at it.
struct SwiftSource {
    /// The folder under Sources that it lies in, which is its target.
    let target: String
    /// Its path from the package's root.
    let path: String
    /// The text with comments and the insides of string literals blanked out, lines kept.
    let code: String

    init(target: String, path: String, text: String) {
        self.target = target
        self.path = path
        code = CodeOnly.of(text)
    }

    /// The package's root folder.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Every Swift file under Sources.
    static func all() throws -> [SwiftSource] {
        try files(under: "Sources", suffix: ".swift").map { path in
            let target = path.split(separator: "/").dropFirst().first.map(String.init) ?? ""
            return SwiftSource(target: target, path: path, text: try text(path))
        }
    }

    /// A file's text, by its path from the package's root.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The files under a folder of the package, by their paths from its root, sorted.
    static func files(under folder: String, suffix: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: root.appendingPathComponent(folder).path)
            .filter { $0.hasSuffix(suffix) }.map { folder + "/" + $0 }.sorted()
    }

    /// The modules that it imports, with their lines.
    var imports: [(module: String, line: Int)] {
        let pattern =
            /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+)/
        return lines.compactMap { line, text in
            text.firstMatch(of: pattern).map { (String($0.1), line) }
        }
    }

    /// The code's lines, numbered from 1.
    var lines: [(number: Int, text: Substring)] {
        Array(zip(1..., code.split(separator: "\n", omittingEmptySubsequences: false)))
    }

    /// The number of the line in which `index` of ``code`` lies.
    func line(of index: String.Index) -> Int { code[..<index].count { $0 == "\n" } + 1 }
}

/// Blanks out what is no code, so that a rule is not broken by a sentence about it.
enum CodeOnly {
    static func of(_ text: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let character = rest.first {
            if rest.hasPrefix("//") {
                rest = rest.drop { $0 != "\n" }
            } else if rest.hasPrefix("/*") {
                skipComment(&rest, &result)
            } else if let delimiter = stringDelimiter(rest) {
                skipString(&rest, delimiter, &result)
            } else {
                result.append(character)
                rest.removeFirst()
            }
        }
        return result
    }

    private static func skipComment(_ rest: inout Substring, _ result: inout String) {
        var depth = 0
        repeat {
            if rest.hasPrefix("/*") {
                depth += 1
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("*/") {
                depth -= 1
                rest = rest.dropFirst(2)
            } else {
                if rest.first == "\n" { result.append("\n") }
                rest = rest.dropFirst()
            }
        } while depth > 0 && !rest.isEmpty
    }

    /// What opens a string literal here: quotes, with the number signs of a raw one before them.
    private static func stringDelimiter(_ rest: Substring) -> (hashes: String, quotes: String)? {
        guard rest.first == "\"" || rest.first == "#" else { return nil }
        let hashes = String(rest.prefix { $0 == "#" })
        let after = rest.dropFirst(hashes.count)
        if after.hasPrefix("\"\"\"") { return (hashes, "\"\"\"") }
        return after.hasPrefix("\"") ? (hashes, "\"") : nil
    }

    private static func skipString(
        _ rest: inout Substring, _ delimiter: (hashes: String, quotes: String), _ result: inout String
    ) {
        let end = delimiter.quotes + delimiter.hashes
        let escape = "\\" + delimiter.hashes
        rest = rest.dropFirst(end.count)
        result += "\"\""
        while !rest.isEmpty, !rest.hasPrefix(end) {
            // An interpolation is blanked out too, unless it holds quotes: no rule looks for what stands there.
            if rest.hasPrefix(escape) { rest = rest.dropFirst(escape.count) }
            if rest.first == "\n" { result.append("\n") }
            rest = rest.dropFirst()
        }
        rest = rest.dropFirst(end.count)
    }
}
