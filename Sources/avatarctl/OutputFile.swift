internal import Glibc
internal import PosixFiles

/// A file that another program may read at any time: it is there as it was, or whole.
enum OutputFile {
    /// Writes a new file beside it, and renames that over it (rename(2)). The new one's name ends in `.new`, so that whoever looks for
    /// an extension passes over it.
    ///
    /// - Parameter mode: its permission bits, whatever the umask says.
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t) throws {
        let next = path + "." + String(UInt32.random(in: .min ... .max), radix: 16) + ".new"
        let descriptor = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw fault(path) }
        let file = OpenFile(adopting: descriptor)
        do {
            try file.write(bytes.span.bytes, at: 0)
            guard fchmod(descriptor, mode) == 0, rename(next, path) == 0 else { throw fault(path) }
        } catch {
            unlink(next)
            if let error = error as? PosixError { throw LocalError(description: "\(path) cannot be written: \(error)") }
            throw error
        }
    }

    private static func fault(_ path: String) -> LocalError {
        LocalError(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
