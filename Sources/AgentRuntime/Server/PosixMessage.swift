internal import Glibc

/// The kernel's words for an errno.
enum PosixMessage {
    static func text(for code: CInt) -> String {
        guard let words = strerror(code) else { return "error \(code)" }
        return String(cString: words)
    }
}
