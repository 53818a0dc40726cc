/// Where the keys of a YAML file stand, for a person who wants to change one.
///
/// Only what a configuration looks like as a rule is followed: mappings in lines of their own, deeper where they belong to the one above
/// (block style; YAML 1.2.2, 8.2.2). A mapping in braces has the line of its opening brace, and what else YAML knows has none.
package struct YAMLLines {
    private var lines: [ExactLine] = []

    private struct ExactLine {
        let key: String
        let number: Int
        /// The value is a mapping in braces, whose keys have no lines of their own.
        let isBraced: Bool
    }

    /// Reads a file's text.
    package init(_ text: String) {
        var open: [(depth: Int, word: Substring)] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            guard
                let match = line.prefixMatch(
                    of: /( *)(?:"([^"]+)"|'([^']+)'|([A-Za-z][\w.]*))[ \t]*:(?:[ \t\r]+(.*))?$/)
            else {
                continue
            }
            let depth = match.1.count
            open.removeAll { $0.depth >= depth }
            open.append((depth, match.2 ?? match.3 ?? match.4 ?? ""))
            lines.append(
                ExactLine(
                    key: open.map(\.word).joined(separator: "."), number: index + 1,
                    isBraced: match.5?.hasPrefix("{") == true))
        }
    }

    /// The line that a key's value stands in, from 1; nil where it was not found. Of two the last counts, as for most readers.
    package func line(of key: String) -> Int? {
        lines.last { $0.key == key || ($0.isBraced && key.hasPrefix($0.key + ".")) }?.number
    }
}
