import AvatarCore
import Foundation
import PosixFiles
import TestPictures
import Testing

@testable import AvatarCache

@Suite struct UploadFolderTests {
    let harness: CacheHarness
    let upload: UploadFolder
    let name: AvatarName

    init() throws {
        harness = try CacheHarness()
        upload = try harness.upload(bytesMax: 100_000)
        name = try named("crop.png")
    }

    private func settled(_ name: AvatarName) throws -> CropFacts {
        switch examined(name) {
        case .settled(let facts): return facts
        case let other: throw CacheError(.changed, "\(name): \(other)")
        }
    }

    private func examined(_ name: AvatarName) -> CropFinding { AvatarCacheTests.examined(name, in: upload) }

    @Test func aClosedPictureIsSettledWithItsDigests() throws {
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        let facts = try settled(name)
        #expect(facts.image == ImageFacts(format: .png, width: 160, height: 160))
        #expect(facts.sha256.hex == "\(try shell("sha256sum", harness.uploadPath + "/crop.png"))")
        #expect(facts.md5.hex == "\(try shell("md5sum", harness.uploadPath + "/crop.png"))")
    }

    @Test func aFileThatIsOpenForWritingIsBusyUntilItIsClosed() throws {
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        let writer = open(harness.uploadPath + "/crop.png", O_WRONLY)
        #expect(upload.examine(name) == .busy)
        close(writer)
        _ = try settled(name)
    }

    @Test func theLeaseIsNotHeldAfterTheProbe() throws {
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        let facts = try settled(name)
        // A lease that was still held would refuse this at once.
        let writer = open(harness.uploadPath + "/crop.png", O_WRONLY | O_NONBLOCK)
        #expect(writer >= 0)
        close(writer)
        #expect(try settled(name) == facts)
    }

    @Test(
        arguments: [
            ("text.png", Array("text".utf8), "not-an-image"), ("empty.png", [], "empty"),
            ("one.png", [0x89], "not-an-image"),
            ("large.png", [UInt8](repeating: 0, count: 100_001), "too-large"),
        ] as [(String, [UInt8], String)])
    func whatIsNoPictureIsRejectedByReason(name: String, bytes: [UInt8], code: String) throws {
        try harness.root.write("crops/" + name, bytes)
        guard case .rejected(let fault, _) = examined(try named(name)) else {
            Issue.record("\(name) was taken")
            return
        }
        #expect((fault.image?.code.rawValue ?? fault.code.rawValue) == code)
    }

    @Test func symlinksFoldersAndFIFOsAreRejectedWithoutBlocking() throws {
        try harness.root.write("outside.png", try TestPictures.picture("ada.png"))
        try FileManager.default.createSymbolicLink(
            atPath: harness.uploadPath + "/link.png", withDestinationPath: harness.root.file("outside.png"))
        try FileManager.default.createDirectory(
            atPath: harness.uploadPath + "/folder.png", withIntermediateDirectories: false)
        #expect(mkfifo(harness.uploadPath + "/fifo.png", 0o600) == 0)
        for (name, fault) in [("link.png", CropError.symlink), ("folder.png", .folder), ("fifo.png", .notRegular)] {
            guard case .rejected(fault, _) = examined(try named(name)) else {
                Issue.record("\(name): \(upload.examine(try named(name)))")
                continue
            }
        }
        #expect(upload.examine(try named("none.png")) == .vanished)
    }

    /// Where there are no leases, a write between two reads that leaves size and time as they were is still seen.
    @Test func withoutLeasesTheBytesAreReadTwice() throws {
        let path = harness.uploadPath + "/crop.png"
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        var probes = 0
        let leaseless = try UploadFolder(path: harness.uploadPath, bytesMax: 100_000) { _ in
            probes += 1
            if probes == 2 {
                let times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 0)]
                let writer = open(path, O_WRONLY)
                _ = pwrite(writer, "x", 1, 100)
                _ = futimens(writer, times)
                close(writer)
            }
            return .unknown
        }
        let times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 0)]
        #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
        #expect(leaseless.examine(name) == .busy)
        #expect(
            leaseless.examine(name)
                == .rejected(.image(.malformed("the CRC of the chunk IDAT does not match")), try rejected()))
    }

    private func rejected() throws -> RejectedFile {
        guard case .rejected(_, let file?) = examined(name) else { throw CacheError(.changed, "\(name)") }
        return file
    }

    @Test func aFolderThatWasReplacedIsKnownByItsInode() throws {
        #expect(upload.standing() == .held && harness.cache.standing() == .held)
        #expect(rename(harness.uploadPath, harness.root.file("elsewhere")) == 0)
        #expect(upload.standing() != .held)
        try FileManager.default.createDirectory(atPath: harness.uploadPath, withIntermediateDirectories: false)
        #expect(upload.standing() != .held)
    }

    @Test func chunksComeFromTheVeryFileThatWasExamined() throws {
        let bytes = try TestPictures.picture("ada.png")
        try harness.root.write("crops/crop.png", bytes)
        let facts = try settled(name)
        #expect(try upload.readChunk(of: facts, 0..<2048) == .bytes(Array(bytes[0..<2048])))
        #expect(try upload.readChunk(of: facts, 2048..<2050) == .bytes(Array(bytes[2048..<2050])))
    }

    @Test func aReopenedWriterAbandonsTheUpload() throws {
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        let facts = try settled(name)
        _ = try upload.readChunk(of: facts, 0..<2048)
        let writer = open(harness.uploadPath + "/crop.png", O_WRONLY | O_APPEND)
        #expect(try upload.readChunk(of: facts, 2048..<4096) == .changed)
        #expect(write(writer, "x", 1) == 1)
        close(writer)
        #expect(try upload.readChunk(of: facts, 0..<2048) == .changed)
        #expect(try settled(name).identity.size == facts.identity.size + 1)
    }

    @Test func aCropThatWasReplacedOrDeletedIsChanged() throws {
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        let facts = try settled(name)
        try harness.root.write("crops/new.png", try TestPictures.picture("bruno.png"))
        #expect(rename(harness.uploadPath + "/new.png", harness.uploadPath + "/crop.png") == 0)
        #expect(try upload.readChunk(of: facts, 0..<10) == .changed)
        let second = try settled(name)
        try FileManager.default.removeItem(atPath: harness.uploadPath + "/crop.png")
        #expect(try upload.readChunk(of: second, 0..<10) == .changed)
    }

    @Test func cropsQueueInTheOrderOfTheirCloses() throws {
        for name in ["z.png", "a.png", "m.png"] {
            try harness.root.write("crops/" + name, try TestPictures.tiny(.png))
            try harness.catalog.recordCrop(try settled(try named(name)), account: "s/7")
        }
        #expect(try harness.catalog.pendingCrops(of: "s/7").map(\.name.string) == ["z.png", "a.png", "m.png"])
        try harness.catalog.recordCrop(try settled(try named("z.png")), account: "s/7")
        #expect(try harness.catalog.pendingCrops(of: "s/7").map(\.name.string) == ["a.png", "m.png", "z.png"])
        let sha256 = try settled(try named("a.png")).sha256
        let events = try harness.catalog.recordUploaded(
            try named("a.png"), sha256: sha256, to: "s/7", at: harness.wall)
        #expect(events.map(\.kind) == [.uploaded, .icon])
        #expect(try harness.catalog.icon(of: "s/7") == named("a.png"))
        #expect(try harness.catalog.pendingCropCount() == 2)
        #expect(try harness.catalog.crop(named("a.png"))?.uploadedTo == "s/7")
    }

    @Test func anUploadOfOlderBytesDoesNotSettleANewerCrop() throws {
        try harness.root.write("crops/crop.png", try TestPictures.tiny(.png))
        let old = try settled(name)
        try harness.catalog.recordCrop(old, account: "s/7")
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        try harness.catalog.recordCrop(try settled(name), account: "s/7")
        let events = try harness.catalog.recordUploaded(name, sha256: old.sha256, to: "s/7", at: harness.wall)
        #expect(events.map(\.kind) == [.icon])
        #expect(try harness.catalog.pendingCropCount() == 1)
    }

    /// What the stricter rule of a shared folder stands on: a client that opens, appends and closes once per chunk.
    @Test func closesOfAnIncompletePictureAreCountedPerInode() throws {
        let bytes = try TestPictures.picture("ada.png")
        var written = 0
        while written < bytes.count {
            let end = min(written + 2048, bytes.count)
            let file = open(harness.uploadPath + "/crop.png", O_WRONLY | O_CREAT | O_APPEND, 0o600)
            _ = Array(bytes[written..<end]).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            close(file)
            written = end
            switch examined(name) {
            case .rejected(let fault, let file?):
                let isNews = try harness.catalog.recordRejected(
                    name, identity: file.identity, changed: file.changed, reason: fault.code.rawValue,
                    incomplete: fault.isIncomplete)
                #expect(isNews)
            case .settled(let facts): try harness.catalog.recordCrop(facts, account: "s/7")
            default: Issue.record("neither whole nor cut off")
            }
        }
        #expect(try harness.catalog.crop(name)?.incompleteCloses == Int64((bytes.count - 1) / 2048))
        try harness.root.write("crops/other.png", bytes)
        #expect(rename(harness.uploadPath + "/other.png", harness.uploadPath + "/crop.png") == 0)
        #expect(try harness.catalog.recordCrop(try settled(name), account: "s/7").incompleteCloses == 0)
    }

    @Test func aRejectionIsNewsOnce() throws {
        try harness.root.write("crops/crop.png", [1, 2])
        for expected in [true, false] {
            guard case .rejected(let fault, let file?) = examined(name) else { return }
            #expect(
                try harness.catalog.recordRejected(
                    name, identity: file.identity, changed: file.changed, reason: fault.code.rawValue, incomplete: false
                )
                    == expected)
        }
    }

    /// Within the grain of the clock by mtime. A symlink is there to be told of.
    @Test func whatChangedWhileTheAgentWasDownIsFoundOldestFirst() throws {
        for (name, age) in [("same.png", 1), ("first.png", 10), ("second.png", 20), ("gone.png", 2)] {
            try harness.root.write("crops/" + name, try TestPictures.tiny(.png))
            let date = Date(timeIntervalSince1970: Double(age))
            try FileManager.default.setAttributes(
                [.modificationDate: date], ofItemAtPath: harness.uploadPath + "/" + name)
        }
        for name in ["same.png", "gone.png"] {
            try harness.catalog.recordCrop(try settled(try named(name)), account: "s/7")
        }
        try FileManager.default.removeItem(atPath: harness.uploadPath + "/gone.png")
        try FileManager.default.createSymbolicLink(
            atPath: harness.uploadPath + "/link.png", withDestinationPath: "/etc/passwd")
        let comparison = try upload.compare(with: harness.catalog)
        let found = comparison.candidates.map(\.string)
        // The link may have the inode that the removed file had, and within the grain of the clock the inode decides.
        #expect(found.filter { $0 != "link.png" } == ["first.png", "second.png"] && found.contains("link.png"))
        #expect(comparison.vanished.map(\.string) == ["gone.png"])
        #expect(comparison.files == 4)
        try harness.catalog.forgetCrops(comparison.vanished)
        #expect(try harness.catalog.crop(named("gone.png")) == nil)
    }

    @Test func afterALostCatalogNothingThatLiesThereIsSent() throws {
        for name in ["a.png", "b.png"] { try harness.root.write("crops/" + name, try TestPictures.tiny(.png)) }
        #expect(try upload.adoptBaseline(in: harness.catalog) == 2)
        #expect(try harness.catalog.pendingCropCount() == 0)
        #expect(try upload.compare(with: harness.catalog).candidates.isEmpty)
        #expect(try harness.catalog.crop(named("a.png"))?.state == .baseline)
        try harness.catalog.recordCrop(try settled(try named("a.png")), account: "s/7")
        #expect(try harness.catalog.pendingCrops(of: "s/7").map(\.name.string) == ["a.png"])
    }

    /// A later run goes on there; for another picture, another name, or one that is sent, the place says nothing.
    @Test func whereACropGoesUpIsKeptAsLongAsItWaitsAsItIs() throws {
        let name = try named("large.png")
        func location() throws -> String? { try harness.catalog.crop(name)?.location }
        func keep() throws {
            try harness.catalog.keep(
                location: "/up/1", ofCrop: try #require(try harness.catalog.crop(name)).closedOrder)
        }
        let facts = try harness.crop(name, account: "s/7")
        try keep()
        try harness.reopen()
        #expect(try location() == "/up/1")
        try harness.catalog.refreshCrop(facts)
        #expect(try location() == "/up/1")
        _ = try harness.catalog.renameCrop(try #require(try harness.catalog.crop(name)), to: facts)
        #expect(try location() == nil)
        try keep()
        try harness.catalog.recordCrop(facts, account: "s/7")
        #expect(try location() == nil)
        try keep()
        _ = try harness.catalog.recordUploaded(name, sha256: facts.sha256, to: "s/7", at: harness.wall)
        #expect(try location() == nil)
        try keep()
        #expect(try location() == nil, "it waits no more")
    }

    @Test func waitingCropsComeInPages() throws {
        for index in 1...5 {
            try harness.root.write("crops/\(index).png", try TestPictures.tiny(.png))
            try harness.catalog.recordCrop(try settled(try named("\(index).png")), account: "s/7")
        }
        let first = try harness.catalog.pendingCrops(of: "s/7", limit: 3)
        let second = try harness.catalog.pendingCrops(of: "s/7", after: try #require(first.last?.closedOrder), limit: 3)
        #expect((first + second).map(\.name.string) == (1...5).map { "\($0).png" })
    }

    @Test func whatAnImportThatWasKilledLeftBehindGoes() throws {
        try harness.root.write("crops/\(WorkFile.prefix)import-0123", [1])
        try harness.root.write("crops/mine.png", try TestPictures.tiny(.png))
        try upload.removeLeftovers()
        #expect(try harness.root.names(in: "crops") == ["mine.png"])
    }

    @Test func anUploadFolderThatIsAwayIsNotMadeWhereThatIsNotWanted() throws {
        let away = harness.root.file("away")
        #expect(throws: CacheError.self) { try UploadFolder(path: away, making: .nothing) }
        #expect(!FileManager.default.fileExists(atPath: away))
    }

    @Test func anUploadedCropIsCopiedIntoTheCacheAndNotLinked() throws {
        let bytes = try TestPictures.picture("ada.png")
        try harness.root.write("crops/crop.png", bytes)
        let facts = try settled(name)
        try harness.cache.stageCopy(of: facts, owner: UserID(7), from: upload, now: harness.now)
        let committed = try #require(try harness.commit([name], origin: .own).first)
        #expect(committed.avatar.sha256 == facts.sha256 && committed.avatar.origin == .own)
        #expect(committed.avatar.assurance == .digest)
        #expect(committed.avatar.identity.inode != facts.identity.inode)
        let editor = try FileHandle(forWritingTo: URL(fileURLWithPath: harness.uploadPath + "/crop.png"))
        try editor.write(contentsOf: [0, 0, 0])
        try editor.close()
        #expect(try harness.root.read("avatars/crop.png") == bytes)
        #expect(throws: CacheError.self) {
            try harness.cache.stageCopy(of: facts, owner: nil, from: upload, now: harness.now)
        }
    }

    @Test func aCopyThatIsNotTheCropIsRefused() throws {
        try harness.root.write("crops/crop.png", try TestPictures.picture("ada.png"))
        let facts = try settled(name)
        try harness.cache.stageCopy(of: facts, owner: nil, from: upload, now: harness.now)
        let other = try TestPictures.padded(.png, to: Int(facts.identity.size))
        try harness.root.write("avatars/.parts/crop.png.part", other)
        let found = try unsafe SHA256Digest(of: other.span.bytes)
        let expected = PartError.wrongDigest(expected: facts.sha256, found: found)
        #expect(try harness.cache.verify([name]) == [.failure(expected)])
    }

    @Test func anImportLiesUnderItsDigestOnceAndWhole() throws {
        let bytes = try TestPictures.picture("emeka.jpg")
        try harness.root.write("elsewhere with spaces.jpeg", bytes)
        let path = harness.root.file("elsewhere with spaces.jpeg")
        let name = try upload.importFile(path: path)
        #expect(name.string == "\(try shell("sha256sum", path).prefix(32)).jpg")
        #expect(try harness.root.names(in: "crops") == [name.string])
        #expect(try harness.root.read("crops/" + name.string) == bytes)
        let before = try settled(name).identity
        #expect(try upload.importFile(path: path) == name)
        #expect(try settled(name).identity == before)
        #expect(try upload.importFile(path: path, renewing: true) == name)
        let renewed = try settled(name)
        #expect(renewed.identity.modified > before.modified, "it has the time of the person's word")
        #expect(renewed.sha256.hex == String(try shell("sha256sum", path).prefix(64)))
        #expect(try harness.root.names(in: "crops") == [name.string])
    }

    @Test func importsOfWhatCannotBeUploadedAreRefusedByReason() throws {
        try harness.root.write("text.png", [1, 2, 3])
        try harness.root.write("large.png", try TestPictures.padded(.png, to: 100_001))
        let root = harness.root
        #expect(throws: ImportError.notAnImage(path: root.file("text.png"), .notAnImage)) {
            try upload.importFile(path: root.file("text.png"))
        }
        #expect(throws: ImportError.tooLarge(path: root.file("large.png"), size: 100_001, limit: 100_000)) {
            try upload.importFile(path: root.file("large.png"))
        }
        #expect(throws: ImportError.notRegular(path: root.path)) { try upload.importFile(path: root.path) }
        #expect(throws: ImportError.self) { try upload.importFile(path: root.file("none")) }
        #expect(try harness.root.names(in: "crops").isEmpty)
    }

    private func shell(_ tool: String, _ path: String) throws -> Substring {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/" + tool)
        process.arguments = ["--", path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self).prefix { $0 != " " }
    }
}
