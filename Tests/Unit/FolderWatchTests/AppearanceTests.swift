import AvatarCore
import Foundation
import Testing

@testable import FolderWatch

// What comes into a folder, or changes there, without a writer whom the folder's watch hears.
extension FolderWatchTests {
    @Test func linksSymlinksFoldersAndAttributesAreHeardOf() async throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        try outside.write("a.png")
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        #expect(link(outside.file("a.png"), folder.file("linked.png")) == 0)
        #expect(symlink(outside.file("a.png"), folder.file("symlink.png")) == 0)
        #expect(mkdir(folder.file("folder"), 0o700) == 0)
        #expect(chmod(folder.file("linked.png"), 0o640) == 0)
        #expect(rmdir(folder.file("folder")) == 0)
        await heard.hears(.deleted, "folder")
        #expect(heard.kinds(of: "linked.png") == [.created, .attributesChanged])
        #expect(heard.kinds(of: "symlink.png") == [.created])
        #expect(heard.kinds(of: "folder") == [.created, .deleted])
    }

    /// A writer that opened the file under a name elsewhere closes it: the folder's own watch hears nothing of that.
    @Test func theCloseOfAWriterFromElsewhereIsHeardOnceItIsWaitedFor() async throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        try outside.write("a.png")
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        let writer = open(outside.file("a.png"), O_WRONLY)
        #expect(link(outside.file("a.png"), folder.file("linked.png")) == 0)
        try watch.awaitClose(upload, "linked.png")
        close(writer)
        await heard.hears(.writerGone, "linked.png")
        close(open(outside.file("a.png"), O_WRONLY))
        try watch.flush()
        #expect(heard.kinds(of: "linked.png") == [.created, .writerGone])
    }

    @Test func aCloseThatTheFolderHearsIsToldOnce() async throws {
        let folder = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        let writer = open(folder.file("a.png"), O_WRONLY | O_CREAT, 0o600)
        try watch.awaitClose(upload, "a.png")
        close(writer)
        try watch.flush()
        #expect(heard.kinds(of: "a.png") == [.created, .closedAfterWriting])
    }

    @Test func noMoreWritersAreWaitedForThanTheBoundAndTheLongestAwaitedGoes() async throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        let names = (0...Limits.Watch.writersMax).map { "\($0).png" }
        var writers: [Int32] = []
        for name in names {
            try outside.write(name)
            writers.append(open(outside.file(name), O_WRONLY))
            #expect(link(outside.file(name), folder.file(name)) == 0)
            try watch.awaitClose(upload, name)
        }
        for writer in writers { close(writer) }
        try watch.flush()
        #expect(heard.kinds(of: names[0]) == [.created])
        for name in names.dropFirst() { #expect(heard.kinds(of: name) == [.created, .writerGone]) }
        #expect(throws: WatchError.self) { try watch.awaitClose(upload, "missing.png") }
    }
}
