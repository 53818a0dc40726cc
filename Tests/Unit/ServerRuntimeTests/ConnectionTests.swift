import AvatarCore
import Foundation
import NIOCore
import ServerRuntime
import Testing
import TransferMachines
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
                // Two thousand batches of two hundred would be more than a gigabyte.
                let held = try #require(server.metric("in_flight_bytes"))
                #expect(held <= Limits.Server.bytesInFlightMax + Limits.Server.replyBytesUnsentMax + 8192)
                flood.cancel()
                _ = await flood.result
            }
        }
    }

    /// One user with many connections, none of which reads, has no more in flight than the bound for a user; another is served.
    @Test func manyConnectionsOfOneUserHaveOneUsersShare() async throws {
        try await TestServer.with { server async throws in
            try server.place(pattern(2_000_000), 1019, "a.png")
            try server.place(pattern(50_000), 1020, "b.png")
            try await TestClient.with(server.port) { other async throws in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<16 {
                        group.addTask {
                            try await TestClient.with(server.port) { client async throws in
                                #expect(try await client.download("a.png", seq: 1).error == 0)
                                var requests = ByteBuffer()
                                for seq in 1...400 {
                                    ClassicRequest.download(
                                        DownloadRequest(
                                            name: "a.png", seq: Int64(seq), token: "token-1019", uid: 1019,
                                            clientPath: "")
                                    ).encode(into: &requests)
                                }
                                // Ends when the task is cancelled: nobody takes all of it.
                                while !Task.isCancelled { try await client.send(requests) }
                            }
                        }
                    }
                    let bound = Limits.Server.bytesInFlightPerUserMax
                    let deadline = ContinuousClock.now + .seconds(30)
                    var most = 0
                    while most < bound, ContinuousClock.now < deadline {
                        most = max(most, try #require(server.metric("in_flight_bytes")))
                        await Task.yield()
                    }
                    // It is reached, and then it holds, but for the one request that every connection may have.
                    #expect(most >= bound)
                    for _ in 0..<20 {
                        #expect(try await other.download("b.png", uid: 1020) == pattern(50_000))
                        most = max(most, try #require(server.metric("in_flight_bytes")))
                    }
                    #expect(most < bound + 17 * 8192)
                    group.cancelAll()
                }
            }
        }
    }

    /// Two at once: the answer to the second must not wait for anything but the first.
    @Test func bodiesThatAreNoneAreAllAnsweredWhenTheyComeInOneRead() async throws {
        try await TestServer.with { server async throws in
            try await TestClient.with(server.port) { client async throws in
                var both = ByteBuffer()
                for _ in 0..<5 { Frame(id: 1033, body: ByteBuffer(string: "none")).write(into: &both) }
                try await client.send(both)
                for _ in 0..<5 { #expect(try await client.frame().id == 1034) }
            }
        }
    }

    /// The chunks of one download are of one file: what takes its place meanwhile is for those who begin after that.
    @Test(arguments: StoreKind.allCases) func aDownloadEndsWithTheFileThatItBeganWith(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let old = pattern(6000)
            let new = Array(pattern(6000).reversed())
            try await TestClient.with(server.port) { owner async throws in
                #expect(try await owner.upload(try chunks(of: old, name: "a.png")) == 0)
                try await TestClient.with(server.port) { reader async throws in
                    var bytes = try await reader.download("a.png", seq: 1).data ?? []
                    #expect(try await owner.upload(try chunks(of: new, name: "a.png")) == 0)
                    bytes += try await reader.download("a.png", seq: 2).data ?? []
                    bytes += try await reader.download("a.png", seq: 3).data ?? []
                    #expect(bytes == old)
                    #expect(try await reader.download("a.png") == new)
                }
            }
        }
    }

    /// A download is answered at once where nothing has to be waited for, but never past an upload that came before it.
    @Test(arguments: StoreKind.allCases) func aDownloadBehindAnUploadOfTheSameNameGetsWhatWasUploaded(
        kind: StoreKind
    ) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(2000), name: "a.png")) == 0)
                #expect(try await client.download("a.png") == pattern(2000))
                for bytes in [1000, 1001, 1002] {
                    var both = ByteBuffer()
                    ClassicRequest.uploadHead(try chunks(of: pattern(bytes), name: "a.png")[0]).encode(into: &both)
                    ClassicRequest.download(
                        DownloadRequest(name: "a.png", seq: 1, token: "token-1019", uid: 1019, clientPath: "")
                    ).encode(into: &both)
                    try await client.send(both)
                    guard case .uploadHead(let taken) = try await client.reply(),
                        case .download(let served) = try await client.reply()
                    else { throw TestClient.Closed() }
                    #expect(taken.error == 0)
                    #expect(served.data == pattern(bytes))
                }
            }
        }
    }

    @Test func aConnectionThatShowsNoTokenIsClosed() async throws {
        var timeouts = ServerSession.Timeouts()
        timeouts.tokenWait = .seconds(1)
        try await TestServer.with(timeouts: timeouts) { server async throws in
            try server.place(pattern(10), 1019, "a.png")
            try await TestClient.with(server.port) { known async throws in
                #expect(try await known.download("a.png") == pattern(10))
                try await TestClient.with(server.port) { stranger async throws in
                    // Frames do not help it, and neither does a wrong token.
                    #expect(try await stranger.ask(.test(TestMessage(data: "x"))) != nil)
                    #expect(try await stranger.download("a.png", seq: 1, token: "wrong").error == 1010)
                    #expect(await stranger.isClosed())
                }
                #expect(try await known.download("a.png") == pattern(10))
            }
        }
    }

    @Test func aConnectionWithoutAValidFrameIsClosed() async throws {
        var timeouts = ServerSession.Timeouts()
        timeouts.silence = .seconds(1)
        try await TestServer.with(timeouts: timeouts) { server async throws in
            try server.place(pattern(10), 1019, "a.png")
            try await TestClient.with(server.port) { client async throws in
                let started = ContinuousClock.now
                #expect(try await client.download("a.png") == pattern(10))
                // Half a frame is none.
                try await client.send(ByteBuffer(bytes: [0x04, 0x09, 0, 0]))
                #expect(await client.isClosed())
                #expect(ContinuousClock.now - started >= .seconds(1))
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
