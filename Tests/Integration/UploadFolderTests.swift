import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// How pictures come into the upload folder, change there and leave it, other than by a program that writes and closes a file.
    @Suite("Files of the upload folder")
    struct UploadFolderFiles {
        private static let temporary: Int32 = 0o20200000

        private func picture(_ seed: Int) throws -> [UInt8] {
            try TestPictures.padded(.png, to: 3000 + seed, seed: UInt8(seed))
        }

        private func control(_ stage: Stage, _ arguments: String...) async throws -> ProgramResult {
            try await Program.run(
                Program.product("avatarctl"),
                [arguments[0], "--socket", stage.agent.client.socketPath]
                    + arguments.dropFirst(), in: stage.folder)
        }

        /// Waits until the server has these bytes under that name and they are the icon.
        private func isIcon(_ stage: Stage, _ name: String, _ bytes: [UInt8], after cursor: Int = 0) async throws {
            try await stage.agent.change(.icon, of: name, after: cursor)
            #expect(sha256(ofFile: stage.server.path(stage.ada, name)) == sha256(bytes))
        }

        /// A file without a name, with these bytes in it.
        private func nameless(_ bytes: [UInt8], in folder: String) throws -> Int32 {
            let descriptor = open(folder, Self.temporary | O_RDWR | O_CLOEXEC, 0o600)
            try #require(descriptor >= 0)
            try #require(Foundation.write(descriptor, bytes, bytes.count) == bytes.count)
            return descriptor
        }

        private func link(_ descriptor: Int32, to path: String) {
            #expect(linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        }

        private func problems(_ stage: Stage, of name: String) async throws -> [String] {
            try await stage.agent.client.status().problems.map(\.what).filter { $0.contains(name) }
        }

        /// Waits until Status tells of the name, or tells of it no more.
        private func untilProblem(_ stage: Stage, of name: String, is expected: Bool) async throws {
            try await within(patience, "a problem of \(name): \(expected)") {
                while try await problems(stage, of: name).isEmpty == expected {
                    // Status is no stream: nothing tells when it changes.
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }

        @Test("a link to a whole file, link-and-remove, and a nameless file that is given its name: each is uploaded")
        func links() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let outside = stage.folder.file("outside.png")
                try write(try picture(1), to: outside)
                #expect(Foundation.link(outside, stage.agent.crop("linked.png")) == 0)
                try await isIcon(stage, "linked.png", try picture(1))

                try write(try picture(2), to: stage.folder.file("moved.png"))
                #expect(Foundation.link(stage.folder.file("moved.png"), stage.agent.crop("moved.png")) == 0)
                #expect(unlink(stage.folder.file("moved.png")) == 0)
                try await isIcon(stage, "moved.png", try picture(2))

                let descriptor = try nameless(try picture(3), in: stage.agent.crops)
                let reopened = open("/proc/self/fd/\(descriptor)", O_RDONLY | O_CLOEXEC)
                // The name comes when no writer has the file any more: nothing is closed after it.
                #expect(reopened >= 0)
                close(descriptor)
                link(reopened, to: stage.agent.crop("named.png"))
                try await isIcon(stage, "named.png", try picture(3))
                close(reopened)
                #expect(try await stage.agent.changes(.uploaded).count == 3)
            }
        }

        @Test(
            "a link whose writer has the file open still: looked at when the writer is done", arguments: [true, false])
        func linkWithWriter(isNameless: Bool) async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let whole = try picture(4)
                let descriptor: Int32
                if isNameless {
                    descriptor = try nameless(Array(whole[..<1000]), in: stage.agent.crops)
                    link(descriptor, to: stage.agent.crop("late.png"))
                } else {
                    let outside = stage.folder.file("outside.png")
                    try write(Array(whole[..<1000]), to: outside)
                    descriptor = open(outside, O_WRONLY | O_APPEND | O_CLOEXEC)
                    #expect(Foundation.link(outside, stage.agent.crop("late.png")) == 0)
                }
                // The agent has looked at the link by the time that it has uploaded what came after it.
                try write(try picture(5), to: stage.agent.crop("other.png"))
                try await isIcon(stage, "other.png", try picture(5))
                #expect(Foundation.write(descriptor, Array(whole[1000...]), whole.count - 1000) == whole.count - 1000)
                close(descriptor)
                try await isIcon(stage, "late.png", whole)
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("other bytes through a hard link from outside, or by truncate(2): doctor says so, and sync finds them")
        func fromOutside() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let path = stage.agent.crop("linked.png")
                try write(try picture(1), to: path)
                try await isIcon(stage, "linked.png", try picture(1))
                #expect(Foundation.link(path, stage.folder.file("outside.png")) == 0)
                let descriptor = open(stage.folder.file("outside.png"), O_WRONLY | O_TRUNC | O_CLOEXEC)
                let other = try picture(2)
                #expect(Foundation.write(descriptor, other, other.count) == other.count)
                close(descriptor)
                let cursor = try await stage.agent.cursor()
                let doctor = try await control(stage, "doctor")
                #expect(doctor.status == 1)
                #expect(doctor.output.contains("linked.png is not the file that was looked at"), "\(doctor)")
                let sync = try await control(stage, "sync")
                #expect(sync.status == 0, "\(sync)")
                try await isIcon(stage, "linked.png", other, after: cursor)
                #expect(try await control(stage, "doctor").status == 0)

                #expect(truncate(path, 100) == 0)
                #expect(try await control(stage, "doctor").status == 1)
                let cut = try await control(stage, "sync")
                #expect(cut.status == 1 && !cut.output.contains("nothing else is missing"), "\(cut)")
                #expect(cut.output.contains("linked.png is not uploaded"), "\(cut)")
            }
        }

        @Test("a crop that may not be read: told, tried again at its chmod, and never called well by sync")
        func modes() async throws {
            try await Stage.run { stage in
                let unprivileged = ["/usr/bin/setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
                try await stage.startAgent(through: unprivileged)
                let outside = stage.folder.file("outside.png")
                try write(try picture(1), to: outside)
                chmod(outside, 0)
                #expect(rename(outside, stage.agent.crop("closed.png")) == 0)
                try await untilProblem(stage, of: "closed.png", is: true)
                let sync = try await control(stage, "sync")
                #expect(sync.status == 1 && !sync.output.contains("nothing else is missing"), "\(sync)")
                #expect(sync.output.contains("closed.png is not uploaded"), "\(sync)")
                chmod(stage.agent.crop("closed.png"), 0o600)
                try await isIcon(stage, "closed.png", try picture(1))
                #expect(try await problems(stage, of: "closed.png").isEmpty)
                #expect(try await control(stage, "sync").status == 0)
            }
        }

        @Test("hidden and unfinished files are nobody's business, until they are given a good name")
        func leftovers() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                let names = [
                    ".goutputstream-A1B2C3", ".hidden.png", "copy.png~", "copy.PNG.BAK", "a.tmp", "a.part", "a.partial",
                    "a.crdownload", "a.download", "a.filepart", "a.swp", "a.kate-swp",
                ]
                for (seed, name) in names.enumerated() { try write(try picture(seed), to: stage.agent.crop(name)) }
                for name in [".goutputstream-A1B2C3", "a.crdownload"] {
                    let (bytes, good) = (contents(stage.agent.crop(name)) ?? [], "good\(name).png")
                    let cursor = try await stage.agent.cursor()
                    #expect(rename(stage.agent.crop(name), stage.agent.crop(good)) == 0)
                    try await isIcon(stage, good, bytes, after: cursor)
                }
                #expect(try await stage.agent.changes(.uploaded).count == 2)
                #expect(try await stage.agent.client.status().problems.isEmpty)
                #expect(try await control(stage, "doctor").status == 0)
                try await stage.restartAgent()
                #expect(try await control(stage, "sync").status == 0)
                #expect(try await stage.agent.changes(.uploaded).count == 2)
                #expect(program.log.lines(with: ".hidden.png").isEmpty)
            }
        }

        @Test("upload.ignore: other patterns, none, and one that makes no sense")
        func patterns() async throws {
            try await Stage.run { stage in
                try await stage.startAgent(["--upload-ignore", "draft-*, *.old"])
                try write(try picture(1), to: stage.agent.crop("Draft-1.png"))
                try write(try picture(2), to: stage.agent.crop("copy.bak"))
                try await isIcon(stage, "copy.bak", try picture(2))
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded copy.bak"])
                _ = try await stage.agent.program.terminate()
                let program = try stage.agent.launch(["--upload-ignore", "*"])
                #expect(try await program.ended.wait("its end").status != 0)
                #expect(!program.log.lines(with: "upload.ignore").isEmpty)
            }
        }

        @Test(
            "a symlink, a folder, a FIFO and a name that no avatar may have: each has its line, for as long as it lies there"
        )
        func irregular() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let bad = "line\u{1}.png"
                try write(try picture(1), to: stage.folder.file("target.png"))
                #expect(symlink(stage.folder.file("target.png"), stage.agent.crop("link.png")) == 0)
                #expect(mkdir(stage.agent.crop("folder"), 0o700) == 0)
                #expect(mkfifo(stage.agent.crop("fifo.png"), 0o600) == 0)
                try write(try picture(2), to: stage.agent.crop(bad))
                for name in ["link.png", "folder", "fifo.png", bad] {
                    try await untilProblem(stage, of: name, is: true)
                }
                let sync = try await control(stage, "sync")
                #expect(sync.status == 1 && sync.lines.count == 4, "\(sync)")
                #expect(rmdir(stage.agent.crop("folder")) == 0)
                for name in ["link.png", "fifo.png", bad] { #expect(unlink(stage.agent.crop(name)) == 0) }
                for name in ["link.png", "folder", "fifo.png", bad] {
                    try await untilProblem(stage, of: name, is: false)
                }
                #expect(try await control(stage, "sync").status == 0)
            }
        }

        @Test("renaming an old crop is tidying, also while the agent is off; saving it again is a new avatar")
        func renames() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                for (seed, name) in ["old.png", "new.png"].enumerated() {
                    try write(try picture(seed), to: stage.agent.crop(name))
                    try await stage.agent.change(.icon, of: name)
                }
                #expect(rename(stage.agent.crop("old.png"), stage.agent.crop("tidy.png")) == 0)
                #expect(try await control(stage, "sync").status == 0)
                _ = try await stage.agent.program.terminate()
                #expect(rename(stage.agent.crop("tidy.png"), stage.agent.crop("tidier.png")) == 0)
                try await stage.startAgent()
                #expect(try await control(stage, "sync").status == 0)
                #expect(try await stage.agent.changes(.icon) == ["icon old.png", "icon new.png"])
                try write(try picture(7), to: stage.agent.crop("tidier.png"))
                try await isIcon(stage, "tidier.png", try picture(7))
            }
        }

        @Test("the same picture put there again after another, by writing, by a move or by a copy, is the avatar again")
        func again() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let (first, second) = (try picture(1), try picture(2))
                try write(first, to: stage.agent.crop("a.png"))
                try await stage.agent.change(.icon, of: "a.png")
                for turn in 0..<3 {
                    try write(second, to: stage.agent.crop("b\(turn).png"))
                    try await stage.agent.change(.icon, of: "b\(turn).png")
                    let cursor = try await stage.agent.cursor()
                    switch turn {
                    case 0:
                        try write(first, to: stage.agent.crop("a.png"))
                        try await stage.agent.change(.icon, of: "a.png", after: cursor)
                    case 1:
                        try write(first, to: stage.folder.file("a.png"))
                        #expect(rename(stage.folder.file("a.png"), stage.agent.crop("a.png")) == 0)
                        try await stage.agent.change(.icon, of: "a.png", after: cursor)
                    default:
                        try write(first, to: stage.agent.crop("copy.png"))
                        try await stage.agent.change(.icon, of: "copy.png", after: cursor)
                    }
                }
                // As the icon it is the avatar already.
                let before = try await stage.agent.changes(.uploaded)
                try write(first, to: stage.agent.crop("copy.png"))
                #expect(try await control(stage, "sync").status == 0)
                #expect(try await stage.agent.changes(.uploaded) == before)
            }
        }

        @Test(
            "cp -p over a file that has the same bytes and times makes it the avatar again", arguments: [false, true])
        func copiedWithItsTimes(isShared: Bool) async throws {
            try await Stage.run { stage in
                let folder = isShared ? stage.agent.cache : stage.agent.crops
                try await stage.startAgent(isShared ? ["--upload-directory", folder] : [])
                _ = try await stage.agent.cursor()
                let old = stage.folder.file("old.png")
                try write(try picture(1), to: old)
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSince1970: 1_000_000_000)], ofItemAtPath: old)
                var cursor = 0
                for turn in 0..<5 {
                    try await stage.run("cp", "-p", old, folder + "/a.png")
                    try await isIcon(stage, "a.png", try picture(1), after: cursor)
                    try write(try picture(2), to: folder + "/b\(turn).png")
                    try await isIcon(stage, "b\(turn).png", try picture(2))
                    cursor = try await stage.agent.cursor()
                }
            }
        }

        @Test("while the agent was off: other bytes with the mtime put back, and an old mtime on what was saved last")
        func off() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let path = stage.agent.crop("same.png")
                try write(try TestPictures.padded(.png, to: 3000, seed: 1), to: path)
                try await stage.agent.change(.icon, of: "same.png")
                _ = try await stage.agent.program.terminate()
                let other = try TestPictures.padded(.png, to: 3000, seed: 2)
                let descriptor = open(path, O_WRONLY | O_CLOEXEC)
                var facts = stat()
                #expect(fstat(descriptor, &facts) == 0)
                #expect(Foundation.write(descriptor, other, other.count) == other.count)
                #expect(futimens(descriptor, [facts.st_atim, facts.st_mtim]) == 0)
                close(descriptor)
                // The clock of file times has a grain; within it nothing tells which file came last.
                var later = stat()
                repeat {
                    try write(try picture(3), to: stage.agent.crop("last.png"))
                    #expect(stat(path, &facts) == 0 && stat(stage.agent.crop("last.png"), &later) == 0)
                } while (later.st_ctim.tv_sec, later.st_ctim.tv_nsec) <= (facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec)
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSince1970: 1_000_000_000)],
                    ofItemAtPath: stage.agent.crop("last.png"))
                try await stage.startAgent()
                try await isIcon(stage, "last.png", try picture(3))
                #expect(sha256(ofFile: stage.server.path(stage.ada, "same.png")) == sha256(other))
            }
        }
    }
}
