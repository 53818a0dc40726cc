import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// What happened while the agent did not run is found at its start.
    @Suite("What changed while the agent was down")
    struct WhileDown {
        /// Ada's agent with an uploaded crop "mine.png" and a fetched picture "theirs.jpg", ended.
        private func withHistory(
            _ body: (Stage, _ mine: [UInt8], _ theirs: [UInt8], _ cursor: Int) async throws -> Void
        ) async throws {
            try await Stage.run { stage in
                let mine = try TestPictures.picture("bruno.png")
                let theirs = try TestPictures.picture("emeka.jpg")
                try stage.server.place(theirs, "theirs.jpg", for: stage.ada)
                try await stage.startAgent()
                try await stage.agent.fetch(["theirs.jpg"])
                try write(mine, to: stage.agent.crop("mine.png"))
                try await stage.agent.change(.ready, of: "mine.png")
                let cursor = try await stage.agent.cursor()
                _ = try await stage.agent.program.terminate()
                try await body(stage, mine, theirs, cursor)
            }
        }

        @Test("a new crop, a replaced one and a renamed one are uploaded, the oldest first; what did not change is not")
        func crops() async throws {
            try await withHistory { stage, _, _, cursor in
                let replaced = try TestPictures.picture("ada.png")
                let renamed = try TestPictures.picture("hana.jpg")
                try write(replaced, to: stage.agent.crop("mine.png"))
                try writeByRename(renamed, to: stage.agent.crop("renamed.jpg"))
                try setTime(stage.agent.crop("mine.png"), 1_700_000_000)
                try setTime(stage.agent.crop("renamed.jpg"), 1_700_000_100)
                try await stage.startAgent()
                try await stage.agent.change(.icon, of: "renamed.jpg")
                // The icon is told when the server has it; the copies in the cache come after that.
                try await stage.agent.change(.changed, of: "mine.png", after: cursor)
                #expect(sha256(ofFile: stage.server.path(stage.ada, "mine.png")) == sha256(replaced))
                #expect(sha256(ofFile: stage.agent.cached("mine.png")) == sha256(replaced))
                #expect(sha256(ofFile: stage.server.path(stage.ada, "renamed.jpg")) == sha256(renamed))
                #expect(
                    try await stage.agent.changes(.uploaded)
                        == ["uploaded mine.png", "uploaded mine.png", "uploaded renamed.jpg"])
                let before = stage.wire.passed(.up)
                try await stage.restartAgent()
                try await stage.agent.fetch(["mine.png"])
                #expect(stage.wire.passed(.up) - before < 500)
            }
        }

        @Test("a boot that was not clean: every picture is read again, and a damaged one is fetched again")
        func audit() async throws {
            try await withHistory { stage, mine, theirs, cursor in
                // Inode, size and time stay; only reading tells. The catalog believes to be from an earlier boot.
                let damage = try await Program.run(
                    "/usr/bin/env",
                    [
                        "python3", "-c",
                        """
                        import os, sqlite3, sys
                        path, catalog = sys.argv[1:]
                        facts = os.stat(path)
                        with open(path, "r+b") as file:
                            file.seek(-1000, os.SEEK_END)
                            file.write(bytes(1000))
                        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
                        with sqlite3.connect(catalog) as settings:
                            settings.execute("UPDATE settings SET value = 'another' WHERE key = 'boot_id'")
                            settings.execute("UPDATE settings SET value = '0' WHERE key = 'clean'")
                        """,
                        stage.agent.cached("theirs.jpg"), stage.agent.catalog,
                    ], in: stage.folder)
                #expect(damage.status == 0, "\(damage.errors)")
                let program = try await stage.startAgent()
                try await program.log.line(with: "every picture is read again")
                try await stage.agent.change(.removed, of: "theirs.jpg", after: cursor)
                try await stage.agent.fetch(["theirs.jpg"])
                #expect(sha256(ofFile: stage.agent.cached("theirs.jpg")) == sha256(theirs))
                #expect(sha256(ofFile: stage.agent.cached("mine.png")) == sha256(mine))
                #expect(try await stage.agent.changes(.removed, after: cursor) == ["removed theirs.jpg"])
                _ = try await program.terminate()
                let again = try await stage.startAgent()
                try await stage.agent.fetch(["theirs.jpg"])
                #expect(again.log.lines(with: "every picture is read again").isEmpty)
            }
        }

        @Test("what was absent before a restart is asked for again soon after it, or at once under another token")
        func refusal() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                for name in ["late.png", "later.png"] { #expect(try await stage.agent.finalState(name) == .absent) }
                _ = try await stage.agent.program.terminate()
                for user in [stage.ada, stage.bob] {
                    for name in ["late.png", "later.png"] {
                        try stage.server.place(try TestPictures.picture("ada.png"), name, for: user)
                    }
                }
                try await stage.startAgent()
                try await shown("late.png", stage)
                _ = try await stage.agent.program.terminate()
                try await stage.agent.start(stage.bob, port: stage.wire.port)
                #expect(try await stage.agent.finalState("later.png") == .ready)
            }
        }

        @Test("a label that asks before the friend's upload has ended shows the picture within seconds after it")
        func askedTooSoon() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await shown("soon.png", stage) {
                    try stage.server.place(try TestPictures.picture("ada.png"), "soon.png", for: stage.ada)
                }
                #expect(sha256(ofFile: stage.agent.cached("soon.png")) == sha256(try TestPictures.picture("ada.png")))
            }
        }

        @Test("a folder in the place of a picture: the picture comes when the folder is removed")
        func folderInTheWay() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let path = stage.agent.cached("taken.png")
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
                try stage.server.place(try TestPictures.picture("ada.png"), "taken.png", for: stage.ada)
                try await shown("taken.png", stage) { try FileManager.default.removeItem(atPath: path) }
                #expect(sha256(ofFile: path) == sha256(try TestPictures.picture("ada.png")))
            }
        }

        @Test("a folder in the place of a picture that is removed while the agent is off: the picture comes at once")
        func folderInTheWayGoesMeanwhile() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let path = stage.agent.cached("taken.png")
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
                try stage.server.place(try TestPictures.picture("ada.png"), "taken.png", for: stage.ada)
                #expect(try await stage.agent.finalState("taken.png") == .failed)
                _ = try await stage.agent.program.terminate()
                try FileManager.default.removeItem(atPath: path)
                try await stage.startAgent()
                #expect(try await stage.agent.finalState("taken.png") == .ready)
            }
        }

        /// Keeps a label for the picture until it is ready; `onRefusal` runs once, when the label is told that it is not to be had.
        private func shown(_ name: String, _ stage: Stage, onRefusal: @escaping @Sendable () throws -> Void = {})
            async throws
        {
            try await within(.seconds(10), "the picture \(name)") {
                var isRefused = false
                for try await reply in try await stage.agent.client.register(
                    [LabelRequest(label: name, name: name)], keep: true)
                {
                    for state in reply.labels {
                        if state.avatar.state == .ready { return }
                        guard state.avatar.state == .absent || state.avatar.state == .failed, !isRefused else {
                            continue
                        }
                        isRefused = true
                        try onRefusal()
                    }
                }
            }
        }

        private func setTime(_ path: String, _ seconds: Double) throws {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: seconds)], ofItemAtPath: path)
        }

        @Test("the user's own avatar, deleted from the cache, is fetched again; what nobody wants stays away")
        func deleted() async throws {
            try await withHistory { stage, mine, _, cursor in
                try FileManager.default.removeItem(atPath: stage.agent.cached("mine.png"))
                try FileManager.default.removeItem(atPath: stage.agent.cached("theirs.jpg"))
                try await stage.startAgent()
                try await stage.agent.change(.ready, of: "mine.png", after: cursor)
                #expect(sha256(ofFile: stage.agent.cached("mine.png")) == sha256(mine))
                #expect(try visibleNames(in: stage.agent.cache) == ["mine.png"])
                let client = stage.agent.client
                // A label that comes now wants it.
                let state = try await within(patience, "theirs.jpg") {
                    var last: AvatarState?
                    for try await reply in try await client.register([LabelRequest(label: "l", name: "theirs.jpg")]) {
                        last = reply.labels.last?.avatar.state ?? last
                    }
                    return last
                }
                #expect(state == .ready)
            }
        }

        @Test("a crop that waits is sent although its disk has another number after the boot")
        func renumberedDisk() async throws {
            try await Stage.run { stage in
                try await stage.server.program.killNow()
                let program = try await stage.startAgent()
                let mine = try TestPictures.picture("bruno.png")
                try write(mine, to: stage.agent.crop("mine.png"))
                try await program.log.line(with: "new crop", "mine.png")
                _ = try await program.terminate()
                let renumbered = try await Program.run(
                    "/usr/bin/env",
                    [
                        "python3", "-c",
                        "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as catalog: "
                            + "catalog.execute('UPDATE crops SET device = device + 1')",
                        stage.agent.catalog,
                    ], in: stage.folder)
                #expect(renumbered.status == 0, "\(renumbered.errors)")
                try await stage.server.start()
                try await stage.startAgent()
                try await stage.agent.change(.icon, of: "mine.png")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "mine.png")) == sha256(mine))
            }
        }

        @Test("a home that was copied: new inodes and times, the same pictures; no label loses its own")
        func copied() async throws {
            try await withHistory { stage, _, theirs, cursor in
                try await stage.server.program.killNow()
                let path = stage.agent.cached("theirs.jpg")
                try FileManager.default.removeItem(atPath: path)
                try write(theirs, to: path)
                try await stage.startAgent()
                #expect(try await stage.agent.finalState("theirs.jpg") == .ready)
                #expect(try await stage.agent.changes(.removed, after: cursor) == [])
            }
        }

        /// How a catalog is lost.
        enum Loss: String, CaseIterable, CustomTestStringConvertible {
            case deleted
            case damaged
            var testDescription: String { rawValue }
        }

        @Test(
            "without its catalog the folders are a baseline: nothing is sent or fetched twice, and that is said once",
            arguments: Loss.allCases)
        func lostCatalog(loss: Loss) async throws {
            try await withHistory { stage, mine, theirs, _ in
                for suffix in ["-wal", "-shm"] {
                    try? FileManager.default.removeItem(atPath: stage.agent.catalog + suffix)
                }
                switch loss {
                case .deleted: try FileManager.default.removeItem(atPath: stage.agent.catalog)
                case .damaged: try write([UInt8](repeating: 0x5a, count: 20_000), to: stage.agent.catalog)
                }
                // A crop that came meanwhile is part of the baseline as well: nothing tells it from the others.
                try write(try TestPictures.picture("chen.png"), to: stage.agent.crop("meanwhile.png"))
                let up = stage.wire.passed(.up)
                let program = try await stage.startAgent()
                try await stage.agent.fetch(["mine.png", "theirs.jpg"])
                let said = try await stage.agent.client.status().problems.filter { $0.what.contains("catalog") }
                #expect(said.count == 1, "\(said)")
                #expect(said.first?.remedy?.contains("avatarctl upload") == true, "\(said)")
                if loss == .damaged { #expect(program.log.lines(with: "catalog was damaged").count == 1) }
                #expect(try await stage.agent.client.get("theirs.jpg").sha256 == sha256(theirs))
                #expect(try await stage.agent.client.get("mine.png").sha256 == sha256(mine))
                #expect(stage.wire.passed(.up) - up < 500)
                #expect(!FileManager.default.fileExists(atPath: stage.server.path(stage.ada, "meanwhile.png")))
                // From here on all is as ever.
                try write(try TestPictures.picture("dilek.png"), to: stage.agent.crop("later.png"))
                try await stage.agent.change(.icon, of: "later.png")
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded later.png"])
                try await stage.restartAgent()
                try await stage.agent.fetch(["theirs.jpg"])
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }
    }
}
