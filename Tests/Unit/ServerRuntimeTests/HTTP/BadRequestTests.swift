import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import TestPictures
import Testing

/// Requests that nobody should send, each with its answer, and the good client beside them unharmed. What breaks HTTP itself is
/// in ``RawRequestTests`` and ``MalformedHTTP2Tests``.
@Suite struct BadRequestTests {
    private struct Case {
        let path: String
        var options: [String] = []
        var body: [UInt8]?
        let status: Int
        /// Shows no login of its own.
        var isStranger = false

        init(_ path: String, _ status: Int, _ fields: [String] = [], method: String? = nil, body: [UInt8]? = nil) {
            self.path = path
            self.status = status
            self.body = body
            options = fields.flatMap { ["-H", $0] } + (method.map { ["-X", $0] } ?? [])
            isStranger = fields.contains { $0.hasPrefix("Authorization") }
        }
    }

    private static let avatar = "/v1/users/1019/avatar"
    private static let file = "/v1/users/1019/avatars/x.png"
    private static let uploads = "/v1/users/1019/uploads"

    private static var paths: [Case] {
        let unknown = [
            "/", "//", "/v1", "/v1/me/", "/v1//me", "/V1/me", "/v1/%6De", "/v1/me;x=1", "/v1/me%00", "/healthz/",
            "\(avatar)/", "/v1/users/1019/../1019/avatar", "/v1/users/1019/avatars/a/b", "/v1/avatars/a/b",
            "/v1/users/1019/avatars/%252e%252e", "/v1/users/1019/avatars/none.png", "/v1/avatars/none.png",
            "/v1/users/77/avatar", "\(uploads)/x", "\(uploads)/zz/-/a.png",
        ]
        let users = [
            "", "0", "-1", "+7", "01019", "1019a", "%31", "1e3", "9223372036854775808", "99999999999999999999",
        ]
        let names = [
            "", "..", ".", "%2e", "%2e%2e", "a%2Fb.png", "a%00.png", "a%0Ab", "%FF.png", "%C0%AF", "%ED%A0%80", "%zz",
            "%",
            "%4", String(repeating: "n", count: 300),
        ]
        return unknown.map { Case($0, 404) } + users.map { Case("/v1/users/\($0)/avatar", 400) }
            + names.flatMap { [Case("/v1/users/1019/avatars/\($0)", 400), Case("/v1/avatars/\($0)", 400)] }
            + ["0", "abc", "", "1&user=-5", "%31"].map { Case("/v1/changes?user=\($0)", 400) }
    }

    private static var methods: [Case] {
        [
            (avatar, "PUT"), (avatar, "POST"), (avatar, "PATCH"), (file, "DELETE"), (file, "POST"), (file, "PATCH"),
            ("/v1/me", "DELETE"), ("/v1/me", "TRACE"), ("/healthz", "POST"), ("/readyz", "DELETE"), (file, "PROPFIND"),
            ("/v1/changes", "PUT"), ("/v1/avatars/x.png", "PUT"), ("/v1/me", "OPTIONS"),
        ].map { Case($0.0, 405, method: $0.1) }
    }

    private static func conditions(_ tag: String) -> [Case] {
        let ignored = [
            "bytes=0-0,2-3", "bytes=0-1, 1-2", "bytes=0-,-1", "bytes=9-1", "bytes=x", "bytes=-", "bytes=--5",
            "bytes=1-2-3", "bytes=+1-2", "bytes= 0-1", "bytes=0 - 1", "bytes", "bytes=0x0-0x5", "bytes=1.5-2",
            "bytes=\u{663}-\u{664}", "lines=1-2", "bytes=" + String(repeating: "0-0,", count: 500),
        ]
        let parts = ["bytes=0-99999999999999999999", "bytes=-99999999999999999999", "bytes=4999-", "bytes=0-0"]
        let beyond = ["bytes=5000-", "bytes=99999999999999999999-", "bytes=9223372036854775807-", "bytes=-0"]
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        return ignored.map { Case(avatar, 200, ["Range: \($0)"]) } + parts.map { Case(avatar, 206, ["Range: \($0)"]) }
            + beyond.map { Case(avatar, 416, ["Range: \($0)"]) } + [
                Case(avatar, 200, ["Range: bytes=0-1", "Range: bytes=2-3"]),
                Case(avatar, 200, ["Range: bytes=0-1", "If-Range: \"other\""]),
                Case(avatar, 200, ["Range: bytes=0-1", "If-Range: W/\(tag)"]),
                Case(avatar, 200, ["Range: bytes=0-1", "If-Range: \(date)"]),
                Case(avatar, 412, ["If-Match: \"0\""]), Case(avatar, 412, ["If-Match: W/\(tag)"]),
                Case(avatar, 412, ["If-Match;"]), Case(avatar, 412, ["If-Match: \"a\", \"b\""]),
                Case(avatar, 304, ["If-None-Match: \"a\", , \(tag)"]), Case(avatar, 304, ["If-None-Match: *"]),
                Case(avatar, 200, ["If-None-Match: \(tag.dropFirst().dropLast())"]),
                Case(avatar, 200, ["If-None-Match: ,"]), Case(avatar, 200, ["If-Modified-Since: yesterday"]),
            ]
    }

    private static var logins: [Case] {
        func basic(_ bytes: [UInt8]) -> String { "Authorization: Basic " + Data(bytes).base64EncodedString() }
        let right = basic(Array("1019:token-1019".utf8))
        let wrong: [[String]] = [
            ["Authorization: Basic"], ["Authorization: Basic !!!"], ["Authorization: Bearer x"], ["Authorization;"],
            ["Authorization: Digest username=\"1019\""], [basic(Array("1019".utf8))], [basic(Array("ada:".utf8))],
            [basic(Array("0:x".utf8))], [basic(Array("99999999999999999999:x".utf8))], [basic([0xFF, 0x3A])],
            [basic(Array("1019:".utf8))], [basic(Array("1019:token-1019\0".utf8))],
            [basic(Array(repeating: 0x31, count: 9000))], [right, right],
        ]
        return wrong.map { Case("/v1/me", 401, $0) }
    }

    private static func pictures(_ picture: [UInt8]) -> [Case] {
        let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        let digests = [
            "sha-256=:AAAA:", "md5=:AAAA:", "sha-512=:\(other):", "SHA-256=:\(other):", "sha-256=::", "sha-256=:!!!!:",
            "sha-256=:\(other)", "sha-256=\(other)", "sha-256=:\(other)AA==:", "",
        ]
        return digests.map { Case(file, 400, [$0.isEmpty ? "Repr-Digest;" : "Repr-Digest: \($0)"], body: picture) } + [
            Case(file, 422, ["Repr-Digest: sha-256=:\(other):"], body: picture),
            Case(file, 422, ["Repr-Digest: md5=:AAAA:, sha-256=:\(other):"], body: picture),
            Case(file, 415, body: []), Case(file, 415, body: Array("no picture".utf8)),
            Case(file, 415, body: picture.dropLast(20)),
            Case(file, 415, ["Content-Encoding: gzip"], body: picture),
            Case(file, 400, ["Content-Range: bytes 0-4999/5000"], body: picture),
            Case(file, 412, ["If-Match: \"0\""], body: picture), Case(file, 412, ["If-Match: *"], body: picture),
            Case("/v1/users/1019/avatars/good.png", 412, ["If-None-Match: *"], body: picture),
            Case(file, 413, body: [UInt8](repeating: 1, count: 9_000_000)),
            Case("/v1/users/1019/avatars/%2e%2e", 400, body: picture),
            Case("/v1/users/1020/avatars/x.png", 404, body: picture),
            Case("/v1/users/1020/avatar", 404, method: "DELETE"),
        ]
    }

    private static func pieces(_ location: String) -> [Case] {
        let version = "Tus-Resumable: 1.0.0"
        let (length, name) = ("Upload-Length: 5000", "Upload-Metadata: filename eC5wbmc=")
        let type = "Content-Type: application/offset+octet-stream"
        let lengths: [(String, Int)] = [
            ("-1", 400), ("+5", 400), ("1e3", 400), ("0x10", 400), ("5, 5", 400), ("", 400),
            ("99999999999999999999", 400),
            ("9000000", 413), ("0", 415),
        ]
        let metadata = [
            "filename", "filename !!!", "filename Li4=", "filename YS9i", "filename", "sha256 YQ==",
            "filename YS5wbmc=,sha256 YQ==", "filename YS5wbmc=,filename Yi5wbmc=", "other YQ==", ",,,",
        ]
        let posts: [Case] =
            [
                Case(uploads, 412, [length, name], method: "POST"),
                Case(uploads, 412, ["Tus-Resumable: 0.2.2", length, name], method: "POST"),
                Case(uploads, 400, [version, name], method: "POST"),
                Case(uploads, 400, [version, "Upload-Defer-Length: 1", name], method: "POST"),
                Case(uploads, 400, [version, length, length, name], method: "POST"),
                Case(uploads, 400, [version, length], method: "POST"),
                Case("/v1/users/1020/uploads", 404, [version, length, name], method: "POST"),
                Case(uploads, 405, [version], method: "PUT"),
            ]
            + lengths.map { Case(uploads, $0.1, [version, "Upload-Length: \($0.0)", name], method: "POST") }
            + metadata.map { Case(uploads, 400, [version, length, "Upload-Metadata: \($0)"], method: "POST") }
        let piece = Array("piece".utf8)
        func patch(_ status: Int, _ fields: [String], path: String = location, body: [UInt8]? = nil) -> Case {
            Case(path, status, fields, method: "PATCH", body: body ?? piece)
        }
        let start = [version, type, "Upload-Offset: 0"]
        let sum = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        return posts + [
            patch(412, [type, "Upload-Offset: 0"]), patch(415, [version, "Upload-Offset: 0"]),
            patch(415, [version, "Content-Type: image/png", "Upload-Offset: 0"]), patch(400, [version, type]),
            patch(400, [version, type, "Upload-Offset: -1"]), patch(400, [version, type, "Upload-Offset: 0, 0"]),
            patch(409, [version, type, "Upload-Offset: 5"]),
            patch(409, [version, type, "Upload-Offset: 9223372036854775807"]),
            patch(400, start + ["Upload-Checksum: md5 AAAA"]), patch(400, start + ["Upload-Checksum: sha256 AAAA"]),
            patch(400, start + ["Upload-Checksum: sha256"]), patch(460, start + ["Upload-Checksum: sha256 \(sum)"]),
            patch(413, start, body: [UInt8](repeating: 1, count: 6000)),
            patch(404, start, path: location.replacing("/1019/", with: "/1020/")),
            patch(404, start, path: location.replacing("/-/", with: "/x/")),
            Case(location, 405, [version], method: "POST"), Case(location, 405, [version]),
            Case(location, 412, method: "DELETE"),
        ]
    }

    private static var lists: [Case] {
        let many = "[" + (1...10_001).map { "\($0)" }.joined(separator: ",") + "]"
        let bodies = [
            "nonsense", "[]", "{}", "{\"users\":5}", "{\"users\":[\"x\"]}", "{\"users\":[0]}", "{\"users\":[1.5]}",
            "{\"users\":[1e999]}", "{\"users\":[7]", "{\"users\":\(many)}", String(repeating: "[", count: 100_000),
        ]
        return bodies.map { Case("/v1/changes", 400, method: "POST", body: Array($0.utf8)) } + [
            Case("/v1/changes", 413, method: "POST", body: [UInt8](repeating: 0x20, count: 300_000))
        ]
    }

    @Test(arguments: ["--http1.1", "--http2"]) func eachHasItsAnswerAndHarmsNobody(version: String) async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            let tag = "\"\(try SHA256Digest(of: picture.span.bytes).hex)\""
            #expect(try await front.curl("/v1/users/1019/avatars/good.png", as: 1019, upload: picture).status == 201)
            let begun = try await front.curl(
                Self.uploads, as: 1019,
                ["-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Length: 5000"]
                    + ["-H", "Upload-Metadata: filename eC5wbmc="])
            let location = try #require(begun.fields["location"])
            let cases =
                Self.paths + Self.methods + Self.conditions(tag) + Self.logins + Self.pictures(picture)
                + Self.pieces(location) + Self.lists
            #expect(cases.count > 200)
            for bad in cases {
                let answer = try await front.curl(
                    bad.path, as: bad.isStranger ? nil : 1019, [version] + bad.options, upload: bad.body)
                let words: Comment = "\("\(bad)".prefix(500))"
                #expect(answer.status == bad.status, words)
                if answer.status >= 400 {
                    #expect(answer.fields["content-type"] == "application/problem+json", words)
                }
                #expect(answer.fields["x-content-type-options"] == "nosniff", words)
            }
            #expect(front.server.bytes(1019, "x.png") == nil)
            let good = try await front.curl("/v1/users/1019/avatar", as: 1020, [version])
            #expect(good.body == picture)
            #expect(good.fields["avatar-generation"] == "1")
        }
    }
}
