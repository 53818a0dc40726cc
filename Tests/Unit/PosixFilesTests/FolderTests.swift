import Foundation
import PosixFiles
import Testing

@Suite struct FolderTests {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "avatard-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path + "/inner", withIntermediateDirectories: true)
        try Data("one".utf8).write(to: URL(fileURLWithPath: path + "/one"))
        try Data("two".utf8).write(to: URL(fileURLWithPath: path + "/inner/two"))
        try FileManager.default.createSymbolicLink(atPath: path + "/link", withDestinationPath: path + "/one")
    }

    private func text(_ name: String) throws -> String {
        try String(contentsOfFile: path + "/" + name, encoding: .utf8)
    }

    private func code(_ body: () throws(PosixError) -> Void) -> Int32? {
        do {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func aRenameWithoutReplacingStopsAtWhateverHasTheName() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try Folder(path: path)
        let inner = try folder.openSubfolder("inner")
        for taken in ["one", "link", "inner"] {
            let refused = code { () throws(PosixError) in
                try inner.renameWithoutReplacing("two", to: taken, in: folder)
            }
            #expect(refused == EEXIST, "\(taken)")
        }
        try inner.renameWithoutReplacing("two", to: "three", in: folder)
        #expect(try text("three") == "two")
    }

    @Test func anExchangeSwapsTwoNames() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try Folder(path: path)
        let inner = try folder.openSubfolder("inner")
        let swapped = try inner.exchange("two", with: "one", in: folder)
        #expect(swapped)
        #expect(try text("one") == "two")
        #expect(try text("inner/two") == "one")
    }

    @Test func whatTheKernelHasInMemoryIsOpenedWithoutWaiting() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try Folder(path: path)
        // Its way was gone a moment ago; a kernel that cannot tell opens nothing.
        if let file = try folder.openWithoutWaiting("inner/two") {
            let bytes = try file.read(at: 0, count: 10)
            #expect(bytes == Array("two".utf8))
        }
        for (name, error) in [("inner/none", ENOENT), ("link", ELOOP), ("inner/../one", 0), ("../x", EXDEV)] {
            let refused = code { () throws(PosixError) in _ = try folder.openWithoutWaiting(name) }
            #expect(refused ?? error == error, "\(name)")
        }
    }

    @Test func aSymlinkIsNeverOpened() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try Folder(path: path)
        #expect(code { () throws(PosixError) in _ = try folder.openForReading("link") } == ELOOP)
        #expect(code { () throws(PosixError) in _ = try folder.openForWriting("link") } == ELOOP)
        let kind = try folder.facts(of: "link")?.kind
        #expect(kind == .symlink)
    }

    @Test func aLeaseTellsWhetherSomebodyWrites() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        LeaseSignal.ignore()
        let folder = try Folder(path: path)
        let reader = try folder.openForReading("one")
        let before = reader.probeLease()
        #expect(before == .noWriter)
        do {
            let writer = try folder.openForWriting("one")
            let during = reader.probeLease()
            #expect(during == .writer)
            try writer.write([1].span.bytes, at: 0)
        }
        let after = reader.probeLease()
        #expect(after == .noWriter)
    }

    @Test func aCopyIsAnotherInodeWithTheSameBytes() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try Folder(path: path)
        let source = try folder.openForReading("one")
        let copy = try folder.create("copy")
        try copy.copyAll(of: source, size: 3)
        #expect(try text("copy") == "one")
        let inodes = (try copy.facts().inode, try source.facts().inode)
        #expect(inodes.0 != inodes.1)
    }
}
