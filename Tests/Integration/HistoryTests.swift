import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import Synchronization
import TestPictures
import Testing
import WireProtocol

extension RealPrograms {
    /// `avatarctl history` on a real agent and a real server.
    @Suite("History")
    struct HistoryTests {
        @Test(
            "what came, was replaced, removed, uploaded and could not be had, with times, over a restart of the agent")
        func life() async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.picture("ada.png"), "a.png", for: stage.ada)
                try await stage.startAgent()
                try await stage.agent.fetch(["a.png"])
                _ = try await history(stage, "fetch", "nobody.png", status: 1)
                try stage.server.place(try TestPictures.picture("bruno.png"), "a.png", for: stage.ada)
                _ = try await history(stage, "fetch", "a.png")
                _ = try await stage.agent.program.terminate()
                try await stage.startAgent()
                let file = stage.folder.file("me.png")
                try write(try TestPictures.picture("ada.png"), to: file)
                _ = try await history(stage, "upload", file)
                _ = try await history(stage, "forget", "a.png")

                let lines = try await history(stage, "history")
                let words = lines.map { $0.split(separator: "  ", omittingEmptySubsequences: true).map(String.init) }
                #expect(
                    words.map { $0[2].trimmingCharacters(in: .whitespaces) } == [
                        "new", "not to be had", "replaced", "uploaded", "your avatar", "new", "removed",
                    ], "\(lines)")
                for line in words {
                    #expect(line[0].wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/) != nil, "\(line)")
                    #expect(line[1].hasSuffix("ago") || line[1] == "just now", "\(line)")
                }
                let sizes = try [TestPictures.picture("ada.png").count, TestPictures.picture("bruno.png").count]
                let objects = try await history(stage, "history", "a.png", "--json").map {
                    try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
                }
                #expect(objects.map { $0["size"] as? Int } == [sizes[0], sizes[1], sizes[1]], "as it was then")
                #expect(objects.map { $0["kind"] as? String } == ["ready", "changed", "removed"])

                #expect(try await history(stage, "history", "--limit", "2") == Array(lines.suffix(2)))
                #expect(try await history(stage, "history", "--since", "1h").count == lines.count)
                #expect(try await history(stage, "history", "--since", "2100-01-01") == [])
                #expect(try await history(stage, "history", "other.png") == [])
                for wrong in [["--since", "soon"], ["--limit", "0"]] {
                    _ = try await history(stage, "history", wrong[0], wrong[1], status: 2)
                }
            }
        }

        @Test(
            "a file that is no picture, and a crop that the server refuses: told with the reason, over a restart once")
        func refused() async throws {
            try await Stage.run { stage in
                let isFull = Mutex(true)
                let server = try await HostileServer { request, _ in
                    Self.answer(request, isFull: isFull.withLock { $0 })
                }
                try await stage.agent.start(stage.ada, port: server.port)
                try write(Array("no picture".utf8), to: stage.agent.crop("notes.png"))
                try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("me.png"))
                for name in ["notes.png", "me.png"] { try await stage.agent.change(.refused, of: name) }
                let sync = try await stage.ctl("sync")
                #expect(sync.status == 1 && !sync.output.contains("nothing"), "\(sync)")
                _ = try await stage.agent.program.terminate()
                try await stage.agent.start(stage.ada, port: server.port)
                try await within(patience, "both problems after the restart") {
                    while try await stage.agent.client.status().problems.count < 2 {
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
                let lines = try await history(stage, "history")
                #expect(lines.count { $0.contains("not uploaded") } == 2, "\(lines)")
                #expect(lines.contains { $0.contains("notes.png") && $0.contains("picture") }, "\(lines)")
                #expect(lines.contains { $0.contains("me.png") && $0.contains("1015") }, "\(lines)")

                isFull.withLock { $0 = false }
                try FileManager.default.removeItem(atPath: stage.agent.crop("notes.png"))
                let better = try await stage.ctl("sync")
                #expect(better.status == 0, "\(better)")
                try await stage.agent.change(.icon, of: "me.png")
                await server.close()
            }
        }

        /// A server that takes uploads unless its disk is full, and has nothing else.
        private static func answer(_ request: ClassicRequest, isFull: Bool) -> [HostileServer.Answer] {
            let missing = ClassicError.fileNotExists.rawValue
            switch request {
            case .test, .uploadFile: return []
            case .syncFile: return [.reply(.syncFile(SyncFileReply(error: missing)))]
            case .download(let request):
                let reply = DownloadReply(error: missing, name: request.name, clientPath: request.clientPath)
                return [.reply(.download(reply))]
            case .uploadHead(let chunk):
                let reply = UploadChunkReply(
                    error: isFull ? ClassicError.writePermission.rawValue : 0, md5: chunk.md5, name: chunk.name,
                    seq: chunk.seq, totalSize: chunk.totalSize, transSize: chunk.transSize, last: chunk.last,
                    uid: chunk.uid)
                return [.reply(.uploadHead(reply))]
            }
        }

        /// A command of avatarctl; its lines.
        private func history(_ stage: Stage, _ arguments: String..., status: Int32 = 0) async throws -> [String] {
            let result = try await Program.run(
                Program.product("avatarctl"), arguments, environment: stage.agent.environment, in: stage.folder)
            #expect(result.status == status, "\(arguments): \(result.errors)")
            return result.lines
        }
    }
}
