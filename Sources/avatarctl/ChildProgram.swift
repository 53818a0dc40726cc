internal import Glibc

/// Another program that a command has do its work.
enum ChildProgram {
    /// Where a program lies on the `PATH`; nil when it is not installed.
    static func path(of name: String) -> String? {
        let folders = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in folders.split(separator: ":") {
            let path = "\(folder)/\(name)"
            if access(path, X_OK) == 0 { return path }
        }
        return nil
    }

    /// Runs it on this program's terminal, and waits for its end.
    ///
    /// - Returns: its exit status; 128 and the signal's number when a signal ended it, as a shell counts.
    static func run(_ path: String, _ arguments: [String]) throws(LocalError) -> Int32 {
        var pid: pid_t = 0
        let words = argv(path, arguments)
        defer { for word in words { free(word) } }
        let failure = posix_spawn(&pid, path, nil, nil, words, environ)
        guard failure == 0 else {
            throw LocalError(description: "\(path) cannot be started: \(String(cString: strerror(failure)))")
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else {
                throw LocalError(description: "\(path) was lost: \(String(cString: strerror(errno)))")
            }
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    /// Becomes it: this program is over when it succeeds (execv(3)).
    static func become(_ path: String, _ arguments: [String]) throws(LocalError) -> Never {
        execv(path, argv(path, arguments))
        throw LocalError(description: "\(path) cannot be started: \(String(cString: strerror(errno)))")
    }

    private static func argv(_ path: String, _ arguments: [String]) -> [UnsafeMutablePointer<CChar>?] {
        ([path] + arguments).map { strdup($0) } + [nil]
    }
}
