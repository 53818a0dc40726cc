import Foundation
import Testing

@testable import PosixFiles

/// A file that is put in place durably, as the kept login and an import are.
@Suite struct PlaceTests {
    let path = NSTemporaryDirectory() + "avatard-place-" + UUID().uuidString

    private func place(_ text: String, _ sync: DiskSync = DiskSync()) throws {
        try Folder.make(path: path).place(Array(text.utf8).span.bytes, at: "f", by: "f.new", sync: sync)
    }

    private func lying() throws -> [String] {
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted().map {
            "\($0): \(String(decoding: try Data(contentsOf: URL(fileURLWithPath: path + "/" + $0)), as: UTF8.self))"
        }
    }

    private var failingData: DiskSync {
        var sync = DiskSync()
        sync.data = { (_: borrowing OpenFile) throws(PosixError) in throw PosixError("fdatasync", code: EIO) }
        return sync
    }

    private var failingFolder: DiskSync {
        var sync = DiskSync()
        sync.folder = { (_: borrowing Folder) throws(PosixError) in throw PosixError("fsync", code: EIO) }
        return sync
    }

    @Test func theNewFileTakesThePlaceOfTheOld() throws {
        try place("old")
        try place("new")
        #expect(try lying() == ["f: new"])
    }

    @Test func aFailedSyncLeavesWhatWasThere() throws {
        try place("old")
        for sync in [failingData, failingFolder] { #expect(throws: PosixError.self) { try place("new", sync) } }
        #expect(try lying() == ["f: old"])
    }

    @Test func aFailedSyncLeavesNothingWhereNothingWas() throws {
        for sync in [failingData, failingFolder] { #expect(throws: PosixError.self) { try place("new", sync) } }
        #expect(try lying() == [])
    }
}
