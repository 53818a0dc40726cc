import AvatarCore
import Foundation
import PosixFiles
import TestMounts
import Testing

@testable import FolderWatch

/// Which folders on the way to a path are watched, and for what.
@Suite struct PathTrailTests {
    private func trail(_ path: String, _ names: String...) -> [String] {
        PathTrail(to: FollowedPath(folder: path, names: names)).steps.map { step in
            let entries = step.names.map { String(decoding: $0, as: UTF8.self) }.sorted().joined(separator: ",")
            return "\(step.folder.split(separator: "/").last ?? "/"): \(entries)"
        }
    }

    private func inside(_ path: [String], of root: String) -> [String] { Array(path.drop { !$0.hasPrefix(root) }) }

    @Test func onlyTheEntryThatDecidesIsWatched() throws {
        let root = try TemporaryFolder()
        let own = root.path.split(separator: "/").last.map(String.init) ?? ""
        try FileManager.default.createDirectory(atPath: root.file("a/b"), withIntermediateDirectories: true)
        #expect(inside(trail(root.file("a/b")), of: own) == ["\(own): ", "a: b"])
        #expect(inside(trail(root.file("a/b"), "lock"), of: own) == ["\(own): ", "a: b", "b: lock"])
        #expect(
            inside(trail(root.file("a/b/c/d")), of: own) == ["\(own): ", "a: ", "b: c"], "the first that is missing")
        #expect(inside(trail(root.file("a/./b//")), of: own) == ["\(own): ", "a: b"])
        #expect(trail("relative") == [])
    }

    @Test func symlinksAreFollowedAndWatched() throws {
        let root = try TemporaryFolder()
        let own = root.path.split(separator: "/").last.map(String.init) ?? ""
        for folder in ["real/crops", "other"] {
            try FileManager.default.createDirectory(atPath: root.file(folder), withIntermediateDirectories: true)
        }
        try FileManager.default.createSymbolicLink(atPath: root.file("link"), withDestinationPath: "real")
        #expect(inside(trail(root.file("link/crops")), of: own) == ["\(own): link", "\(own): ", "real: crops"])
        try FileManager.default.createSymbolicLink(atPath: root.file("up"), withDestinationPath: "other/../real/crops")
        #expect(
            inside(trail(root.file("up")), of: own) == ["\(own): up", "\(own): ", "\(own): ", "real: crops"])
        try FileManager.default.createSymbolicLink(atPath: root.file("loop"), withDestinationPath: "loop")
        #expect(trail(root.file("loop")).count <= Limits.Watch.trailStepsMax)
    }
}

/// A path that is followed tells of whatever may lead it elsewhere, with the real inotify.
extension FolderWatchTests {
    private func follow(
        _ path: FollowedPath, until change: () throws -> Void, _ watch: FolderWatch, _ heard: Heard
    ) async throws {
        try watch.follow([path])
        try watch.flush()
        let before = heard.all.count { $0.kind == .pathChanged }
        try change()
        await heard.until { $0.count { $0.kind == .pathChanged } > before }
    }

    @Test func whatMayLeadAPathElsewhereIsHeardOf() async throws {
        let root = try TemporaryFolder()
        let files = FileManager.default
        let path = root.file("a/b/crops")
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: path)
        // Held open, as the agent has it: the kernel then keeps the folder's own word of its removal back.
        let held = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(held) }
        let crops = FollowedPath(folder: path)
        try await follow(crops, until: { try files.removeItem(atPath: path) }, watch, heard)
        try await follow(
            crops, until: { try files.createDirectory(atPath: path, withIntermediateDirectories: false) }, watch, heard)
        try await follow(
            crops, until: { try files.moveItem(atPath: root.file("a"), toPath: root.file("x")) }, watch, heard)
        try await follow(
            crops, until: { try files.moveItem(atPath: root.file("x"), toPath: root.file("a")) }, watch, heard)
        try files.createSymbolicLink(atPath: root.file("link"), withDestinationPath: "a")
        try await follow(
            FollowedPath(folder: root.file("link/b/crops")),
            until: {
                try files.createSymbolicLink(atPath: root.file("new"), withDestinationPath: "/")
                #expect(rename(root.file("new"), root.file("link")) == 0)
            }, watch, heard)
        let lock = FollowedPath(folder: root.file("a/b"), names: ["lock"])
        try root.write("a/b/lock")
        try await follow(lock, until: { try files.removeItem(atPath: root.file("a/b/lock")) }, watch, heard)
    }

    /// One folder for crops and cache: both are watched where their path leads, and what lies elsewhere by now is not.
    @Test func twoFoldersOfOnePathAreBothWatchedWhereItLeads() async throws {
        let root = try TemporaryFolder()
        let files = FileManager.default
        let path = root.file("a/crops")
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        for folder in [upload, cache] { try watch.attach(folder, path: path) }
        try files.moveItem(atPath: root.file("a"), toPath: root.file("x"))
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        for folder in [upload, cache] { try watch.attach(folder, path: path) }
        try root.write("x/crops/old.png")
        try root.write("a/crops/new.png")
        await heard.until { events in
            let closed = events.filter { $0.kind == .closedAfterWriting }
            return closed.contains { $0.folder == upload } && closed.contains { $0.folder == cache }
        }
        let old = try AvatarName("old.png")
        #expect(!heard.all.contains { $0.file == .valid(old) })
        #expect(!heard.all.contains { if case .folderGone = $0.kind { true } else { false } })
    }

    @Test func entriesThatDecideNothingAreNotHeardOf() async throws {
        let root = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: root.file("a/crops"), withIntermediateDirectories: true)
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.follow([FollowedPath(folder: root.file("a/crops"), names: ["lock"])])
        try root.write("busy")
        try root.write("a/busy")
        try root.write("a/crops/catalog.sqlite-journal")
        try watch.flush()
        #expect(heard.all == [])
        try root.write("a/crops/lock")
        await heard.until { $0.contains { $0.kind == .pathChanged } }
    }

    @Test func aPathThatIsFollowedNoLongerIsNotHeardOf() async throws {
        let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.follow([FollowedPath(folder: first.path, names: ["lock"])])
        try watch.follow([FollowedPath(folder: second.path, names: ["lock"])])
        try first.write("lock")
        try watch.flush()
        #expect(heard.all == [])
        try second.write("lock")
        await heard.until { $0.contains { $0.kind == .pathChanged } }
    }
}
