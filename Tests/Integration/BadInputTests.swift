import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import NIOCore
import TestPictures
import Testing

extension RealPrograms {
    /// What is no avatar, or no avatar's name, is refused by name and reason, said once, and stops nothing else.
    @Suite("Bad input")
    struct BadInput {
        static let limit = 50_000

        /// A file of the upload folder that must not be uploaded, and a word of the reason.
        private static func files() throws -> [(name: String, bytes: [UInt8], reason: String)] {
            let picture = try TestPictures.picture("chen.png")
            return [
                ("too-large.png", try TestPictures.padded(.png, to: limit + 1), "upload.bytesMax allows \(limit)"),
                ("text.png", Array("Dear diary, this is no picture.\n".utf8), "picture"),
                ("empty.png", [], "empty"),
                ("half.png", Array(picture.prefix(picture.count / 2)), "cut off"),
                (String(repeating: "a", count: 197) + ".png", picture, "201 bytes"),
                (String(repeating: "b", count: 251) + ".png", picture, "255 bytes"),
                ("tab\there.png", picture, "control"),
            ]
        }

        @Test("files that are no avatars are not uploaded; Status and the log say why, once")
        func files() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent(["--upload-bytes-max", "\(Self.limit)"])
                let good = try TestPictures.picture("kofi.webp")
                for round in 1...2 {
                    for (name, bytes, _) in try Self.files() { try write(bytes, to: stage.agent.crop(name)) }
                    try write(good, to: stage.agent.crop("good-\(round).webp"))
                    try await stage.agent.change(.uploaded, of: "good-\(round).webp")
                }
                let problems = try await stage.agent.client.status().problems.map(\.what)
                for (name, _, reason) in try Self.files() {
                    let shown = String(name.prefix(60))
                    // A line of the log has no control characters.
                    let logged = shown.replacingOccurrences(of: "\t", with: " ")
                    let said = program.log.lines.filter { $0.contains("not uploaded") && $0.contains(logged) }
                    #expect(said.count == 1, "\(shown): \(said)")
                    #expect(said.allSatisfy { $0.contains(reason) }, "\(shown): \(said)")
                    #expect(problems.contains { $0.contains(shown) && $0.contains(reason) }, "\(shown): \(problems)")
                }
                #expect(
                    try visibleNames(in: "\(stage.server.root)/\(stage.ada.uid)") == ["good-1.webp", "good-2.webp"])
            }
        }

        @Test("a name that is no UTF-8 is not uploaded either")
        func noUTF8() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                var path = Array(stage.agent.crop("latin-").utf8).map { CChar(bitPattern: $0) }
                path += [CChar(bitPattern: 0xe9)] + Array(".png".utf8).map { CChar(bitPattern: $0) } + [0]
                let file = try #require(fopen(path, "w"))
                let picture = try TestPictures.picture("chen.png")
                #expect(fwrite(picture, 1, picture.count, file) == picture.count)
                fclose(file)
                try await program.log.line(with: "not uploaded", "UTF-8")
                #expect(try await stage.agent.client.status().problems.contains { $0.what.contains("UTF-8") })
                #expect(!FileManager.default.fileExists(atPath: "\(stage.server.root)/\(stage.ada.uid)"))
            }
        }

        @Test("the bus refuses bad names and bad files, each with its error")
        func bus() async throws {
            try await Stage.run { stage in
                try await stage.startAgent(["--upload-bytes-max", "\(Self.limit)"])
                let client = stage.agent.client
                for name in ["a/b.png", "../a.png", ".a.png", "a\0.png", "", String(repeating: "n", count: 201)] {
                    await #expect("\(name.debugDescription)") {
                        try await client.fetch([name])
                    } throws: { error in
                        // Of a name that is too long, the beginning is said.
                        guard case AgentError.invalidName(let said, _) = error else { return false }
                        return name.hasPrefix(said)
                    }
                }
                let text = stage.folder.file("text.png")
                try write(Array("no picture".utf8), to: text)
                let large = stage.folder.file("large.png")
                try write(try TestPictures.padded(.png, to: Self.limit + 1), to: large)
                let (size, limit) = (Self.limit + 1, Self.limit)
                await #expect(throws: AgentError.tooLarge(path: large, size: size, limit: limit)) {
                    try await client.upload(large)
                }
                for path in [text, stage.folder.file("not-there.png"), stage.folder.path] {
                    await #expect("\(path)") {
                        try await client.upload(path)
                    } throws: { error in
                        guard case AgentError.notAnImage(path, _) = error else { return false }
                        return true
                    }
                }
                #expect(try visibleNames(in: stage.agent.crops).isEmpty)
            }
        }

        @Test("a server that is not there: Status says since when and why, and it is tried less and less often")
        func noServer() async throws {
            try await Stage.run { stage in
                try await stage.server.program.killNow()
                // The wire takes the connection and drops it, as a proxy before a dead server does.
                try await stage.startAgent()
                let client = stage.agent.client
                let arrivals = try await within(patience, "six attempts") {
                    for try await _ in try await client.register([LabelRequest(label: "l", name: "x.png")], keep: true)
                    {
                        return try await stage.wire.arrivals(6)
                    }
                    return []
                }
                let gaps: [TimeAmount] = zip(arrivals.dropFirst(), arrivals).map { $0 - $1 }
                #expect(gaps.last ?? .zero > 3 * (gaps.first ?? .zero), "\(gaps)")
                // The sixth is taken, too, before it is dropped.
                let status = try await within(patience, "the end of the sixth attempt") {
                    while true {
                        let status = try await client.status()
                        if status.connection != "online" { return status }
                        try await Task.sleep(for: .milliseconds(10))
                    }
                }
                #expect(status.connection == "waiting" || status.connection == "connecting")
                #expect(!status.problems.isEmpty)
                #expect(status.problems.allSatisfy { !$0.since.isEmpty && !$0.what.isEmpty }, "\(status.problems)")
            }
        }

        @Test(
            "a port where nobody listens, and a name that nobody knows, are named in Status",
            arguments: [
                ("127.0.0.1", "refused"), ("no-such-host.invalid", "no-such-host.invalid"),
            ])
        func unknownServer(host: String, word: String) async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let token = folder.file("token")
            try write(Array("t\n".utf8), to: token)
            chmod(token, 0o600)
            let program = try await agent.start([
                "--server-host", host, "--server-port", "1", "--identity-uid", "1", "--identity-token-file", token,
            ])
            try await agent.client.fetch(["x.png"])
            try await program.log.line(with: "not connected", word)
            let status = try await agent.client.status()
            #expect(status.problems.contains { $0.what.contains(word) && !$0.since.isEmpty }, "\(status.problems)")
            #expect(status.server == Server(host: host, port: 1))
            _ = try await program.terminate()
        }
    }
}
