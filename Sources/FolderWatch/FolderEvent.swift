package import AvatarCore

/// Which of the watched folders: the number is the caller's own.
package struct FolderID: Hashable, Sendable, CustomStringConvertible {
    package let value: Int

    package init(_ value: Int) { self.value = value }

    /// Stands for the paths that are followed, in events about them.
    package static let followed = FolderID(-2)

    package var description: String { "folder \(value)" }
}

/// What happened in a watched folder, as a value.
package struct FolderEvent: Hashable, Sendable {
    /// What happened (inotify(7)).
    package enum Kind: Hashable, Sendable {
        /// A file was made (or linked); it is not closed yet.
        case created
        /// A file was opened for writing and written to, or cut: its writer is at work again.
        case modified
        /// A file that was open for writing was closed.
        case closedAfterWriting
        /// A file was renamed into the folder, or within it.
        case movedIn
        /// A file was renamed out of the folder, or within it.
        case movedOut
        /// A file was deleted.
        case deleted
        /// The folder itself was deleted, moved away or unmounted: it is no longer watched until it is attached again.
        case folderGone(FolderLoss)
        /// Events were lost: the whole folder must be looked through. Told of every folder.
        case overflow
        /// A path that is followed (``FolderWatch/follow(_:)``) may lead elsewhere now; told of ``FolderID/followed``.
        case pathChanged
    }

    /// Where.
    package let folder: FolderID
    /// What.
    package let kind: Kind
    /// The file, nil where the event is the folder's own.
    package let file: WatchedName?
    /// When it was read from the kernel, on CLOCK_BOOTTIME.
    package let at: MonotonicTime

    package init(folder: FolderID, kind: Kind, file: WatchedName?, at: MonotonicTime) {
        self.folder = folder
        self.kind = kind
        self.file = file
        self.at = at
    }
}

/// How a watched folder went away.
package enum FolderLoss: String, Hashable, Sendable {
    case deleted
    case moved
    case unmounted
    /// It, or inotify as a whole, could not be watched again.
    case unwatchable
}

/// A file's name as the kernel gave it: one that an avatar may have, or one to be reported.
package enum WatchedName: Hashable, Sendable {
    case valid(AvatarName)
    case invalid(AvatarNameError)

    /// Checks the bytes of a directory entry's name.
    package init(bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            self = .invalid(AvatarNameError(.notUTF8, name: String(decoding: bytes, as: UTF8.self)))
            return
        }
        do throws(AvatarNameError) {
            self = .valid(try AvatarName(text))
        } catch {
            self = .invalid(error)
        }
    }
}

/// Why a folder cannot be watched.
package struct WatchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the caller can do about it.
    package enum Code: String, Hashable, Sendable {
        /// This user's inotify instances are used up (EMFILE): ``WatchError/remedy`` says how to raise the limit.
        case instanceLimit = "watch-instance-limit"
        /// This user's inotify watches are used up (ENOSPC): ``WatchError/remedy`` says how to raise the limit.
        case watchLimit = "watch-limit"
        /// There is no such folder.
        case folderMissing = "folder-missing"
        /// The path is no folder, or a symlink.
        case notAFolder = "not-a-folder"
        /// libinotifytools keeps its state in globals: one watch per process.
        case alreadyRunning = "already-running"
        /// More folders than ``Limits/Watch/foldersMax``.
        case tooManyFolders = "too-many-folders"
        /// The watch was stopped.
        case stopped
        /// Another system call failed.
        case failed
    }

    package let code: Code
    /// The path, or empty.
    package let path: String
    /// The errno, or 0.
    package let errno: Int32
    /// What the kernel's limit is now, where one was reached and could be read.
    package let limit: Int?

    package init(_ code: Code, path: String = "", errno: Int32 = 0, limit: Int? = nil) {
        self.limit = limit
        self.code = code
        self.path = path
        self.errno = errno
    }

    /// The exact line that a person types, where there is one.
    package var remedy: String? {
        switch code {
        case .instanceLimit: InotifyLimit.instances.remedy(current: limit)
        case .watchLimit: InotifyLimit.watches.remedy(current: limit)
        default: nil
        }
    }

    package var description: String {
        let reason: String =
            switch code {
            case .instanceLimit: "this user's inotify instances are used up"
            case .watchLimit: "this user's inotify watches are used up"
            case .folderMissing: "there is no such folder"
            case .notAFolder: "it is no folder of its own (a symlink, say)"
            case .alreadyRunning: "a folder watch is running in this process already"
            case .tooManyFolders: "at most \(Limits.Watch.foldersMax) folders are watched"
            case .stopped: "the folder watch was stopped"
            case .failed: "inotify failed with errno \(errno)"
            }
        let place = path.isEmpty ? "" : "\(path): "
        return place + reason + (remedy.map { "; try: \($0)" } ?? "")
    }
}
