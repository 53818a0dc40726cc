import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import TestPictures
import Testing

/// The HTTP front, asked by curl over TLS.
@Suite struct FrontTests {
    private static let versions = ["--http1.1", "--http2"]

    private func digest(_ bytes: [UInt8]) throws -> SHA256Digest { try SHA256Digest(of: bytes.span.bytes) }

    private func reprDigest(_ bytes: [UInt8]) throws -> [String] {
        ["-H", "Repr-Digest: sha-256=:\(Data(try digest(bytes).bytes).base64EncodedString()):"]
    }

    @Test(arguments: StoreKind.allCases, versions)
    func aPictureGoesUpAndDown(kind: StoreKind, version: String) async throws {
        try await TestFront.with(kind) { front async throws in
            let picture = try TestPictures.padded(.png, to: 200_000)
            let path = "/v1/users/1019/avatars/k%C3%B6pf.png"
            let put = try await front.curl(path, as: 1019, [version] + reprDigest(picture), upload: picture)
            #expect(put.status == 201)
            #expect(put.fields["location"] == path)
            #expect(front.server.bytes(1019, "köpf.png") == picture)
            let again = try await front.curl(path, as: 1019, [version] + reprDigest(picture), upload: picture)
            #expect(again.status == 204)
            // A friend sees it, whatever its name is.
            let got = try await front.curl("/v1/users/1019/avatar", as: 1020, [version])
            #expect(got.status == 200)
            #expect(got.body == picture)
            #expect(got.fields["content-type"] == "image/png")
            #expect(got.fields["content-location"] == path)
            #expect(got.fields["content-length"] == "200000")
            #expect(got.fields["etag"] == "\"\(try digest(picture).hex)\"")
            #expect(got.fields["avatar-generation"] == "1")
            #expect(got.fields["cache-control"] == "private, no-cache")
            #expect(got.fields["x-content-type-options"] == "nosniff")
            #expect(got.fields["content-security-policy"] == "default-src 'none'; sandbox")
            let head = try await front.curl(path, as: 1020, [version, "-I"])
            #expect(head.status == 200)
            #expect(head.fields["content-length"] == "200000")
            let removed = try await front.curl("/v1/users/1019/avatar", as: 1019, [version, "-X", "DELETE"])
            #expect(removed.status == 204)
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1020, [version]).status == 404)
            #expect(try await front.curl(path, as: 1020, [version]).status == 404, "it is nobody's avatar any more")
            #expect(try await front.curl(path, as: 1019, [version]).body == picture, "the file stays, for its user")
        }
    }

    /// They are put into place together, and come one after the other all the same.
    @Test(arguments: StoreKind.allCases) func manyOfOnesPicturesGoUpAtOnce(kind: StoreKind) async throws {
        try await TestFront.with(kind) { front async throws in
            let count = 24
            try await withThrowingTaskGroup { uploads in
                for number in 0..<count {
                    uploads.addTask {
                        let picture = try TestPictures.padded(.png, to: 3_000, seed: UInt8(number))
                        let path = "/v1/users/1019/avatars/\(number).png"
                        let put = try await front.curl(path, as: 1019, try reprDigest(picture), upload: picture)
                        #expect(put.status == 201)
                        #expect(front.server.bytes(1019, "\(number).png") == picture)
                    }
                }
                try await uploads.waitForAll()
            }
            let changes = try await front.server.avatars.changes(after: 0, limit: 100)
            #expect(changes.map(\.generation) == Array(1...Int64(count)))
            let current = try await front.server.avatars.avatar(of: try #require(UserID(1019)))
            #expect(current?.name == changes.last?.avatar?.name)
            #expect(current?.generation == Int64(count))
        }
    }

    @Test func ofPicturesThatEndTogetherEachHasItsOwnAnswer() async throws {
        var settings = ServerSettings()
        settings.quotaBytesPerUser = 10_000
        try await TestFront.with(.embedded, settings) { front async throws in
            // Three fit.
            let statuses = try await withThrowingTaskGroup { uploads in
                for number in 0..<8 {
                    uploads.addTask {
                        let picture = try TestPictures.padded(.png, to: 3_000, seed: UInt8(number))
                        return try await front.curl("/v1/users/1019/avatars/\(number).png", as: 1019, upload: picture)
                            .status
                    }
                }
                return try await uploads.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(Set(statuses) == [201, 507])
            #expect(statuses.count { $0 == 201 } <= 3)
        }
    }

    @Test(arguments: versions) func aPictureIsGoneOnWithAndNotSentTwice(version: String) async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.webp, to: 100_000)
            #expect(try await front.curl("/v1/users/1019/avatars/a.webp", as: 1019, upload: picture).status == 201)
            let path = "/v1/users/1019/avatar"
            let tag = "\"\(try digest(picture).hex)\""
            let rest = try await front.curl(path, as: 1020, [version, "-r", "60000-", "-H", "If-Range: \(tag)"])
            #expect(rest.status == 206)
            #expect(rest.fields["content-range"] == "bytes 60000-99999/100000")
            #expect(rest.body == Array(picture[60_000...]))
            let other = try await front.curl(path, as: 1020, [version, "-r", "60000-", "-H", "If-Range: \"0\""])
            #expect(other.status == 200)
            #expect(other.body == picture)
            let known = try await front.curl(path, as: 1020, [version, "-H", "If-None-Match: \(tag)"])
            #expect(known.status == 304)
            #expect(known.body.isEmpty)
            let behind = try await front.curl(path, as: 1020, [version, "-r", "100000-"])
            #expect(behind.status == 416)
            #expect(behind.fields["content-range"] == "bytes */100000")
        }
    }

    @Test(arguments: StoreKind.allCases) func bothFrontsAnswerFromTheSameStores(kind: StoreKind) async throws {
        try await TestFront.with(kind) { front async throws in
            let (first, second) = (try TestPictures.padded(.png, to: 5000), try TestPictures.padded(.jpeg, to: 6000))
            try await TestClient.with(front.server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: first, name: "a.png")) == 0)
            }
            let got = try await front.curl("/v1/users/1019/avatar", as: 1020)
            #expect(got.body == first)
            #expect(got.fields["etag"] == "\"\(try digest(first).hex)\"")
            #expect(try await front.curl("/v1/users/1019/avatars/b.jpg", as: 1019, upload: second).status == 201)
            #expect(try front.server.icon(of: 1019) == "b.jpg")
            #expect(front.server.bytes(1019, "b.jpg") == second)
            let changes = try front.server.backend.stores().avatars.changes(after: 0, limit: 10)
            #expect(changes.map { $0.avatar?.name.string } == ["a.png", "b.jpg"])
        }
    }

    @Test(arguments: StoreKind.allCases) func aFileOfAnotherServerIsTakenInWhenItIsAskedFor(kind: StoreKind)
        async throws
    {
        try await TestFront.with(kind) { front async throws in
            let (old, new) = (try TestPictures.padded(.png, to: 5000), try TestPictures.padded(.png, to: 5000, seed: 1))
            #expect(try await front.curl("/v1/users/1019/avatars/a.png", as: 1019, upload: old).status == 201)
            // Another server writes the file anew, under its name.
            try FileManager.default.removeItem(at: front.server.file(1019, "a.png"))
            try front.server.place(new, 1019, "a.png")
            for _ in 0..<2 {
                let got = try await front.curl("/v1/users/1019/avatar", as: 1020)
                #expect(got.body == new)
                #expect(got.fields["etag"] == "\"\(try digest(new).hex)\"")
                #expect(got.fields["avatar-generation"] == "2")
            }
            let changes = try front.server.backend.stores().avatars.changes(after: 1, limit: 10)
            #expect(try changes.map { $0.avatar?.sha256 } == [digest(new)])
        }
    }

    @Test func refusalsComeBeforeTheBody() async throws {
        let settings = ServerSettings(uploadBytesMax: 10_000, quotaBytesPerUser: 6000)
        try await TestFront.with(.embedded, settings) { front async throws in
            let (small, large) = (try TestPictures.padded(.png, to: 5000), try TestPictures.padded(.png, to: 20_000))
            let path = "/v1/users/1019/avatars/a.png"
            let expecting = [
                "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "15", "-w", "%{size_upload}",
            ]
            let taken = try await front.curl(path, as: 1019, expecting, upload: small)
            #expect(taken.status == 201)
            #expect(taken.output == "5000")
            let refusals: [(path: String, options: [String], picture: [UInt8], status: Int)] = [
                (path, try reprDigest(small), small, 204), (path, ["-H", "If-None-Match: *"], small, 412),
                (path, [], large, 413), ("/v1/users/1019/avatars/b.png", [], small, 507),
                ("/v1/users/1020/avatars/a.png", [], small, 404),
            ]
            for refusal in refusals {
                let options = expecting + refusal.options
                let answer = try await front.curl(refusal.path, as: 1019, options, upload: refusal.picture)
                #expect(answer.status == refusal.status)
                #expect(answer.output == "0", "bytes sent for a \(refusal.status)")
            }
        }
    }

    @Test func aUsersFilesStayWithinTheQuota() async throws {
        try await TestFront.with(.embedded, ServerSettings(quotaBytesPerUser: 12_000)) { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            for (name, status) in [("a.png", 201), ("b.png", 201), ("c.png", 507), ("a.png", 201), ("c.png", 507)] {
                #expect(
                    try await front.curl("/v1/users/1019/avatars/\(name)", as: 1019, upload: picture).status == status)
            }
        }
    }

    @Test func publicAvatarsNeedNoLogin() async throws {
        var settings = ServerSettings()
        settings.http.publicAvatars = true
        try await TestFront.with(.embedded, settings) { front async throws in
            let picture = try TestPictures.padded(.gif, to: 5000)
            for name in ["a.gif", "b.gif"] {
                #expect(try await front.curl("/v1/users/1019/avatars/\(name)", as: 1019, upload: picture).status == 201)
            }
            for path in ["/v1/users/1019/avatar", "/v1/users/1019/avatars/b.gif"] {
                let got = try await front.curl(path)
                #expect(got.body == picture)
                #expect(got.fields["cache-control"] == "public, max-age=60, stale-while-revalidate=600")
            }
            #expect(try await front.curl("/v1/users/1019/avatars/a.gif").status == 404, "it is no avatar now")
            #expect(try await front.curl("/v1/users/1019/avatars/a.gif", as: 1019).status == 200)
            #expect(try await front.curl("/v1/me").status == 401)
        }
    }

    @Test func aProxyInFrontNeedsNoTLS() async throws {
        var settings = ServerSettings()
        settings.http.isPlaintext = true
        try await TestFront.with(.embedded, settings) { front async throws in
            let me = try await front.curl("/v1/me", as: 1019)
            #expect(me.status == 200)
            #expect(
                String(decoding: me.body, as: UTF8.self) == #"{"user":1019,"version":"1.2.3","uploadBytesMax":8388608}"#
            )
            // The limit of wrong logins is for the address that the proxy names.
            let proxied = ["-H", "X-Forwarded-For: 192.0.2.1"]
            for number in 0..<Limits.HTTP.wrongLoginsMax {
                #expect(try await front.curl("/v1/me", ["-u", "1019:no-\(number)"] + proxied).status == 401)
            }
            let limited = try await front.curl("/v1/me", as: 1019, proxied)
            #expect(limited.status == 429)
            #expect(limited.fields["retry-after"].flatMap { Int($0) } ?? 0 > 0)
            #expect(try await front.curl("/v1/me", as: 1019, ["-H", "X-Forwarded-For: 192.0.2.2"]).status == 200)
        }
    }

    @Test func aStoreThatIsDownIsSaidSo() async throws {
        try await TestFront.with(.cluster) { front async throws in
            #expect(try await front.curl("/readyz").status == 204)
            try front.server.backend.cutMySQL()
            let answer = try await front.curl("/v1/users/1019/avatar", as: 1019)
            #expect(answer.status == 503)
            #expect(answer.fields["retry-after"] == "5")
            #expect(try await front.curl("/readyz").status == 503)
            #expect(try await front.curl("/healthz").status == 204)
        }
    }
}
