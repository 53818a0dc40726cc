import AvatarCore
import Foundation
import Testing

@testable import HTTPFront

@Suite struct HeadTests {
    private func user(_ value: Int64) throws -> UserID { try #require(UserID(value)) }
    private func login(_ user: Int64, _ token: String) throws -> Credentials {
        try #require(Credentials(authorization: "Basic " + Data("\(user):\(token)".utf8).base64EncodedString()))
    }

    @Test func pathsNameResources() throws {
        let (seven, name) = (try user(7), try AvatarName("ä b.png"))
        #expect(try Route("/v1/users/7/avatar") == .avatar(seven))
        #expect(try Route("/v1/users/7/avatar?x=/v1/me") == .avatar(seven))
        #expect(try Route("/v1/users/7/avatars/%C3%A4%20b.png") == .file(seven, name))
        #expect(try Route("/v1/users/7/avatars/" + Route.encode(name)) == .file(seven, name))
        // Decoded once, not twice.
        #expect(try Route("/v1/users/7/avatars/%2561") == .file(seven, AvatarName("%61")))
        #expect(try Route("/v1/me") == .me)
        #expect(try Route("http://host:80/v1/me?x") == .me, "as to a proxy")
        #expect(try Route("/v1/changes?user=7") == .changes)
        #expect(try Route("/healthz") == .health)
        #expect(try Route("/readyz") == .ready)
    }

    @Test(arguments: [
        "", "/", "*", "v1/me", "/v1", "/v1/me/", "/v1//me", "/V1/me", "/v1/%6De", "/v2/me", "/v1/users/7",
        "/v1/users/7/avatar/",
        "/v1/users/7/avatars", "/v1/users/7/avatars/a/b", "/v1/users/7/../7/avatar",
        "http://host", "ftp://host/v1/me",
    ])
    func otherPathsNameNothing(_ path: String) {
        #expect(throws: Route.Fault.unknown) { try Route(path) }
    }

    @Test(arguments: ["", "0", "-1", "+7", "07", " 7", "7a", "%37", "٧", "9223372036854775808", "99999999999999999999"])
    func aUserIsANumber(_ text: String) {
        #expect(throws: Route.Fault.badUser) { try Route("/v1/users/\(text)/avatar") }
    }

    @Test(arguments: [
        "", "%", "%4", "%zz", "%FF", "%C0%AF", "%ED%A0%80", ".", "..", "%2E%2E", "a%2Fb", "a%00b", ".hidden", "a%0Ab",
    ])
    func aNameIsOneDecentComponent(_ text: String) {
        let fault = #expect(throws: Route.Fault.self) { try Route("/v1/users/7/avatars/\(text)") }
        guard case .badName = fault else { return #expect(Bool(false), "\(String(describing: fault))") }
    }

    @Test func aLoginIsUserAndToken() throws {
        func field(_ text: String) -> String { "Basic " + Data(text.utf8).base64EncodedString() }
        let login = try #require(Credentials(authorization: field("7:to:ken")))
        #expect(try login.user == user(7))
        #expect(login.token == ExactString("to:ken"))
        #expect(Credentials(authorization: field("7:x").replacing("Basic", with: "bASIC")) != nil)
        let bad = [
            "", "Basic", "Basic ", "Basic !!!", "Bearer abc", "Digest username=\"7\"",
            "Basic " + Data([0xFF]).base64EncodedString(),
            field("7"), field("ada:x"), field("0:x"), field("-7:x"), field(":x"), field("7:x") + ", " + field("7:x"),
        ]
        for field in bad { #expect(Credentials(authorization: field) == nil, "\(field)") }
    }

    @Test func aDigestIsASHA256() throws {
        let digest = try #require(SHA256Digest(bytes: Array(0..<32)))
        let field = ReprDigest.field(digest)
        #expect(field == "sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:")
        #expect(ReprDigest.sha256(in: field) == digest)
        #expect(ReprDigest.sha256(in: "sha-512=:YQ==:, " + field) == digest)
        for bad in [
            "", "sha-256", "sha-256=", "sha-256=::", "sha-256=:YQ==:", "sha-256=:!:", "md5=:YQ==:",
            "SHA-256=\(digest.hex)",
        ] {
            #expect(ReprDigest.sha256(in: bad) == nil, "\(bad)")
        }
    }

    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_102_444_800, "Fri, 01 Jan 2100 00:00:00 GMT"), (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] as [(Int64, String)])
    func aDateIsWrittenAsHTTPWritesIt(_ seconds: Int64, _ text: String) {
        #expect(HTTPDate.text(secondsSince1970: seconds) == text)
    }

    @Test func afterSomeWrongLoginsAnAddressWaits() throws {
        var limiter = LoginLimiter()
        let start = MonotonicTime.zero
        let here = LoginLimiter.keys(address: "10.0.0.1", user: try user(7))
        for number in 0..<Limits.HTTP.wrongLoginsMax {
            #expect(limiter.wait(here, now: start) == nil)
            limiter.failed(here, try login(7, "wrong-\(number)"), now: start)
        }
        #expect(limiter.wait(here, now: start) == Limits.HTTP.loginWindow)
        #expect(limiter.wait(here, now: start + Limits.HTTP.loginWindow) == nil)
        // The user is not kept out elsewhere, nor another user here.
        #expect(limiter.wait(LoginLimiter.keys(address: "10.0.0.2", user: try user(7)), now: start) == nil)
        #expect(limiter.wait(LoginLimiter.keys(address: "10.0.0.1", user: try user(8)), now: start) == nil)
        for uid in Int64(100)..<200 {
            limiter.failed(
                LoginLimiter.keys(address: "10.0.0.1", user: try user(uid)), try login(uid, "wrong"), now: start)
        }
        #expect(limiter.wait(LoginLimiter.keys(address: "10.0.0.1", user: try user(8)), now: start) != nil)
    }

    /// A client that has many requests on their way when its token is replaced is not kept out with the new one.
    @Test func theSameWrongLoginCountsOnce() throws {
        var limiter = LoginLimiter()
        let here = LoginLimiter.keys(address: "10.0.0.1", user: try user(7))
        for _ in 0..<200 { limiter.failed(here, try login(7, "old"), now: .zero) }
        #expect(limiter.wait(here, now: .zero) == nil)
        for number in 1..<Limits.HTTP.wrongLoginsMax {
            limiter.failed(here, try login(7, "guess-\(number)"), now: .zero)
        }
        #expect(limiter.wait(here, now: .zero) != nil)
    }

    @Test func wrongLoginsNeverFillTheMemory() throws {
        var limiter = LoginLimiter()
        for index in 0..<(Limits.HTTP.loginsRememberedMax + 10) {
            limiter.failed(
                LoginLimiter.keys(address: "\(index)", user: try user(7)), try login(7, "wrong"), now: .zero)
        }
        #expect(limiter.remembered == Limits.HTTP.loginsRememberedMax)
    }
}
