internal import AvatarCore
internal import GRDB
package import PosixFiles

/// What went wrong with the folder or its catalog: a code to act on, what was being done, and the cause.
package struct CacheError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the caller can do about it.
    package enum Code: String, Hashable, Sendable {
        /// No room, or no quota: pause, say so, go on when space is back.
        case diskFull = "disk-full"
        /// SQLite says that the catalog's file is damaged: open again, and it is rebuilt.
        case catalogDamaged = "catalog-damaged"
        /// A later version wrote the catalog: this one must not touch it.
        case catalogNewer = "catalog-newer"
        /// Another process holds the catalog.
        case catalogBusy = "catalog-busy"
        /// There is no such part, intent or crop.
        case notFound = "not-found"
        /// The file is no longer the one that was examined.
        case changed
        /// A file that is not the agent's has the name.
        case nameTaken = "name-taken"
        /// A system call failed.
        case io
        /// The catalog refused for another reason: a fault of this program.
        case catalog
    }

    /// What the caller can do about it.
    package let code: Code
    /// What was being done, and on what.
    package let what: String
    /// The system call that failed, where one did.
    package let posix: PosixError?
    /// The library's own words, where there are any.
    package let detail: String?

    package init(_ code: Code, _ what: String, posix: PosixError? = nil, detail: String? = nil) {
        self.code = code
        self.what = what
        self.posix = posix
        self.detail = detail
    }

    init(_ error: PosixError, _ what: String) {
        self.init(error.isDiskFull ? .diskFull : .io, what, posix: error)
    }

    /// Sorts any error that a catalog or folder operation threw.
    init(_ error: any Error, _ what: String) {
        switch error {
        case let error as CacheError: self = error
        case let error as PosixError: self.init(error, what)
        case let error as DatabaseError:
            self.init(
                Self.code(of: error), what,
                detail: SQLiteWords.text(code: error.resultCode.rawValue, message: error.message))
        default: self.init(.catalog, what, detail: "a row is not as this program writes it")
        }
    }

    private static func code(of error: DatabaseError) -> Code {
        switch error.resultCode {
        case .SQLITE_FULL: .diskFull
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: .catalogDamaged
        case .SQLITE_BUSY, .SQLITE_LOCKED: .catalogBusy
        case .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_READONLY: .io
        default: .catalog
        }
    }

    package var description: String {
        let cause = posix.map(\.description) ?? detail
        return cause.map { "\(what): \($0) (\(code.rawValue))" } ?? "\(what) (\(code.rawValue))"
    }
}
