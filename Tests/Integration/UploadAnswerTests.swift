import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import Synchronization
import TestMounts
import TestPictures
import Testing
import WireProtocol

extension RealPrograms {
    /// What the server answers to uploads, and what the agent makes of it.
    @Suite("Answers to uploads")
    struct UploadAnswers {
        private func picture(_ seed: UInt8) throws -> [UInt8] { try TestPictures.padded(.png, to: 9_000, seed: seed) }

        /// The name that a file of these bytes gets in the upload folder.
        private func name(of bytes: [UInt8]) -> String { String(sha256(bytes).prefix(32)) + ".png" }

        private func upload(_ bytes: [UInt8], as file: String, _ stage: Stage) async throws {
            let path = stage.folder.file(file)
            try write(bytes, to: path)
            let client = stage.agent.client
            try await within(patience, "the upload of \(file)") {
                for try await _ in try await client.uploadProgress(path) {}
            }
        }

        @Test("whoever says of a picture that was uploaded before that it is the avatar now gets it")
        func again() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let (a, b) = (try picture(1), try picture(2))
                for bytes in [a, b, a, a, b, a] {
                    try await upload(bytes, as: "chosen.png", stage)
                    #expect(try await stage.server.icons()[1001] == name(of: bytes))
                    #expect(try await stage.agent.client.status().icon?.name == name(of: bytes))
                }
            }
        }

        @Test("cut off and started again in the middle, the picture that was named last is the icon")
        func againThroughCuts() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let (a, b) = (try picture(1), try picture(2))
                for bytes in [a, b] { try await upload(bytes, as: "chosen.png", stage) }
                let agent = stage.agent
                let path = stage.folder.file("again.png")
                try write(a, to: path)
                let cursor = try await agent.cursor()
                let struck = Occasion<Void>()
                stage.wire.strike(after: 6_000, .up) { struck.happen(()) }
                _ = try await agent.client.upload(path)
                try await struck.wait("some of the picture")
                try await agent.program.killNow()
                try await stage.startAgent()
                try await agent.change(.icon, of: name(of: a), after: cursor)
                #expect(try await stage.server.icons()[1001] == name(of: a))
            }
        }

        @Test("on a server that appends repeats and sets the icon only with an upload's last chunk, too")
        func againOnTheSeedsServer() async throws {
            try await Stage.run { stage in
                let seed = SeedLikeServer()
                let server = try await HostileServer { request, _ in seed.answer(request) }
                try await stage.agent.start(stage.ada, port: server.port)
                let (a, b) = (try picture(1), try picture(2))
                for bytes in [a, b, a, b] {
                    try await upload(bytes, as: "chosen.png", stage)
                    #expect(seed.icon == name(of: bytes))
                    #expect(seed.file(name(of: bytes)) == bytes)
                    #expect(try await stage.agent.client.status().icon?.name == name(of: bytes))
                }
                await server.close()
            }
        }

        @Test(
            "a server's disk that is full for a while: said with the right words, and up once there is room",
            .enabled(if: TmpfsMount.isPermitted))
        func fullServer() async throws {
            try await Stage.run { stage in
                let disk = try TmpfsMount(kilobytes: 512)
                try await stage.server.program.killNow()
                try FileManager.default.removeItem(atPath: stage.server.root)
                try FileManager.default.createSymbolicLink(
                    atPath: stage.server.root, withDestinationPath: disk.path)
                try await stage.server.start()
                try await stage.startAgent()
                try disk.fill()
                try write(try picture(1), to: stage.agent.crop("me.png"))
                let agent = stage.agent
                try await within(patience, "the problem") {
                    while try await !agent.client.status().problems.contains(where: {
                        $0.what == "not uploaded yet: me.png: the server's disk is full (1015)"
                    }) { try await Task.sleep(for: .milliseconds(50)) }
                }
                try disk.makeRoom()
                // What avatarctl sync asks for.
                for try await _ in try await agent.client.fetchProgress([]) {}
                try await agent.change(.icon, of: "me.png")
                #expect(try await stage.server.icons()[1001] == "me.png")
                #expect(try await agent.client.status().problems.isEmpty)
                try await stage.server.program.killNow()
            }
        }

        @Test("a token that is renewed in its file is taken within seconds, whoever writes it there and however")
        func renewedToken() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let file = stage.ada.tokenFile
                let ways: [(String, (String) throws -> Void)] = [
                    (
                        "written into",
                        { token in
                            let handle = try #require(FileHandle(forWritingAtPath: file))
                            try handle.truncate(atOffset: 0)
                            try handle.write(contentsOf: Data("\u{FEFF}  \(token) \r\n".utf8))
                            try handle.close()
                        }
                    ),
                    (
                        "replaced by a rename",
                        { token in
                            try write(Array("\(token)\n".utf8), to: file + ".new")
                            chmod(file + ".new", 0o600)
                            rename(file + ".new", file)
                        }
                    ),
                    (
                        "made readable for its owner alone afterwards",
                        { token in
                            try FileManager.default.removeItem(atPath: file)
                            try write(Array(token.utf8), to: file)
                            chmod(file, 0o644)
                            chmod(file, 0o600)
                        }
                    ),
                ]
                for (number, (way, renew)) in ways.enumerated() {
                    let token = "renewed-\(number)"
                    try write(Array(token.utf8), to: stage.folder.file("server-token"))
                    let result = try await Program.run(
                        Program.product("avatar-server"),
                        ["user", "token", "--uid", "1001", "--token-file", stage.folder.file("server-token")]
                            + stage.server.places, environment: ["HOME": stage.folder.path], in: stage.folder)
                    #expect(result.status == 0, "\(result.errors)")
                    // A server trusts the token that a connection has shown for a moment.
                    try await stage.server.program.killNow()
                    try await stage.server.start()
                    let name = "crop-\(number).png"
                    try write(try picture(UInt8(number + 1)), to: stage.agent.crop(name))
                    let agent = stage.agent
                    try await within(patience, "the refusal") {
                        while try await agent.client.status().connection != "refused" {
                            try await Task.sleep(for: .milliseconds(50))
                        }
                    }
                    let problem = try await agent.client.status().problems.first { $0.remedy?.contains(file) == true }
                    #expect(problem != nil, "the advice names the file")
                    try renew(token)
                    let started = ContinuousClock.now
                    try await agent.change(.icon, of: name)
                    #expect(ContinuousClock.now - started < .seconds(10), "\(way)")
                    #expect(try await agent.client.status().problems.isEmpty)
                }
            }
        }
    }
}

/// What the seed's server does with uploads: it appends whatever comes, truncates at 1, sets the icon with the last chunk, and knows
/// nothing of them by 1005.
private final class SeedLikeServer: Sendable {
    private struct State {
        var files: [ExactString: [UInt8]] = [:]
        var icon: String?
    }

    private let state = Mutex(State())

    var icon: String? { state.withLock { $0.icon } }
    func file(_ name: String) -> [UInt8]? { state.withLock { $0.files[ExactString(name)] } }

    func answer(_ request: ClassicRequest) -> [HostileServer.Answer] {
        switch request {
        case .uploadHead(let chunk):
            state.withLock { state in
                let name = ExactString(chunk.name)
                state.files[name] = (chunk.seq == 1 ? [] : state.files[name] ?? []) + chunk.data
                if chunk.last { state.icon = chunk.name }
            }
            return [
                .reply(
                    .uploadHead(
                        UploadChunkReply(
                            error: 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq, totalSize: chunk.totalSize,
                            transSize: chunk.transSize, last: chunk.last, uid: chunk.uid)))
            ]
        case .syncFile: return [.reply(.syncFile(SyncFileReply(error: ClassicError.fileNotExists.rawValue)))]
        case .download(let request):
            return [
                .reply(
                    .download(
                        DownloadReply(
                            error: ClassicError.fileNotExists.rawValue, name: request.name,
                            clientPath: request.clientPath)))
            ]
        case .test, .uploadFile: return []
        }
    }
}
