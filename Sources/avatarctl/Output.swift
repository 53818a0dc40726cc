internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import NIOCore

/// Where the program writes. Text from elsewhere is freed of control characters, so that no name or reason can steer the
/// terminal.
enum Output {
    /// Whether standard output is a terminal.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Columns and rows of the terminal, or 80 and 24.
    static var terminalSize: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Writes a line to standard output at once. When nobody reads it any more, the program is over.
    static func line(_ text: String) { write(harmless(text) + "\n", to: STDOUT_FILENO) }

    /// Writes a line whose texts from elsewhere are harmless already, and that may have styles around them.
    static func styledLine(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// Writes a line of JSON to standard output at once; JSON has its own escapes.
    static func line(_ object: some BusObject) {
        var writer = JSONWriter(capacity: 512)
        writer.object { object.write(to: &$0) }
        write(writer.bytes + [UInt8(ascii: "\n")], to: STDOUT_FILENO)
    }

    /// Writes as it is: what steers the terminal on purpose.
    static func raw(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// Writes a line to standard error.
    static func errorLine(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { harmless(String($0)) }
        write(lines.joined(separator: "\n") + "\n", to: STDERR_FILENO)
    }

    /// One JSON object, its members written by `body`.
    static func json(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        writer.object(body)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The text with a `?` for each control character.
    static func harmless(_ text: String) -> String {
        // Of a long list nearly every line is printable ASCII, and asking Unicode about each of its characters would take most of the time.
        guard !text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return text }
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }

    private static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var bytes = bytes[...]
        while !bytes.isEmpty {
            let put = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if put > 0 {
                bytes = bytes.dropFirst(put)
            } else if errno != EINTR {
                leave(.failed)
            }
        }
    }
}
