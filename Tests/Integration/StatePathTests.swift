import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import PosixFiles
import TestMounts
import TestPictures
import Testing

extension RealPrograms {
    /// The socket, the state folder, the lock or the catalog is taken away under the agent.
    @Suite("The agent's own files are taken away")
    struct StatePaths {
        /// Where the agent's socket lies.
        private func runtime(_ stage: Stage) -> String { stage.agent.home + "/run/avatard" }

        @Test("the bus's socket removed: clients find the agent again, and those that are connected notice nothing")
        func socket() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let client = stage.agent.client
                try await within(patience, "a change on a stream from before") {
                    var isTold = false
                    for try await reply in try await client.watch() {
                        if reply.changes.contains(where: { $0.kind == .icon }) { return }
                        guard !isTold else { continue }
                        isTold = true
                        for round in 1...2 {
                            unlink(client.socketPath)
                            try await stage.soonLogged("the bus's socket was gone and is made anew", occurrences: round)
                            _ = try await client.status()
                        }
                        try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("crop.png"))
                    }
                }
                try await stage.isWell()
                _ = try await stage.agent.program.terminate()
                #expect(
                    !FileManager.default.fileExists(atPath: client.socketPath), "the new one is unlinked in the end")
            }
        }

        @Test("the runtime folder removed, at once or by a rename of the one above: the socket is there again")
        func runtimeFolder() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try FileManager.default.removeItem(atPath: runtime(stage))
                try await stage.soonLogged("the bus's socket was gone and is made anew")
                try await stage.isWell()
                let above = stage.agent.home + "/run"
                try FileManager.default.moveItem(atPath: above, toPath: above + "-old")
                try await stage.soonLogged("the bus's socket is gone")
                try FileManager.default.createDirectory(atPath: above, withIntermediateDirectories: true)
                try await stage.soonLogged("the bus's socket was gone and is made anew", occurrences: 2)
                try await stage.isWell()
            }
        }

        @Test("the folder above the runtime folder removed with all in it: made anew, with the socket")
        func removedAbove() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                for round in 1...2 {
                    try FileManager.default.removeItem(atPath: stage.agent.home + "/run")
                    try await stage.soonLogged("the bus's socket was gone and is made anew", occurrences: round)
                    try await stage.isWell()
                }
            }
        }

        @Test("a socket that another program serves is never taken away; when it is gone the agent's own is made")
        func foreignSocket() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let path = stage.agent.client.socketPath
                try await stage.run("mv", path, path + ".old")
                try await stage.soonLogged("the bus's socket was gone and is made anew")
                // Another program puts its own in place in one step.
                let other = try UnixSocket.listen(path + ".other", backlog: 1)
                try await stage.run("mv", path + ".other", path)
                try await stage.soonLogged("the bus's socket is gone", "another agent answers")
                #expect(try UnixSocket.probe(path) == .answered)
                _ = consume other
                unlink(path)
                try await stage.soonLogged("the bus's socket was gone and is made anew", occurrences: 2)
                // The file may have the inode that has just become free: that the agent answers there shows whose socket it is.
                try await stage.isWell()
            }
        }

        @Test(
            "the state folder, the catalog, its journal or the lock removed: made anew from what is held, said in the log, and nothing is lost",
            arguments: ["", "/catalog.sqlite", "/catalog.sqlite-wal", "/lock", "/default-head.png"])
        func state(removed: String) async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await stage.saveAndSee("ada.png", as: "before.png")
                let epoch = try await stage.agent.client.changes().epoch
                try FileManager.default.removeItem(atPath: stage.agent.state + removed)
                try await stage.soonLogged("the state was gone and is made anew", stage.agent.state)
                try await stage.saveAndSee("bruno.png", as: "after.png")
                try await stage.isWell()
                // Neither the death of the agent nor its start shows that anything was gone.
                try await stage.agent.program.killNow()
                try await stage.startAgent()
                try await stage.saveAndSee("chen.png", as: "last.png")
                #expect(
                    try await stage.agent.changes(.uploaded)
                        == ["uploaded before.png", "uploaded after.png", "uploaded last.png"])
                #expect(try await stage.agent.client.changes().epoch == epoch)
                let unknown = try await stage.agent.client.get("before.png")
                #expect(unknown.state == .ready)
                try await stage.isWell()
            }
        }

        @Test("a login over the bus that was kept in the state folder is kept in the new one")
        func keptLogin() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                let token = try String(contentsOfFile: stage.ada.tokenFile, encoding: .utf8)
                try await stage.agent.client.login(
                    server: Server(host: "127.0.0.1", port: stage.wire.port), uid: Int(stage.ada.uid),
                    token: token.trimmingCharacters(in: .whitespacesAndNewlines))
                try FileManager.default.removeItem(atPath: stage.agent.state)
                try await stage.soonLogged("the state was gone and is made anew")
                _ = try await stage.agent.program.terminate()
                try await stage.agent.start([])
                try await stage.saveAndSee("ada.png", as: "mine.png")
            }
        }

        @Test("the state folder renamed away: it is made anew, and the agent goes on with it")
        func stateRenamed() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try await stage.saveAndSee("ada.png", as: "before.png")
                try FileManager.default.moveItem(atPath: stage.agent.state, toPath: stage.agent.state + ".old")
                try await stage.soonLogged("the state was gone and is made anew")
                try await stage.saveAndSee("bruno.png", as: "after.png")
                try await stage.restartAgent()
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded before.png", "uploaded after.png"])
            }
        }

        @Test(
            "another catalog in the place of the agent's own: the agent ends with words and status 75, and a start takes that one"
        )
        func foreignCatalog() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let aside = stage.agent.state + ".other"
                try FileManager.default.copyItem(atPath: stage.agent.state, toPath: aside)
                try await stage.run(
                    "python3", "-c", "import os, sys; os.rename(sys.argv[1], sys.argv[2])",
                    aside + "/catalog.sqlite", stage.agent.catalog)
                let program = try stage.agent.program
                let ending = try await program.ended.wait("its end", atMost: soon)
                #expect(ending == RunningProgram.Ending(status: 75, wasSignalled: false))
                try await program.log.line(with: "avatard: another catalog lies in the state folder")
                try await stage.startAgent()
                try await stage.isWell()
            }
        }

        @Test(
            "a second agent is refused in words: on the same state, on the same cache, and after the lock was removed")
        func second() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let second = try AgentProgram("b", in: stage.folder)
                func isRefused(_ arguments: [String], _ words: String) async throws {
                    let program = try second.launch(arguments)
                    let ending = try await program.ended.wait("the second agent's end")
                    #expect(ending.status == 1)
                    try await program.log.line(with: "another agent", words)
                }
                try await isRefused(["--state-directory", stage.agent.state], stage.agent.state)
                try await isRefused(["--cache-directory", stage.agent.cache], stage.agent.cache)
                unlink(stage.agent.state + "/lock")
                try await isRefused(
                    ["--state-directory", stage.agent.state, "--cache-directory", stage.agent.cache], "another agent")
                try FileManager.default.removeItem(atPath: stage.agent.state)
                try await isRefused(
                    ["--state-directory", stage.agent.state, "--cache-directory", stage.agent.cache], "another agent")
                try await stage.soonLogged("the state was gone and is made anew")
                try await stage.saveAndSee("ada.png", as: "mine.png")
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded mine.png"])
            }
        }
    }

    /// The disk of the catalog fills up, and that of the pictures does not.
    @Suite("A full disk under the state folder", .enabled(if: TmpfsMount.isPermitted, "mounting needs root"))
    struct FullState {
        @Test("the file system that is full is named, with what is needed; with room everything goes on")
        func full() async throws {
            try await Stage.run { stage in
                try FileManager.default.createDirectory(
                    atPath: stage.agent.state, withIntermediateDirectories: true)
                try await stage.run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", stage.agent.state)
                do {
                    try await fill(stage)
                } catch {
                    Issue.record(error)
                }
                try? await stage.agent.program.killNow()
                try await stage.run("umount", stage.agent.state)
            }
        }

        private func fill(_ stage: Stage) async throws {
            try await stage.startAgent()
            let filler = stage.agent.state + "/filler"
            _ = try await Program.run(
                "/usr/bin/env", ["dd", "if=/dev/zero", "of=" + filler, "bs=64k"], in: stage.folder)
            for number in 0..<40 {
                try write(
                    try TestPictures.padded(.png, to: 3000, seed: UInt8(number)),
                    to: stage.agent.crop("crop-\(number).png"))
            }
            try await stage.agent.program.log.line(with: "transfers wait for the disk", stage.agent.state)
            let problems = try await stage.agent.client.status().problems
            #expect(
                problems.contains {
                    $0.what.contains("the disk is full: that of the state folder \(stage.agent.state)")
                        && $0.remedy?.contains("the catalog needs") == true
                }, "\(problems)")
            try FileManager.default.removeItem(atPath: filler)
            try await stage.agent.change(.icon, of: "crop-39.png")
            try await stage.isWell()
        }
    }
}
