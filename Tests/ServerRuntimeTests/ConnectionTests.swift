import AvatarCore
import Foundation
import NIOCore
import Testing
import WireProtocol

/// What holds for a connection as a whole.
@Suite struct ConnectionTests {
    @Test func requestsSentWithoutWaitingAreAnsweredInTheOrderAsked() async throws {
        try await TestServer.with { server async throws in
            let bytes = pattern(200_000)
            try await TestClient.with(server.port) { client async throws in
                let all = try chunks(of: bytes, name: "a.png")
                for chunk in all { try await client.send(.uploadHead(chunk)) }
                for chunk in all {
                    guard case .uploadHead(let reply) = try await client.reply() else { throw TestClient.Closed() }
                    #expect(reply.error == 0)
                    #expect(reply.seq == chunk.seq)
                }
                var down: [UInt8] = []
                for seq in 1...all.count {
                    let request = DownloadRequest(
                        name: "a.png", seq: Int64(seq), token: "token-1019", uid: 1019, clientPath: "")
                    try await client.send(.download(request))
                }
                for seq in 1...all.count {
                    guard case .download(let reply) = try await client.reply() else { throw TestClient.Closed() }
                    #expect(reply.seq == Int64(seq))
                    down += reply.data ?? []
                }
                #expect(down == bytes)
            }
        }
    }

    /// How its replies are held apart is scripted in ServerSessionTests: here that all of them come.
    @Test func aClientWithOneRequestPerPictureGetsThemAll() async throws {
        try await TestServer.with { server async throws in
            for index in 0..<20 { try server.place(pattern(5000), 1019, "\(index).png") }
            try await TestClient.with(server.port) { client async throws in
                func ask(_ index: Int, _ seq: Int64) async throws {
                    let request = DownloadRequest(
                        name: "\(index).png", seq: seq, token: "token-1019", uid: 1019, clientPath: "")
                    try await client.send(.download(request))
                }
                for index in 0..<20 { try await ask(index, 1) }
                var bytes: [String: [UInt8]] = [:]
                for _ in 0..<60 {
                    guard case .download(let reply) = try await client.reply(), let name = reply.name,
                        let seq = reply.seq
                    else { throw TestClient.Closed() }
                    bytes[name, default: []] += reply.data ?? []
                    if seq < 3, let index = Int(name.dropLast(4)) { try await ask(index, seq + 1) }
                }
                #expect(bytes.count == 20)
                #expect(bytes.values.allSatisfy { $0 == pattern(5000) })
            }
        }
    }

    @Test func aFrameCutIntoSingleBytesIsUnderstood() async throws {
        try await TestServer.with { server async throws in
            try await TestClient.with(server.port) { client async throws in
                var buffer = ByteBuffer()
                ClassicRequest.test(TestMessage(data: "drip")).encode(into: &buffer)
                while let byte = buffer.readSlice(length: 1) { try await client.send(byte) }
                #expect(try await client.reply() == .test(TestMessage(data: "drip", error: 0)))
            }
        }
    }

    /// It asks for far more than fits anywhere and reads nothing: the server stops taking its requests, and serves others.
    @Test func aReaderThatNeverReadsCostsOnlyItself() async throws {
        try await TestServer.with { server async throws in
            try server.place(pattern(500_000), 1019, "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("a.png", seq: 1).error == 0)
                var requests = ByteBuffer()
                for seq in 1...200 {
                    ClassicRequest.download(
                        DownloadRequest(name: "a.png", seq: Int64(seq), token: "token-1019", uid: 1019, clientPath: "")
                    ).encode(into: &requests)
                }
                let batch = requests
                let writer = client.outbound
                let flood = Task { for _ in 0..<2000 { try await writer.write(batch) } }
                try await TestClient.with(server.port) { other async throws in
                    #expect(try await other.download("a.png", uid: 1019) == pattern(500_000))
                }
                flood.cancel()
                _ = await flood.result
            }
        }
    }

    @Test func aStopAnswersWhatIsInFlightAndTakesUnderTwoSeconds() async throws {
        try await TestServer.with { server async throws in
            let all = try chunks(of: pattern(100_000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[..<10])) == 0)
                let started = ContinuousClock.now
                await server.stop()
                #expect(ContinuousClock.now - started < .seconds(2))
                #expect(await client.isClosed())
            }
            let part = try #require(
                try FileManager.default.contentsOfDirectory(atPath: server.folder.path + "/files/.parts").first)
            let size =
                try FileManager.default.attributesOfItem(
                    atPath: server.folder.path + "/files/.parts/" + part)[.size] as? Int
            #expect(size == 20_480)
        }
    }
}
