import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestMounts
import TestPictures
import Testing

extension RealPrograms {
    /// The path of a folder leads to another one now, while the agent holds the one before.
    @Suite("A folder's path leads elsewhere")
    struct FolderPaths {
        private func makeFolder(_ path: String) throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }

        @Test("the upload folder removed and made again at once: watched again, and what is saved there goes up")
        func cropsMadeAgain() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await stage.saveAndSee("ada.png", as: "before.png")
                for round in 1...3 {
                    try FileManager.default.removeItem(atPath: stage.agent.crops)
                    try makeFolder(stage.agent.crops)
                    try await stage.saveAndSee("chen.png", as: "after-\(round).png")
                    try await stage.soonLogged("a folder is watched again", "crops", occurrences: round)
                }
                try await stage.isWell()
                #expect(
                    try await stage.agent.changes(.uploaded)
                        == ["before.png", "after-1.png", "after-2.png", "after-3.png"].map { "uploaded \($0)" })
            }
        }

        @Test("the folder above renamed away and back: doctor says so meanwhile, and nothing goes up twice")
        func parentRenamed() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await stage.saveAndSee("ada.png", as: "before.png")
                let parent = stage.agent.home + "/data"
                try FileManager.default.moveItem(atPath: parent, toPath: parent + "-away")
                try await stage.soonLogged("a folder is not watched", "crops")
                let doctor = try await stage.doctor()
                #expect(doctor.status == 1 && doctor.output.contains(stage.agent.crops), "\(doctor)")
                let refused = try await Program.run(
                    Program.product("avatarctl"),
                    ["upload", "--socket", stage.agent.client.socketPath, Program.product("avatarctl")],
                    in: stage.folder)
                #expect(refused.status == 1)
                #expect(
                    refused.errors.contains("the upload folder \(stage.agent.crops) is gone")
                        && !refused.errors.contains("server"), "\(refused)")
                #expect(!FileManager.default.fileExists(atPath: parent), "the agent makes nothing in its place")
                try FileManager.default.moveItem(atPath: parent + "-away", toPath: parent)
                try await stage.soonLogged("a folder is watched again", "crops")
                try await stage.soonLogged("a folder is watched again", "cache")
                try await stage.saveAndSee("bruno.png", as: "after.png")
                try await stage.isWell()
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded before.png", "uploaded after.png"])
            }
        }

        @Test("the folder above the cache renamed away: no label is told a path that leads nowhere, until it is back")
        func pathsOfLabels() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("emeka.jpg")
                try stage.server.place(bytes, "emeka.jpg", for: stage.ada)
                try await stage.startAgent()
                let client = stage.agent.client
                let parent = stage.agent.home + "/data"
                try await within(patience, "ready, pending, ready") {
                    var states: [AvatarState] = []
                    let labels = [LabelRequest(label: "face", name: "emeka.jpg")]
                    for try await reply in try await client.register(labels, keep: true) {
                        for label in reply.labels where label.avatar.state != states.last {
                            states.append(label.avatar.state)
                            #expect(contents(label.avatar.path ?? label.avatar.fallback ?? "") != nil, "\(label)")
                            switch states.drop(while: { $0 != .ready }) {
                            case [.ready]: try FileManager.default.moveItem(atPath: parent, toPath: parent + "-away")
                            case [.ready, .pending]:
                                #expect(try await client.get("emeka.jpg").state == .pending)
                                let sync = try await stage.ctl("sync")
                                #expect(sync.status == 1 && sync.output.contains("cache folder: "), "\(sync)")
                                let list = try await stage.ctl("list", "--long")
                                #expect(list.output.contains("emeka.jpg") && !list.output.contains("ready"), "\(list)")
                                try FileManager.default.moveItem(atPath: parent + "-away", toPath: parent)
                            default: return
                            }
                        }
                    }
                }
                #expect(try await stage.agent.finalState("emeka.jpg") == .ready)
                try await stage.isWell()
            }
        }

        @Test("the folder two above replaced by another with an upload folder in it: that one is watched")
        func grandparentReplaced() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let top = stage.agent.home + "/data"
                try makeFolder(stage.agent.home + "/other/avatard/crops")
                try write(
                    try TestPictures.picture("hana.jpg"), to: stage.agent.home + "/other/avatard/crops/waiting.jpg")
                try await stage.run("mv", "--no-target-directory", top, top + "-old")
                try await stage.run("mv", "--no-target-directory", stage.agent.home + "/other", top)
                try await stage.agent.change(.icon, of: "waiting.jpg")
                try await stage.saveAndSee("ada.png", as: "new.png")
                try await stage.soonLogged("a folder is watched again", "cache")
                try await stage.isWell()
            }
        }

        @Test("upload.directory is a symlink that is pointed elsewhere, and back: the folder it leads to is followed")
        func symlink() async throws {
            try await Stage.run { stage in
                let (first, second) = (stage.agent.home + "/first", stage.agent.home + "/second")
                let link = stage.agent.home + "/crops"
                try makeFolder(first)
                try makeFolder(second)
                try await stage.run("ln", "-s", "first", link)
                try await stage.startAgent(["--upload-directory", link])
                try write(try TestPictures.picture("ada.png"), to: first + "/one.png")
                try await stage.agent.change(.icon, of: "one.png")
                try await stage.run("ln", "-s", "--force", "--no-dereference", "second", link)
                try await stage.soonLogged("a folder is watched again", "crops")
                try write(try TestPictures.picture("bruno.png"), to: second + "/two.png")
                try await stage.agent.change(.icon, of: "two.png")
                try await stage.run("ln", "-s", "--force", "--no-dereference", first, link)
                try await stage.soonLogged("a folder is watched again", "crops", occurrences: 2)
                try write(try TestPictures.picture("chen.png"), to: first + "/three.png")
                try await stage.agent.change(.icon, of: "three.png")
                try await stage.isWell()
                #expect(
                    try await stage.agent.changes(.uploaded)
                        == ["uploaded one.png", "uploaded two.png", "uploaded three.png"])
            }
        }

        @Test("the cache folder removed and made again at once: what labels show is there again")
        func cacheMadeAgain() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("emeka.jpg")
                try stage.server.place(bytes, "emeka.jpg", for: stage.ada)
                try await stage.startAgent()
                let (client, cache) = (stage.agent.client, stage.agent.cache)
                try await within(patience, "ready three times") {
                    var ready = 0
                    let labels = [LabelRequest(label: "face", name: "emeka.jpg")]
                    for try await reply in try await client.register(labels, keep: true) {
                        for label in reply.labels where label.avatar.state == .ready {
                            #expect(label.avatar.path.flatMap(contents) == bytes)
                            ready += 1
                            if ready == 3 { return }
                            try FileManager.default.removeItem(atPath: cache)
                            // Whoever removes it and makes it again does not find it made in between.
                            if ready == 1 {
                                try FileManager.default.createDirectory(
                                    atPath: cache, withIntermediateDirectories: false)
                            }
                        }
                    }
                }
                try await stage.isWell()
            }
        }
    }

    /// File systems that come and go over the folders.
    @Suite("A folder is mounted over", .enabled(if: TmpfsMount.isPermitted, "mounting needs root"))
    struct MountedFolders {
        /// Mounts something over the folder, does `body`, and unmounts it from under the agent.
        private func mounted(
            _ arguments: [String], over folder: String, _ stage: Stage, _ body: () async throws -> Void
        ) async throws {
            let mount = try await Program.run("/usr/bin/env", ["mount"] + arguments + [folder], in: stage.folder)
            try #require(mount.status == 0, "\(mount.errors)")
            do {
                try await body()
            } catch {
                Issue.record(error)
            }
            try await stage.run("umount", "--lazy", folder)
        }

        @Test(
            "a file system mounted over the upload folder, and unmounted: both are watched in turn, and nothing goes up twice"
        )
        func crops() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await stage.saveAndSee("ada.png", as: "below.png")
                try await mounted(["-t", "tmpfs", "tmpfs"], over: stage.agent.crops, stage) {
                    try await stage.soonLogged("a folder is watched again", "crops")
                    try await stage.saveAndSee("bruno.png", as: "above.png")
                    // The same name in both folders.
                    try await stage.saveAndSee("chen.png", as: "below.png")
                }
                try await stage.soonLogged("a folder is watched again", "crops", occurrences: 2)
                try await stage.saveAndSee("dilek.png", as: "last.png")
                try await stage.isWell()
                let uploaded = ["below.png", "above.png", "below.png", "last.png"].map { "uploaded \($0)" }
                #expect(try await stage.agent.changes(.uploaded) == uploaded)
                try await stage.restartAgent()
                try await stage.saveAndSee("hana.jpg", as: "later.jpg")
                #expect(try await stage.agent.changes(.uploaded) == uploaded + ["uploaded later.jpg"])
            }
        }

        @Test(
            "a crop that waits for the server when another folder is bound over its own goes up when its folder is back"
        )
        func waitingCrop() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await stage.agent.client.pause("up")
                try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("waiting.png"))
                try await within(patience, "the crop on its way") {
                    while try await stage.agent.client.status().uploads == 0 {
                        _ = try await stage.agent.client.changes()
                    }
                }
                let other = stage.agent.home + "/other"
                try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
                try await mounted(["--bind", other], over: stage.agent.crops, stage) {
                    try await stage.soonLogged("a folder is watched again", "crops")
                    try await stage.agent.client.resume("up")
                    try await stage.saveAndSee("bruno.png", as: "above.png")
                }
                try await stage.agent.change(.uploaded, of: "waiting.png")
                try await stage.isWell()
            }
        }

        @Test("one that takes no writes mounted over the cache: labels wait, and have their pictures when it is gone")
        func cacheWithoutWrites() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("goran.jpg")
                try stage.server.place(bytes, "goran.jpg", for: stage.ada)
                try await stage.startAgent()
                try await stage.agent.fetch(["goran.jpg"])
                try await mounted(["-t", "tmpfs", "-o", "ro", "tmpfs"], over: stage.agent.cache, stage) {
                    try await stage.soonLogged("a folder is not watched", "Read-only file system")
                    let avatar = try await stage.agent.client.get("goran.jpg")
                    #expect(avatar.state == .pending && avatar.path == nil, "\(avatar)")
                    try await stage.saveAndSee("ada.png", as: "mine.png")
                }
                #expect(try await stage.agent.finalState("goran.jpg") == .ready)
                #expect(sha256(ofFile: stage.agent.cached("goran.jpg")) == sha256(bytes))
                try await stage.soonLogged("a folder is watched again", "cache")
                try await stage.isWell()
            }
        }

        @Test("a file system mounted over the cache, and unmounted: labels get paths that are there")
        func cache() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("goran.jpg")
                try stage.server.place(bytes, "goran.jpg", for: stage.ada)
                try await stage.startAgent()
                try await stage.agent.fetch(["goran.jpg"])
                try await mounted(["-t", "tmpfs", "tmpfs"], over: stage.agent.cache, stage) {
                    try await stage.soonLogged("a folder is watched again", "cache")
                    #expect(try await stage.agent.finalState("goran.jpg") == .ready)
                    #expect(sha256(ofFile: stage.agent.cached("goran.jpg")) == sha256(bytes))
                }
                try await stage.soonLogged("a folder is watched again", "cache", occurrences: 2)
                #expect(try await stage.agent.finalState("goran.jpg") == .ready)
                #expect(sha256(ofFile: stage.agent.cached("goran.jpg")) == sha256(bytes))
                try await stage.isWell()
            }
        }
    }
}
