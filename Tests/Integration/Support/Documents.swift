import BusTestSupport
import Foundation

/// The code blocks of a page of docs.
enum Documents {
    /// The blocks in that language, in order.
    static func blocks(of page: String, in language: String) throws -> [String] {
        let text = try String(contentsOfFile: Program.packageFolder + "/" + page, encoding: .utf8)
        var blocks: [String] = []
        var open: (language: String, lines: [Substring])?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("```") else {
                open?.lines.append(line)
                continue
            }
            if let block = open {
                if block.language == language { blocks.append(block.lines.joined(separator: "\n") + "\n") }
                open = nil
            } else {
                open = (String(line.dropFirst(3)), [])
            }
        }
        return blocks
    }
}
