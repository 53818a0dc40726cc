internal import Glibc

/// A system call that failed: what was tried, on what, and the errno.
package struct PosixError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The system call, as its man page is named (`openat`, `fdatasync`).
    package let call: String
    /// The name or path it was tried on; empty where there was none.
    package let path: String
    /// The errno, as in errno(3).
    package let code: Int32

    /// An error with a code that was read elsewhere.
    package init(_ call: String, path: String = "", code: Int32) {
        self.call = call
        self.path = path
        self.code = code
    }

    /// The error that this thread's errno holds now.
    package static func last(_ call: String, path: String = "") -> PosixError {
        PosixError(call, path: path, code: errno)
    }

    /// The file system has no room (ENOSPC) or this user no quota (EDQUOT).
    package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }
    /// There is no such file (ENOENT).
    package var isMissing: Bool { code == ENOENT }
    /// There is such a file already (EEXIST).
    package var isExisting: Bool { code == EEXIST }
    /// A symlink stood where O_NOFOLLOW forbade one (ELOOP).
    package var isSymlink: Bool { code == ELOOP }
    /// The file system takes no file of that name (ENAMETOOLONG, EINVAL, EILSEQ), or something else lies there (EISDIR, ENOTDIR, ELOOP).
    package var isOfTheName: Bool { [ENAMETOOLONG, EINVAL, EILSEQ, EISDIR, ENOTDIR, ELOOP].contains(code) }
    /// It may go well the next time: something was used up (EMFILE, ENFILE, ENOMEM), or a disk failed (EIO).
    package var isOfTheMoment: Bool { isShortage || code == EIO }
    /// Something was used up in the process or the machine (EMFILE, ENFILE, ENOMEM): the next file fares no better.
    package var isShortage: Bool { [EMFILE, ENFILE, ENOMEM].contains(code) }

    package var description: String {
        let reason = unsafe String(cString: strerror(code))
        return path.isEmpty ? "\(call): \(reason)" : "\(call) \(path): \(reason)"
    }
}
