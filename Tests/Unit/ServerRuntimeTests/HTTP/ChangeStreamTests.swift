import AvatarCore
import Foundation
import ServerRuntime
import TestPictures
import Testing

/// `/v1/changes`, followed by curl over TLS.
@Suite struct ChangeStreamTests {
    private static let versions = ["--http1.1", "--http2"]

    private func user(_ value: Int64) throws -> UserID { try #require(UserID(value)) }

    private func put(_ front: TestFront, _ user: Int64, _ name: String, seed: UInt8 = 0) async throws {
        let picture = try TestPictures.padded(.png, to: 5000, seed: seed)
        #expect(try await front.curl("/v1/users/\(user)/avatars/\(name)", as: user, upload: picture).status / 100 == 2)
    }

    private func content(_ byte: UInt8) throws -> FileContent {
        FileContent(
            sha256: try #require(SHA256Digest(bytes: Array(repeating: byte, count: 32))), format: .png,
            stamp: FileStamp(inode: 1, size: 5, modified: 1))
    }

    @Test(arguments: StoreKind.allCases, versions)
    func whoFollowsIsToldOfChanges(kind: StoreKind, version: String) async throws {
        try await TestFront.with(kind) { front async throws in
            let reader = try ChangeReader(front, "/v1/changes?user=1019", as: 1020, [version])
            let log = try front.server.backend.stores().avatars.logRange()
            #expect(await reader.next() == .init(id: "\(log.epoch).0", name: "ready", data: "{}"))
            try await put(front, 1019, "a.png")
            let told = await reader.next()
            #expect(told?.id == "\(log.epoch).1")
            #expect(told?.name == "avatar")
            let tag = try await front.curl("/v1/users/1019/avatar", as: 1020, ["-I"]).fields["etag"] ?? ""
            let sha256 = tag.dropFirst().dropLast()
            #expect(
                told?.data
                    == #"{"user":1019,"name":"a.png","sha256":"\#(sha256)","size":5000,"type":"image/png","generation":1}"#
            )
            // One's own changes come too, and a removal.
            try await put(front, 1020, "b.png")
            #expect(await reader.next()?.data.hasPrefix(#"{"user":1020,"name":"b.png""#) == true)
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1019, ["-X", "DELETE"]).status == 204)
            #expect(await reader.next()?.data == #"{"user":1019,"removed":true,"generation":2}"#)
        }
    }

    @Test func aChangeByAnotherInstanceIsTold() async throws {
        try await TestFront.with(.cluster) { front async throws in
            let reader = try ChangeReader(front, "/v1/changes?user=1019", as: 1020, [])
            #expect(await reader.next()?.name == "ready")
            let other = try front.server.backend.stores().avatars
            #expect(try other.setAvatar(AvatarName("a.png"), content(1), of: user(1019), .uploaded) != nil)
            #expect(await reader.next()?.data.hasPrefix(#"{"user":1019,"name":"a.png""#) == true)
        }
    }

    @Test(arguments: StoreKind.allCases) func aStreamGoesOnWhereTheLastOneEnded(kind: StoreKind) async throws {
        try await TestFront.with(kind) { front async throws in
            var reader = try ChangeReader(front, "/v1/changes?user=1019", as: 1020, [])
            let ready = try #require(await reader.next())
            try await put(front, 1019, "a.png")
            try await put(front, 1020, "b.png")
            try await put(front, 1019, "c.png")
            let path = "/v1/changes?user=1019"
            reader = try ChangeReader(front, path, as: 1020, ["-H", "Last-Event-ID: \(ready.id)"])
            for name in ["a.png", "b.png", "c.png"] {
                #expect(await reader.next()?.data.contains("\"name\":\"\(name)\"") == true)
            }
            let end = try #require(await reader.next())
            #expect(end.name == "ready")
            reader = try ChangeReader(front, path, as: 1019, ["-H", "Last-Event-ID: \(end.id)"])
            #expect(await reader.next() == end, "nothing was missed")
            try await put(front, 1019, "d.png")
            #expect(await reader.next()?.data.contains("\"name\":\"d.png\"") == true)
        }
    }

    @Test(arguments: StoreKind.allCases) func whatTheLogCannotTellIsAReset(kind: StoreKind) async throws {
        try await TestFront.with(kind) { front async throws in
            let avatars = try front.server.backend.avatars(changesKept: 2)
            for byte in UInt8(1)...5 {
                _ = try avatars.setAvatar(AvatarName("a.png"), content(byte), of: user(1019), .uploaded)
            }
            let epoch = try avatars.logRange().epoch
            for (id, isReset) in [
                ("\(epoch).0", true), ("\(epoch).2", true), ("\(epoch).3", false), ("\(epoch).6", true), ("x.5", true),
                ("nonsense", true),
            ] {
                let reader = try ChangeReader(
                    front, "/v1/changes?user=1019", as: 1020, ["-H", "Last-Event-ID: \(id)"])
                if isReset {
                    #expect(await reader.next() == .init(id: "\(epoch).5", name: "reset", data: "{}"), "\(id)")
                } else {
                    #expect(await reader.next()?.id == "\(epoch).4")
                    #expect(await reader.next()?.id == "\(epoch).5")
                }
                #expect(await reader.next() == .init(id: "\(epoch).5", name: "ready", data: "{}"), "\(id)")
            }
        }
    }

    @Test func aListOfUsersMayBePosted() async throws {
        try await TestFront.with { front async throws in
            let list = #"{"users": [1019]}"#
            let reader = try ChangeReader(front, "/v1/changes", as: 1020, ["-d", list])
            #expect(await reader.next()?.name == "ready")
            try await put(front, 1019, "a.png")
            #expect(await reader.next()?.name == "avatar")
            let long = [UInt8](repeating: 0x20, count: Limits.Changes.bodyBytesMax + 1)
            #expect(try await front.curl("/v1/changes", as: 1020, ["-X", "POST"], upload: long).status == 413)
            for (options, status) in [
                (["-d", "users"], 400), (["-d", "{}"], 400), (["-d", #"{"users": [0]}"#], 400),
                (["-X", "PUT"], 405),
            ] {
                #expect(try await front.curl("/v1/changes", as: 1020, options).status == status)
            }
            #expect(try await front.curl("/v1/changes?user=x", as: 1020).status == 400)
            #expect(try await front.curl("/v1/changes?user=1019").status == 401)
        }
    }

    @Test func changesOfPublicAvatarsNeedNoLogin() async throws {
        var settings = ServerSettings()
        settings.http.publicAvatars = true
        try await TestFront.with(.embedded, settings) { front async throws in
            let reader = try ChangeReader(front, "/v1/changes?user=1019", as: nil, [])
            #expect(await reader.next()?.name == "ready")
            try await put(front, 1019, "a.png")
            #expect(await reader.next()?.name == "avatar")
            #expect(try await front.curl("/v1/changes").status == 400, "nobody to follow")
            #expect(try await front.curl("/v1/changes", ["-u", "1020:wrong"]).status == 401)
        }
    }

    @Test(arguments: StoreKind.allCases, versions)
    func aStreamEndsWithItsToken(kind: StoreKind, version: String) async throws {
        try await TestFront.with(kind, heartbeat: .milliseconds(20)) { front async throws in
            let reader = try ChangeReader(front, "/v1/changes?user=1019", as: 1020, [version])
            let other = try ChangeReader(front, "/v1/changes?user=1020", as: 1019, [version])
            #expect(await reader.next()?.name == "ready")
            #expect(await other.next()?.name == "ready")
            try front.server.backend.replaceToken(of: 1020, with: "another")
            #expect(await reader.next()?.name == "status")
            #expect(await reader.next() == nil)
            try await put(front, 1019, "a.png")
            #expect(await other.next()?.name == "avatar", "others go on")
        }
    }

    @Test func nobodyHasAnyNumberOfStreams() async throws {
        try await TestFront.with { front async throws in
            var readers: [ChangeReader] = []
            for _ in 0..<Limits.Changes.streamsPerUserMax {
                let reader = try ChangeReader(front, "/v1/changes", as: 1020, [])
                #expect(await reader.next()?.name == "ready")
                readers.append(reader)
            }
            let refused = try await front.curl("/v1/changes", as: 1020)
            #expect(refused.status == 429)
            #expect(refused.fields["retry-after"] != nil)
            #expect(try await front.curl("/v1/me", as: 1020).status == 200)
            withExtendedLifetime(readers) {}
        }
    }

    @Test func streamsEndWhenTheServerStops() async throws {
        try await withFolder { folder async throws in
            let portFile = folder.appendingPathComponent("http")
            let server = try ServerProcess(
                folder: folder,
                flags: [
                    "--http-plaintext", "true", "--http-public-avatars", "true", "--http-listen-port", "0",
                    "--http-port-file", portFile.path,
                ])
            let port = try String(contentsOf: portFile, encoding: .utf8).dropLast()
            let reader = try ChangeReader(url: "http://127.0.0.1:\(port)/v1/changes?user=7", [])
            #expect(await reader.next()?.name == "ready")
            #expect(server.terminate() == 0)
            #expect(await reader.next() == .init(id: "200", name: "status", data: ""))
            #expect(await reader.next() == nil)
        }
    }
}
