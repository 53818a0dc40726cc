import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import NIOCore
import TestMounts
import TestPictures
import Testing

extension RealPrograms {
    /// What a desktop does to folders, with the real inotify.
    @Suite("Folders")
    struct Folders {
        @Test("stopped while more events come than the kernel keeps, then continued: every crop is uploaded, once")
        func overflow() async throws {
            try await Stage.run { stage in
                let limit = contents("/proc/sys/fs/inotify/max_queued_events").flatMap {
                    Int(String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
                }
                let program = try await stage.startAgent()
                program.signal(SIGSTOP)
                let names = (1...12).map { "crop-\($0).png" }
                for (number, name) in names.enumerated() {
                    // In the middle of the crops the queue fills up. Two names by turns: equal events in a row are one.
                    if number == 6 {
                        for turn in 0..<(limit ?? 16_384) + 100 {
                            let descriptor = open(
                                stage.agent.crop("touched-\(turn % 2).txt"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                            try #require(descriptor >= 0)
                            close(descriptor)
                        }
                    }
                    try write(try TestPictures.padded(.png, to: 5000, seed: UInt8(number)), to: stage.agent.crop(name))
                    // What the dropped events would have told in order is told by time, and that has a grain of some milliseconds.
                    try FileManager.default.setAttributes(
                        [.modificationDate: Date(timeIntervalSinceNow: Double(number - names.count))],
                        ofItemAtPath: stage.agent.crop(name))
                }
                program.signal(SIGCONT)
                try await stage.agent.change(.icon, of: "crop-12.png")
                let uploaded = try await stage.agent.changes(.uploaded)
                #expect(uploaded.sorted() == names.map { "uploaded \($0)" }.sorted())
                for (number, name) in names.enumerated() {
                    let digest = sha256(try TestPictures.padded(.png, to: 5000, seed: UInt8(number)))
                    #expect(sha256(ofFile: stage.server.path(stage.ada, name)) == digest)
                }
                // A look through the folder may have found the crops before the watch came to what the kernel dropped.
                try await program.log.line(with: "the kernel dropped events")
                let figures = try await stage.agent.client.status().figures
                #expect(figures["watch_overflows"] ?? 0 >= 1, "\(figures)")
            }
        }

        @Test("a writer that takes 3 s over 2 MiB, pausing, closing and opening again: one upload, of the whole")
        func slowWriter() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                let bytes = try TestPictures.padded(.png, to: 2 * 1024 * 1024)
                let path = stage.agent.crop("slow.png")
                let pieces = 10
                for piece in 0..<pieces {
                    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
                    try #require(descriptor >= 0)
                    let part = Array(bytes[bytes.count * piece / pieces..<bytes.count * (piece + 1) / pieces])
                    let half = part.count / 2
                    #expect(Foundation.write(descriptor, Array(part[..<half]), half) == half)
                    // The pace is what is tested: a writer that pauses with the file open, and with the file closed.
                    try await Task.sleep(for: .milliseconds(150))
                    #expect(Foundation.write(descriptor, Array(part[half...]), part.count - half) == part.count - half)
                    close(descriptor)
                    try await Task.sleep(for: .milliseconds(150))
                }
                try await stage.agent.change(.icon, of: "slow.png")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "slow.png")) == sha256(bytes))
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded slow.png"])
                #expect(stage.wire.passed(.up) < bytes.count * 3 / 2)
                #expect(program.log.lines(with: "not uploaded", "slow.png").count <= 1)
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("the upload folder moved away and made anew: said in Status, then watched again")
        func cropsReplaced() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("before.png"))
                try await stage.agent.change(.icon, of: "before.png")
                try FileManager.default.moveItem(atPath: stage.agent.crops, toPath: stage.agent.home + "/elsewhere")
                try await program.log.line(with: "a folder is not watched", "crops")
                #expect(
                    try await stage.agent.client.status().problems.contains {
                        $0.what.contains("the upload folder is not watched")
                    })
                try FileManager.default.createDirectory(atPath: stage.agent.crops, withIntermediateDirectories: true)
                try write(try TestPictures.picture("chen.png"), to: stage.agent.crop("after.png"))
                try await stage.agent.change(.icon, of: "after.png")
                try await program.log.line(with: "a folder is watched again", "crops")
                #expect(try await stage.agent.client.status().problems.isEmpty)
                // What lies in the folder that was moved is nobody's crop any more.
                let moved = stage.agent.home + "/elsewhere/moved.png"
                try write(try TestPictures.picture("dilek.png"), to: moved)
                try write(try TestPictures.picture("bruno.png"), to: stage.agent.crop("last.png"))
                try await stage.agent.change(.icon, of: "last.png")
                #expect(
                    try await stage.agent.changes(.uploaded)
                        == ["uploaded before.png", "uploaded after.png", "uploaded last.png"])
            }
        }

        @Test("the cache folder moved away: what is shown is fetched again into a new one")
        func cacheReplaced() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("li-wei.bmp")
                try stage.server.place(bytes, "li-wei.bmp", for: stage.ada)
                try await stage.startAgent()
                let (client, cache) = (stage.agent.client, stage.agent.cache)
                try await within(patience, "ready twice") {
                    var ready = 0
                    let labels = [LabelRequest(label: "face", name: "li-wei.bmp")]
                    for try await reply in try await client.register(labels, keep: true) {
                        for label in reply.labels where label.avatar.state == .ready {
                            ready += 1
                            if ready == 2 { return }
                            try FileManager.default.moveItem(atPath: cache, toPath: cache + "-elsewhere")
                        }
                    }
                }
                #expect(sha256(ofFile: stage.agent.cached("li-wei.bmp")) == sha256(bytes))
            }
        }

        @Test(
            "the user's inotify watches used up: Status has the line to type, crops are found by looking, and the watch comes back",
            .enabled(if: LimitedWatches.arePossible, "this system gives no user namespace"))
        func watchLimit() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent(through: LimitedWatches.none)
                let problems = try await stage.agent.client.status().problems
                for folder in ["upload", "cache"] {
                    let problem = problems.first { $0.what.contains("the \(folder) folder is not watched") }
                    #expect(
                        problem?.remedy?.hasPrefix("sudo sysctl fs.inotify.max_user_watches=") == true, "\(problems)")
                }
                try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("found.png"))
                try await stage.agent.change(.icon, of: "found.png")
                try await LimitedWatches.lift(for: program, in: stage.folder)
                try await program.log.line(with: "a folder is watched again", "crops")
                try await program.log.line(with: "a folder is watched again", "cache")
                try write(try TestPictures.picture("bruno.png"), to: stage.agent.crop("seen.png"))
                try await stage.agent.change(.icon, of: "seen.png")
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("pictures that lay in the cache folder before the first start are shown as they are, and left alone")
        func beforeTheFirstStart() async throws {
            try await Stage.run { stage in
                let (before, other) = (try TestPictures.picture("bruno.png"), try TestPictures.picture("chen.png"))
                try write(before, to: stage.agent.cached("before.png"))
                try write(Array(before.dropLast(200)), to: stage.agent.cached("broken.png"))
                try stage.server.place(other, "before.png", for: stage.ada)
                try await stage.startAgent(["--cache-bytes-max", "1"])
                for _ in 1...2 {
                    let avatar = try await stage.agent.client.get("before.png")
                    #expect(avatar.state == .ready && avatar.path == stage.agent.cached("before.png"))
                    #expect(try await stage.ctl("fetch", "before.png").status == 0)
                    #expect(sha256(ofFile: stage.agent.cached("before.png")) == sha256(before))
                    #expect(
                        try await stage.agent.client.list().reduce(into: []) { $0.append($1.name) } == ["before.png"])
                    try await stage.restartAgent()
                }
            }
        }

        @Test("eviction never goes through a symlink, nor removes what is not the agent's own")
        func eviction() async throws {
            try await Stage.run { stage in
                let precious = stage.folder.file("precious")
                try FileManager.default.createDirectory(atPath: precious, withIntermediateDirectories: true)
                let photo = precious + "/holiday.png"
                try write(try TestPictures.picture("ada.png"), to: photo)
                let names = (0..<10).map { "p-\($0).png" }
                for (number, name) in names.enumerated() {
                    try stage.server.place(
                        try TestPictures.padded(.png, to: 20_000, seed: UInt8(number)), name, for: stage.ada)
                }
                let program = try await stage.startAgent(["--cache-bytes-max", "100000"])
                try await stage.agent.fetch(["p-0.png"])
                // A folder, a file under a name of its own, and one in the place of a picture of ours, the first to go.
                try FileManager.default.createSymbolicLink(
                    atPath: stage.agent.cached("precious"), withDestinationPath: precious)
                try FileManager.default.createSymbolicLink(
                    atPath: stage.agent.cached("holiday.png"), withDestinationPath: photo)
                let foreign = try TestPictures.picture("bruno.png")
                try write(foreign, to: stage.agent.cached("not-ours.png"))
                try FileManager.default.removeItem(atPath: stage.agent.cached("p-0.png"))
                try FileManager.default.createSymbolicLink(
                    atPath: stage.agent.cached("p-0.png"), withDestinationPath: photo)
                for name in names.dropFirst() { try await stage.agent.fetch([name]) }
                try await stage.agent.change(.removed, of: "p-1.png")
                #expect(sha256(ofFile: photo) == sha256(try TestPictures.picture("ada.png")))
                #expect(sha256(ofFile: stage.agent.cached("not-ours.png")) == sha256(foreign))
                let left = try visibleNames(in: stage.agent.cache)
                #expect(Set(left).isSuperset(of: ["holiday.png", "not-ours.png", "p-0.png", "precious"]), "\(left)")
                // The last one that was wanted is there.
                #expect(left.contains("p-9.png"), "\(left)")
                #expect(try await stage.agent.client.status().bytes <= 100_000)
                _ = try await program.terminate()
            }
        }

        @Test("the folder of parts taken away under the agent is made again, and pictures come")
        func partsTakenAway() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("goran.jpg")
                try stage.server.place(bytes, "goran.jpg", for: stage.ada)
                try await stage.startAgent()
                try FileManager.default.removeItem(atPath: stage.agent.cached(".parts"))
                try await stage.agent.fetch(["goran.jpg"])
                #expect(sha256(ofFile: stage.agent.cached("goran.jpg")) == sha256(bytes))
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("a bound that was lowered while the agent was down holds from its start on")
        func loweredBound() async throws {
            try await Stage.run { stage in
                let names = (0..<6).map { "p-\($0).png" }
                for (number, name) in names.enumerated() {
                    try stage.server.place(
                        try TestPictures.padded(.png, to: 20_000, seed: UInt8(number)), name, for: stage.ada)
                }
                _ = try await stage.startAgent()
                for name in names { try await stage.agent.fetch([name]) }
                _ = try await stage.agent.program.terminate()
                try await stage.startAgent(["--cache-bytes-max", "50000"])
                try await stage.agent.change(.removed, of: "p-3.png")
                #expect(try visibleNames(in: stage.agent.cache) == ["p-4.png", "p-5.png"])
            }
        }

        @Test("how long after its close a crop's first byte goes out (a figure, not a promise)")
        func latency() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                var waits: [Int64] = []
                for number in 0..<21 {
                    let first = Occasion<NIODeadline>()
                    stage.wire.listen { direction, _, at in if direction == .up { first.happen(at) } }
                    let name = "crop-\(number).png"
                    let bytes = try TestPictures.padded(.png, to: 20_000, seed: UInt8(number))
                    let descriptor = open(stage.agent.crop(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                    #expect(Foundation.write(descriptor, bytes, bytes.count) == bytes.count)
                    let closed = NIODeadline.now()
                    close(descriptor)
                    waits.append((try await first.wait("the first byte") - closed).nanoseconds)
                    try await stage.agent.change(.icon, of: name)
                }
                waits.sort()
                print(
                    "close to first byte sent, 21 crops of 20 kB: median \(Double(waits[10]) / 1e6) ms,",
                    "longest \(Double(waits[20]) / 1e6) ms")
            }
        }
    }

    /// inotify's limits are a user's, and a user namespace has its own: so no other program notices (user_namespaces(7)).
    enum LimitedWatches {
        private static let limit = "/proc/sys/user/max_inotify_watches"
        /// Starts a program that gets no watch.
        static let none = [
            "/usr/bin/unshare", "--user", "--map-root-user", "/bin/sh", "-c", "echo 0 > \(limit) && exec \"$0\" \"$@\"",
        ]
        static let arePossible: Bool = {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: none[0])
            process.arguments = Array(none.dropFirst()) + ["/bin/true"]
            process.standardError = FileHandle.nullDevice
            guard (try? process.run()) != nil else { return false }
            process.waitUntilExit()
            return process.terminationStatus == 0
        }()

        static func lift(for program: RunningProgram, in folder: TemporaryFolder) async throws {
            let lifted = try await Program.run(
                "/usr/bin/nsenter",
                [
                    "--user", "--preserve-credentials", "--target", "\(program.pid)", "/bin/sh", "-c",
                    "echo 1000 > \(limit)",
                ], in: folder)
            #expect(lifted.status == 0, "\(lifted.errors)")
        }
    }

    /// A disk that fills up, which takes a file system of its own.
    @Suite("A full disk", .enabled(if: TmpfsMount.isPermitted, "mounting a small tmpfs needs root"))
    struct FullDisk {
        private func mounting(_ arguments: [String], in folder: TemporaryFolder) async throws -> ProgramResult {
            try await Program.run("/usr/bin/env", arguments, in: folder)
        }

        @Test("transfers wait and say why; with room they go on, and nothing at a final name was harmed")
        func tmpfs() async throws {
            try await Stage.run { stage in
                let cache = stage.agent.cache
                let mounted = try await mounting(
                    ["mount", "-t", "tmpfs", "-o", "size=600k,mode=0700", "tmpfs", cache], in: stage.folder)
                try #require(mounted.status == 0, "\(mounted.errors)")
                do {
                    try await fill(stage)
                } catch {
                    Issue.record(error)
                }
                try? await stage.agent.program.killNow()
                #expect(try await mounting(["umount", cache], in: stage.folder).status == 0)
            }
        }

        private func fill(_ stage: Stage) async throws {
            let names = (0..<4).map { "p-\($0).png" }
            let finals = try FinalNames(stage.agent.cache)
            for (number, name) in names.enumerated() {
                let bytes = try TestPictures.padded(.png, to: 250_000, seed: UInt8(number))
                try stage.server.place(bytes, name, for: stage.ada)
                finals.expect(sha256(bytes), at: name)
            }
            let program = try await stage.startAgent()
            let agent = stage.agent
            let fetching = Task { try await agent.fetch(names) }
            try await program.log.line(with: "transfers wait for the disk")
            finals.check()
            let problems = try await agent.client.status().problems
            #expect(problems.contains { $0.what.contains("disk is full") && $0.remedy != nil }, "\(problems)")
            let grown = try await mounting(["mount", "-o", "remount,size=4m", agent.cache], in: stage.folder)
            #expect(grown.status == 0, "\(grown.errors)")
            try await fetching.value
            finals.check()
            #expect(try visibleNames(in: agent.cache) == names)
            #expect(try await agent.client.status().problems.isEmpty)
        }
    }
}
