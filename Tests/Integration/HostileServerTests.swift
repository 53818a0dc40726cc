import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing
import WireProtocol

extension RealPrograms {
    /// What a server may do wrong, or mean ill with, costs at most the picture it is about.
    @Suite("Hostile servers")
    struct HostileServers {
        /// One way to answer for `evil.png`, and what may become of it.
        struct Misdeed: Sendable, CustomTestStringConvertible {
            let testDescription: String
            /// Whether the answer is a good picture all the same.
            var isHarmless = false
            let answers: @Sendable (DownloadRequest, [UInt8], Int) -> [HostileServer.Answer]
        }

        private static func reply(
            _ request: DownloadRequest, _ bytes: [UInt8], _ change: (inout DownloadReply) -> Void
        ) -> [HostileServer.Answer] {
            var reply = HostileServer.chunk(request, of: bytes)
            change(&reply)
            return [.reply(.download(reply))]
        }

        private static func frame(_ body: String) -> HostileServer.Answer {
            let bytes = Array(body.utf8)
            return .raw([4, 10] + (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (24 - 8 * $0)) } + bytes)
        }

        static let misdeeds: [Misdeed] = [
            Misdeed(testDescription: "a foreign client_path, absolute", isHarmless: true) { request, bytes, _ in
                reply(request, bytes) { $0.clientPath = "/tmp/avatard-must-not-write-here.png" }
            },
            Misdeed(testDescription: "a foreign client_path, relative", isHarmless: true) { request, bytes, _ in
                reply(request, bytes) { $0.clientPath = "../../../escaped.png" }
            },
            Misdeed(testDescription: "another name") { request, bytes, _ in
                reply(request, bytes) { $0.name = "another.png" }
            },
            Misdeed(testDescription: "a name that leads outside") { request, bytes, _ in
                reply(request, bytes) { $0.name = "../escaped.png" }
            },
            Misdeed(testDescription: "a seq that was not asked") { request, bytes, _ in
                reply(request, bytes) { $0.seq = request.seq + 7 }
            },
            Misdeed(testDescription: "base64 that is none") { request, bytes, _ in
                [
                    frame(
                        #"{"error":0,"name":"evil.png","client_path":"evil.png","seq":1,"total_size":"4096","#
                            + #""current_size":"2048","is_last":false,"data":"!!!! no base64 !!!!"}"#)
                ]
            },
            Misdeed(testDescription: "sizes that change from chunk to chunk") { request, bytes, _ in
                reply(request, bytes) { $0.totalSize = Int64(bytes.count) + request.seq * 10_000 }
            },
            Misdeed(testDescription: "a size that this machine has no room for") { request, bytes, _ in
                reply(request, bytes) { $0.totalSize = .max }
            },
            Misdeed(testDescription: "a chunk that holds more than it says") { request, bytes, _ in
                reply(request, bytes) { $0.data = [UInt8](repeating: 1, count: 8192) }
            },
            Misdeed(testDescription: "no reply, ever") { _, _, _ in [] },
            Misdeed(testDescription: "bytes that are no picture") { request, bytes, _ in
                reply(request, [UInt8](repeating: 0x41, count: bytes.count)) { _ in }
            },
            Misdeed(testDescription: "a body that is no JSON, twice") { request, bytes, connection in
                connection > 2
                    ? reply(request, bytes) { $0 = DownloadReply(error: 1012, name: request.name) } : [frame("}{")]
            },
            Misdeed(testDescription: "a frame of 4 GB, twice") { request, bytes, connection in
                connection > 2
                    ? reply(request, bytes) { $0 = DownloadReply(error: 1012, name: request.name) }
                    : [.raw([4, 10, 0xff, 0xff, 0xff, 0xff])]
            },
            Misdeed(testDescription: "a hundred replies to nothing, once") { request, bytes, connection in
                let stray = HostileServer.Answer.reply(
                    .download(DownloadReply(error: 0, name: "never-asked.png", seq: 1)))
                return connection > 1
                    ? reply(request, bytes) { $0 = DownloadReply(error: 1012, name: request.name) }
                    : Array(repeating: stray, count: 100)
            },
        ]

        @Test("the good picture comes, nothing else is written, the agent goes on", arguments: misdeeds)
        func misdeed(_ misdeed: Misdeed) async throws {
            let folder = try TemporaryFolder()
            let good = try TestPictures.picture("farah.jpg")
            let evil = try TestPictures.padded(.png, to: 20_000)
            let server = try await HostileServer { request, connection in
                guard case .download(let request) = request else { return [] }
                if request.name == "good.jpg" { return [.reply(.download(HostileServer.chunk(request, of: good)))] }
                return misdeed.answers(request, evil, connection)
            }
            let agent = try AgentProgram("home/a", in: folder)
            let token = folder.file("token")
            try write(Array("t\n".utf8), to: token)
            chmod(token, 0o600)
            let program = try await agent.start(ServerProgram.User(uid: 1, tokenFile: token), port: server.port)
            let client = agent.client
            let labels = [LabelRequest(label: "evil", name: "evil.png"), LabelRequest(label: "good", name: "good.jpg")]
            let state = try await within(patience, "the good picture") {
                for try await reply in try await client.register(labels, keep: true) {
                    for label in reply.labels where label.label == "good" && label.avatar.state.isFinal {
                        return label.avatar.state
                    }
                }
                return AvatarState.failed
            }
            #expect(state == .ready)
            if misdeed.isHarmless { try await agent.fetch(["evil.png"]) }
            #expect(sha256(ofFile: agent.cached("good.jpg")) == sha256(good))
            #expect(
                try visibleNames(in: agent.cache) == (misdeed.isHarmless ? ["evil.png", "good.jpg"] : ["good.jpg"]))
            if misdeed.isHarmless { #expect(sha256(ofFile: agent.cached("evil.png")) == sha256(evil)) }
            for path in [
                folder.path, folder.file("home"), agent.home, agent.home + "/data", agent.home + "/data/avatard",
            ] {
                #expect(try !visibleNames(in: path).contains { $0.contains("escaped") || $0.contains("another") })
            }
            #expect(!FileManager.default.fileExists(atPath: "/tmp/avatard-must-not-write-here.png"))
            #expect(try await client.status().connection != "offline")
            #expect(try await program.terminate() == RunningProgram.Ending(status: 0, wasSignalled: false))
            await server.close()
        }
    }
}
