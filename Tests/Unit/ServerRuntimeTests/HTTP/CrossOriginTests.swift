import AvatarCore
import ServerRuntime
import TestPictures
import Testing

/// What a browser is told about scripts of other pages.
@Suite struct CrossOriginTests {
    private static let page = "https://chat.example.org"

    private func with(_ origins: [String], _ body: (TestFront) async throws -> Void) async throws {
        var settings = ServerSettings()
        settings.http.corsOrigins = Set(origins.map { ExactString($0) })
        try await TestFront.with(.embedded, settings) { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            #expect(try await front.curl("/v1/users/1019/avatars/a.png", as: 1019, upload: picture).status == 201)
            try await body(front)
        }
    }

    @Test func scriptsOfAListedPageMayReadAnswers() async throws {
        try await with([Self.page]) { front async throws in
            let asking = [
                "-X", "OPTIONS", "-H", "Origin: \(Self.page)", "-H", "Access-Control-Request-Method: PATCH", "-H",
                "Access-Control-Request-Headers: upload-offset",
            ]
            for path in ["/v1/users/1019/avatar", "/v1/users/1019/uploads", "/v1/changes"] {
                let preflight = try await front.curl(path, asking)
                #expect(preflight.status == 204)
                #expect(preflight.fields["access-control-allow-origin"] == Self.page)
                #expect(preflight.fields["access-control-allow-methods"]?.contains("PATCH") == true)
                #expect(preflight.fields["access-control-allow-headers"]?.contains("Upload-Offset") == true)
            }
            for user in [Int64(1020), nil] {
                let got = try await front.curl("/v1/users/1019/avatar", as: user, ["-H", "Origin: \(Self.page)"])
                #expect(got.status == (user == nil ? 401 : 200))
                #expect(got.fields["access-control-allow-origin"] == Self.page)
                #expect(got.fields["access-control-allow-credentials"] == "true")
                #expect(got.fields["access-control-expose-headers"]?.contains("ETag") == true)
                #expect(got.fields["vary"] == "Origin")
            }
        }
    }

    @Test(arguments: ["https://evil.example", "https://chat.example.org:444", "http://chat.example.org", "null", "*"])
    func othersMayNot(origin: String) async throws {
        try await with([Self.page]) { front async throws in
            let got = try await front.curl("/v1/users/1019/avatar", as: 1020, ["-H", "Origin: \(origin)"])
            #expect(got.status == 200)
            #expect(got.fields["access-control-allow-origin"] == nil)
            #expect(got.fields["vary"] == "Origin", "a cache must not give this answer to a listed page")
            let asking = ["-X", "OPTIONS", "-H", "Origin: \(origin)", "-H", "Access-Control-Request-Method: GET"]
            #expect(try await front.curl("/v1/users/1019/avatar", asking).status == 405)
        }
    }

    @Test func withoutAListNothingIsSaid() async throws {
        try await with([]) { front async throws in
            let got = try await front.curl("/v1/users/1019/avatar", as: 1020, ["-H", "Origin: \(Self.page)"])
            #expect(got.fields["access-control-allow-origin"] == nil)
            #expect(got.fields["vary"] == nil)
        }
    }

    @Test(arguments: [
        "*", "https://", "chat.example.org", "https://a.example/", "https://A.example", "https://*.example",
    ])
    func aPageIsListedByItsOrigin(word: String) throws {
        let result = try ServerProcess.run(["serve", "--http-cors-origins", "https://b.example,\(word)"])
        #expect(result.code == 2)
        #expect(result.errors.contains("http.corsOrigins") && result.errors.contains("is no origin"))
    }
}
