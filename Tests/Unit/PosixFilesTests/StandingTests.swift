import AvatarCore
import Foundation
import PosixFiles
import TestMounts
import Testing

/// Whether a path still leads to what is held of it, and what two processes hold of one.
@Suite struct StandingTests {
    let root: String

    init() throws {
        root = NSTemporaryDirectory() + "avatard-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: root + "/a", withIntermediateDirectories: true)
    }

    @Test func aFolderThatIsMovedReplacedOrRemovedIsNotAtItsPath() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let folder = try Folder(path: root + "/a")
        #expect(folder.standing() == .held && !folder.isRemoved())
        #expect(rename(root + "/a", root + "/b") == 0)
        #expect(folder.standing() == .missing && !folder.isRemoved())
        #expect(mkdir(root + "/a", 0o700) == 0)
        #expect(folder.standing() == .another)
        #expect(rmdir(root + "/a") == 0 && rename(root + "/b", root + "/a") == 0)
        #expect(folder.standing() == .held)
        #expect(rmdir(root + "/a") == 0)
        #expect(folder.standing() == .missing && folder.isRemoved())
        #expect(mkdir(root + "/a", 0o700) == 0)
        #expect(folder.standing() == .another, "the number is not given again while the folder is open")
    }

    @Test func onlyWhatIsAskedForIsMade() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        #expect(throws: PosixError.self) { _ = try Folder.open(path: root + "/x", making: .nothing) }
        #expect(throws: PosixError.self) { _ = try Folder.open(path: root + "/x/y", making: .last) }
        #expect(!FileManager.default.fileExists(atPath: root + "/x"))
        _ = try Folder.open(path: root + "/x", making: .last)
        _ = try Folder.open(path: root + "/x/y/z", making: .all)
        #expect(FileManager.default.fileExists(atPath: root + "/x/y/z"))
    }

    private func isFree(_ path: String) throws -> Bool { try FileLock.take(path) != nil }
    private func isFree(folder path: String) throws -> Bool { try FileLock.take(folder: path) != nil }

    @Test func aLockIsHeldOnceAndKnowsWhenItsPathLeadsElsewhere() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let path = root + "/lock"
        guard let lock = try FileLock.take(path) else {
            Issue.record("nobody has the lock")
            return
        }
        #expect(lock.standing() == .held)
        #expect(try !isFree(path))
        unlink(path)
        #expect(lock.standing() == .missing)
        guard let second = try FileLock.take(path) else {
            Issue.record("it is another file")
            return
        }
        #expect(lock.standing() == .another && second.standing() == .held)
    }

    @Test func aFolderItselfIsLockedWithoutAFile() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let path = root + "/a"
        guard let lock = try FileLock.take(folder: path) else {
            Issue.record("nobody has the lock")
            return
        }
        #expect(try !isFree(folder: path))
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [])
        #expect(lock.standing() == .held)
        _ = consume lock
        #expect(try isFree(folder: path))
    }

    @Test(.enabled(if: TmpfsMount.isPermitted)) func mountsAreHeardOfAndKeepTheFoldersKeysApart() async throws {
        let (told, tell) = AsyncStream.makeStream(of: Void.self)
        let watch = try MountWatch { tell.yield() }
        var changes = told.makeAsyncIterator()
        let mount = try TmpfsMount(kilobytes: 64)
        await changes.next()
        let inside = try Folder(path: mount.path)
        let outside = try Folder(path: root)
        #expect(try inside.lastingKey() != outside.lastingKey())
        #expect(try inside.lastingKey() == Folder(path: mount.path).lastingKey())
        #expect(try inside.freeBytes() <= 64 * 1024)
        mount.unmount()
        await changes.next()
        watch.stop()
        watch.stop()
    }
}

@Suite struct SocketPathTests {
    @Test func aSocketKnowsThePathThatItIsBoundTo() throws {
        let path = NSTemporaryDirectory() + "s-" + UUID().uuidString.prefix(8)
        defer { unlink(path) }
        let socket = try UnixSocket.listen(path, backlog: 1)
        #expect(UnixSocket.path(of: socket.descriptor) == path)
        unlink(path)
        #expect(UnixSocket.path(of: socket.descriptor) == path, "also when nothing lies there any more")
    }
}
