import AvatarCore
import Foundation
import ServerRuntime
import ServerStores
import Testing
import TransferMachines
import WireProtocol

/// What only the cluster's stores have: the chat system beside them, services that go away, other instances.
@Suite struct ClusterTests {
    @Test func anUploadLeavesWhatTheSeedsServersRead() async throws {
        try await TestServer.with(.cluster) { server async throws in
            let redis = try #require(server.backend.redis)
            let all = try chunks(of: pattern(5000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[..<2])) == 0)
                let progress = try json(try redis.command(["GET", "file_upload_a.png"]))
                #expect(progress["file_path_str"] as? String == server.backend.root + "/1019/a.png")
                #expect(progress["name"] as? String == "a.png")
                #expect(progress["seq"] as? Int == 2)
                #expect(progress["total_size"] as? Int == 5000)
                #expect(progress["trans_size"] as? Int == 4096)
                let life = Int(try redis.command(["TTL", "file_upload_a.png"]).dropLast())
                #expect(life.map { (3590...3600).contains($0) } == true)
                #expect(try await client.upload(all[2]) == 0)
            }
            let info = try json(try redis.command(["GET", "ubaseinfo_1019"]))
            #expect(info["uid"] as? Int == 1019)
            #expect(info["icon"] as? String == "a.png")
            #expect(info["nick"] as? String == "nick \"1019\"")
            #expect(info["email"] as? String == "1019@example.org")
            #expect(info["sex"] as? Int == 1)
            #expect(Set(info.keys) == ["uid", "pwd", "name", "email", "nick", "desc", "sex", "icon"])
        }
    }

    /// The seed's server keeps one progress per name, whoever's it is: what it left is not taken for an upload that can be gone on
    /// with, another user's least of all, and the upload that begins takes its place.
    @Test func whatTheSeedsServerLeftUnderANameIsNobodysProgress() async throws {
        try await TestServer.with(.cluster) { server async throws in
            let redis = try #require(server.backend.redis)
            let all = try chunks(of: pattern(5000), name: "a.png")
            for owner in [1019, 1020] {
                let left = """
                    {"file_path_str":"\(server.backend.root)/\(owner)/a.png","name":"a.png","seq":1,"total_size":5000,\
                    "trans_size":2048}
                    """
                try redis.command(["SETEX", "file_upload_a.png", "3600", left])
                try server.place(Array(pattern(2048)), Int64(owner), "a.png")
                try await TestClient.with(server.port) { client async throws in
                    #expect(try await client.upload(all[1]) == 1020)
                    #expect(try await client.upload(all) == 0)
                    #expect(server.bytes(1019, "a.png") == pattern(5000))
                }
                #expect(server.bytes(1020, "a.png").map { $0 == Array(pattern(2048)) } ?? (owner == 1019))
                try redis.command(["DEL", "avatard:upload:1019:a.png"])
            }
        }
    }

    @Test func aTokenWithoutARowIsAnErrorAndNotSilence() async throws {
        try await TestServer.with(.cluster) { server async throws in
            try #require(server.backend.redis).command(["SET", "utoken_5", "token-5"])
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(10), name: "a.png", uid: 5)) == 1011)
            }
        }
    }

    @Test func aStoreThatIsDownIsToldByACodeAndComesBackAndNothingIsLost() async throws {
        try await TestServer.with(.cluster) { server async throws in
            let redis = try #require(server.backend.redis)
            let all = try chunks(of: pattern(8000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[..<2])) == 0)
                #expect(server.storesUp == ["redis": true, "mysql": true])
                redis.stop()
                #expect(try await client.upload(all[2]) == 1013)
                #expect(server.storesUp == ["redis": false, "mysql": true])
                try await TestClient.with(server.port) { other async throws in
                    #expect(try await other.download("a.png", seq: 1).error == 1019)
                }
                try redis.startAgain()
                // Nobody tries a dead store more than four times a second: ask until it has been tried again.
                var error = try await client.upload(all[2])
                let deadline = ContinuousClock.now + .seconds(5)
                while error == 1013, ContinuousClock.now < deadline { error = try await client.upload(all[2]) }
                #expect(error == 0)
                #expect(try await client.upload(all[3]) == 0)
                #expect(try await client.download("a.png") == pattern(8000))
                #expect(server.storesUp == ["redis": true, "mysql": true])
            }
        }
    }

    /// The last chunk puts the file into place and then cannot set the icon: when MariaDB is back, that chunk alone is enough.
    @Test func mariaDBIsDownAtTheLastChunkAndOnlyThatChunkIsSentAgain() async throws {
        try await TestServer.with(.cluster) { server async throws in
            let all = try chunks(of: pattern(8000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                // A connection that is there and ends, and none before: both.
                #expect(try await client.download("b.png", seq: 1).error == 1012)
                #expect(try await client.upload(Array(all[..<3])) == 0)
                try server.backend.cutMySQL()
                #expect(try await client.upload(all[3]) == 1013)
                #expect(try await client.download("b.png", seq: 1).error == 1019)
                try server.backend.connectMySQL()
                var error = try await client.upload(all[3])
                let deadline = ContinuousClock.now + .seconds(5)
                while error == 1013, ContinuousClock.now < deadline { error = try await client.upload(all[3]) }
                #expect(error == 0)
            }
            #expect(try server.icon(of: 1019) == "a.png")
            #expect(server.bytes(1019, "a.png") == pattern(8000))
        }
    }

    /// A Redis that takes requests and never answers costs one wait, not one for every request.
    @Test func aRedisThatHangsIsWaitedForOnceAndComesBack() async throws {
        try await TestServer.with(.cluster) { server async throws in
            let redis = try #require(server.backend.redis)
            let pid = try redis.pid
            let all = try chunks(of: pattern(8000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(all[0]) == 0)
                redis.send(SIGSTOP, to: pid)
                defer { redis.send(SIGCONT, to: pid) }
                let started = ContinuousClock.now
                #expect(try await client.upload(all[1]) == 1013)
                let waited = ContinuousClock.now
                #expect(waited - started < .milliseconds(Limits.Cluster.answerSeconds * 1000 + 1500))
                for _ in 0..<20 { #expect(try await client.upload(all[1]) == 1013) }
                #expect(ContinuousClock.now - waited < .seconds(1))
                #expect(server.storesUp == ["redis": false, "mysql": true])
                redis.send(SIGCONT, to: pid)
                var error = 1013
                let deadline = ContinuousClock.now + .seconds(20)
                while error == 1013, ContinuousClock.now < deadline { error = try await client.upload(all[1]) }
                #expect(error == 0)
                #expect(try await client.upload(Array(all[2...])) == 0)
                #expect(server.storesUp == ["redis": true, "mysql": true])
            }
        }
    }

    /// A socket that accepts and never answers, in the place of each service.
    @Test func servicesThatNeverAnswerAreWaitedForOnce() async throws {
        try await withFolder { folder async throws in
            let socket = folder.appendingPathComponent("s").path
            let silent = try SilentListener(socket)
            defer { silent.close() }
            var redis = ServerSettings.Redis()
            redis.socket = socket
            var mysql = ServerSettings.MySQL()
            mysql.socket = socket
            let cluster = Cluster(redis: redis, mysql: mysql)
            let first = cluster.health()
            #expect(first.redis != nil && first.mysql != nil)
            let waited = ContinuousClock.now
            for _ in 0..<20 { _ = cluster.health() }
            #expect(ContinuousClock.now - waited < .milliseconds(500))
            #expect(cluster.state.allSatisfy { !$0.isUp })
        }
    }

    @Test func healthNamesWhatIsDown() async throws {
        try await TestBackend.with(.cluster) { backend async throws in
            let cluster = try backend.cluster()
            #expect(cluster.health() == (nil, nil))
            backend.redis?.stop()
            #expect(cluster.health().redis?.contains("Redis at") == true)
            #expect(cluster.health().mysql == nil)
        }
    }

    @Test func anUploadBegunOnOneInstanceGoesOnOnAnother() async throws {
        try await TestBackend.with(.cluster) { backend async throws in
            try await TestServer.with(backend) { first async throws in
                try await TestServer.with(backend) { second async throws in
                    let all = try chunks(of: pattern(20_000), name: "a.png")
                    for (index, chunk) in all.enumerated() {
                        let port = index.isMultiple(of: 2) ? first.port : second.port
                        try await TestClient.with(port) { client async throws in
                            #expect(try await client.upload(chunk) == 0)
                        }
                    }
                    try await TestClient.with(first.port) { client async throws in
                        #expect(try await client.download("a.png") == pattern(20_000))
                    }
                }
            }
        }
    }

    /// Two contents under one name through two instances at once: whichever wins, the file is one of them, whole.
    @Test func oneNameFromTwoInstancesDoesNotMix() async throws {
        try await TestBackend.with(.cluster) { backend async throws in
            try await TestServer.with(backend) { first async throws in
                try await TestServer.with(backend) { second async throws in
                    let contents = [pattern(30_000), Array(pattern(40_000).reversed())]
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (port, bytes) in zip([first.port, second.port], contents) {
                            group.addTask {
                                try await TestClient.with(port) { client async throws in
                                    for _ in 0..<20 {
                                        if try await client.upload(try chunks(of: bytes, name: "a.png")) == 0 { return }
                                    }
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                    let stored = try #require(first.bytes(1019, "a.png"))
                    #expect(contents.contains(stored))
                }
            }
        }
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }
}

/// A Unix socket whose kernel takes connections, and behind which nobody is.
private struct SilentListener {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let isListening = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 && listen(descriptor, 64) == 0
            }
        }
        guard isListening else { throw POSIXError(.EADDRINUSE) }
    }

    func close() { _ = Glibc.close(descriptor) }
}
