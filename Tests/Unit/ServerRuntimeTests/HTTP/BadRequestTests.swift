import AvatarCore
import ServerRuntime
import TestPictures
import Testing

/// Requests that nobody should send, each with its answer, and the good client beside them unharmed.
@Suite struct BadRequestTests {
    private struct Case {
        let path: String
        var options: [String] = []
        var body: [UInt8]?
        let status: Int
    }

    private static func field(_ text: String) -> [String] { ["-H", text] }

    private static func cases(_ picture: [UInt8]) -> [Case] {
        let file = "/v1/users/1019/avatars/x.png"
        let avatar = "/v1/users/1019/avatar"
        let paths: [(String, Int)] = [
            ("/", 404), ("//", 404), ("/v1", 404), ("/v1/me/", 404), ("/v1//me", 404), ("/v1/users/1019/avatar/", 404),
            ("/v1/users/1019/../1019/avatar", 404), ("/v1/users/1019/avatars/a/b", 404), ("/v1/users//avatar", 400),
            ("/v1/users/0/avatar", 400), ("/v1/users/-1/avatar", 400), ("/v1/users/01019/avatar", 400),
            ("/v1/users/99999999999999999999/avatar", 400), ("/v1/users/1019/avatars/", 400),
            ("/v1/users/1019/avatars/..", 400), ("/v1/users/1019/avatars/%2e%2e", 400),
            ("/v1/users/1019/avatars/a%2Fb.png", 400), ("/v1/users/1019/avatars/a%00.png", 400),
            ("/v1/users/1019/avatars/%FF.png", 400), ("/v1/users/1019/avatars/%C0%AF", 400),
            ("/v1/users/1019/avatars/%zz", 400), ("/v1/users/1019/avatars/%", 400),
            ("/v1/users/1019/avatars/%252e%252e", 404), ("/v1/users/1019/avatars/none.png", 404),
            ("/v1/users/77/avatar", 404), ("/v1/users/1019/avatars/" + String(repeating: "n", count: 300), 400),
        ]
        let methods: [(String, String)] = [
            (avatar, "PUT"), (avatar, "POST"), (file, "DELETE"), (file, "POST"), (file, "PATCH"), ("/v1/me", "DELETE"),
            ("/healthz", "POST"), (file, "PROPFIND"),
        ]
        let ranges = [
            "bytes=0-0,2-3", "bytes=9-1", "bytes=x", "lines=1-2", "bytes=" + String(repeating: "0-0,", count: 500),
        ]
        let logins = [
            "Authorization: Basic", "Authorization: Basic !!!", "Authorization: Bearer x",
            "Authorization: Basic MTAxOQ==",
            "Authorization: Basic YWRhOng=",
        ]
        return paths.map { Case(path: $0.0, status: $0.1) }
            + methods.map { Case(path: $0.0, options: ["-X", $0.1], status: 405) }
            + ranges.map { Case(path: avatar, options: field("Range: \($0)"), status: 200) }
            + logins.map { Case(path: "/v1/me", options: field($0), status: 401) } + [
                Case(path: avatar, options: field("Range: bytes=99999999999999999999-"), status: 416),
                Case(path: avatar, options: field("Range: bytes=-0"), status: 416),
                Case(path: avatar, options: field("If-Match: \"0\""), status: 412),
                Case(path: file, body: [], status: 415),
                Case(path: file, body: Array("no picture".utf8), status: 415),
                Case(path: file, body: picture.dropLast(20), status: 415),
                Case(path: file, options: field("Repr-Digest: sha-256=:AAAA:"), body: picture, status: 400),
                Case(path: file, options: field("Repr-Digest: md5=:AAAA:"), body: picture, status: 400),
                Case(
                    path: file, options: field("Repr-Digest: sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:"),
                    body: picture, status: 422),
                Case(
                    path: file, options: field("Transfer-Encoding: chunked") + ["--http1.1"], body: picture, status: 411
                ),
                Case(path: file, options: field("If-Match: \"0\""), body: picture, status: 412),
                Case(path: "/v1/users/1020/avatars/x.png", body: picture, status: 404),
                Case(path: "/v1/users/1020/avatar", options: ["-X", "DELETE"], status: 404),
            ]
    }

    @Test(arguments: ["--http1.1", "--http2"]) func eachHasItsAnswerAndHarmsNobody(version: String) async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            #expect(try await front.curl("/v1/users/1019/avatars/good.png", as: 1019, upload: picture).status == 201)
            for bad in Self.cases(picture) {
                let isLogin = bad.options.contains { $0.hasPrefix("Authorization") }
                let answer = try await front.curl(
                    bad.path, as: isLogin ? nil : 1019, [version] + bad.options, upload: bad.body)
                #expect(answer.status == bad.status, "\(bad)")
                if answer.status >= 400 {
                    #expect(answer.fields["content-type"] == "application/problem+json", "\(bad)")
                }
                #expect(answer.fields["x-content-type-options"] == "nosniff", "\(bad)")
            }
            #expect(front.server.bytes(1019, "x.png") == nil)
            let good = try await front.curl("/v1/users/1019/avatar", as: 1020, [version])
            #expect(good.body == picture)
            #expect(good.fields["avatar-generation"] == "1")
        }
    }
}
