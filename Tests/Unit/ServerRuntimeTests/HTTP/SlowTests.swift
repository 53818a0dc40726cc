import AvatarCore
import Foundation
import HTTPFront
import ServerRuntime
import TestPictures
import Testing

/// Clients that are slow, and those that go on sending when their answer is out.
@Suite struct SlowTests {
    private static let login = "Authorization: Basic " + Data("1019:token-1019".utf8).base64EncodedString() + "\r\n"

    private static func plain(
        _ bounds: ExchangeBounds = ExchangeBounds(), _ body: (TestFront) async throws -> Void
    ) async throws {
        var settings = ServerSettings()
        settings.http.isPlaintext = true
        try await TestFront.with(.embedded, settings, bounds: bounds, body)
    }

    private static func put(_ length: Int, login: String = login, more: String = "") -> [UInt8] {
        Array(
            "PUT /v1/users/1019/avatars/x.png HTTP/1.1\r\nHost: x\r\n\(login)Content-Length: \(length)\r\n\(more)\r\n"
                .utf8)
    }

    @Test(arguments: ["G", "GET /v1/me HTTP/1.1\r\nHost: x\r\n"]) func aHeadThatDoesNotEndIsAnswered(_ text: String)
        async throws
    {
        var bounds = ExchangeBounds()
        bounds.headTime = .milliseconds(100)
        try await Self.plain(bounds) { front async throws in
            let result = try await RawHTTP.ask(front.port, Array(text.utf8), until: .end)
            #expect(result.statuses == [408])
            #expect(result.answers.first?.fields["content-type"] == "application/problem+json")
            #expect(result.answers.first?.fields["connection"] == "close")
        }
    }

    @Test func aBodyThatDoesNotComeIsAnsweredAndNothingIsLeftOfIt() async throws {
        var bounds = ExchangeBounds()
        (bounds.bodyGrace, bounds.bodyBytesPerSecondMin) = (.milliseconds(100), 1_000_000)
        try await Self.plain(bounds) { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            let result = try await RawHTTP.ask(front.port, Self.put(10_000) + picture, until: .end)
            #expect(result.statuses == [408])
            #expect(front.server.bytes(1019, "x.png") == nil, "a whole picture, but not what was promised")
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1019).status == 404)
        }
    }

    @Test func overTLSItIsAnsweredToo() async throws {
        var bounds = ExchangeBounds()
        bounds.bodyGrace = .milliseconds(100)
        try await TestFront.with(bounds: bounds) { front async throws in
            // Of a length that is promised curl sends what there is, and waits.
            let answer = try await front.curl(
                "/v1/users/1019/avatars/x.png", as: 1019, ["--http1.1", "-H", "Content-Length: 5000"], upload: [1, 2])
            #expect(answer.status == 408)
            #expect(answer.fields["content-type"] == "application/problem+json")
        }
    }

    @Test func overHTTP2OneSlowBodyEndsAlone() async throws {
        var bounds = ExchangeBounds()
        bounds.bodyGrace = .milliseconds(100)
        try await TestFront.with(bounds: bounds) { front async throws in
            let told = try await front.http2("slow", "1019:token-1019")
            #expect(told == "408, then NO_ERROR, then 204\n")
        }
    }

    /// Some clients send all before they read anything.
    @Test(arguments: ["", login]) func anAnswerThatComesEarlyIsReadByWhoSendsAllFirst(login: String) async throws {
        try await Self.plain { front async throws in
            let body = [UInt8](repeating: 7, count: 16 * 1024 * 1024)
            let request = Self.put(body.count, login: login) + body
            let next = Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
            let result = try await RawHTTP.ask(front.port, request + next, until: .answers(2))
            #expect(result.statuses == [login.isEmpty ? 401 : 413, 204], "and the connection goes on")
        }
    }

    @Test func soItIsByWhoWantsTheConnectionToEnd() async throws {
        try await Self.plain { front async throws in
            let body = [UInt8](repeating: 7, count: 16 * 1024 * 1024)
            let request = Self.put(body.count, login: "", more: "Connection: close\r\n") + body
            let result = try await RawHTTP.ask(front.port, request, until: .end)
            #expect(result.statuses == [401])
            #expect(result.sent == request.count)
        }
    }

    @Test func whatIsThrownAwayIsBoundedInBytes() async throws {
        var bounds = ExchangeBounds()
        bounds.drainBytesMax = 1_000_000
        try await Self.plain(bounds) { front async throws in
            let body = [UInt8](repeating: 7, count: 64 * 1024 * 1024)
            let result = try await RawHTTP.ask(front.port, Self.put(body.count, login: "") + body, until: .end)
            #expect(result.isEnded && result.sent < body.count)
        }
    }

    @Test func whatIsThrownAwayIsBoundedInTime() async throws {
        var bounds = ExchangeBounds()
        bounds.drainTime = .milliseconds(100)
        try await Self.plain(bounds) { front async throws in
            let result = try await RawHTTP.ask(front.port, Self.put(1000, login: ""), until: .end)
            #expect(result.statuses == [401] && result.isEnded)
        }
    }

    @Test func overHTTP2AnEarlyAnswerEndsItsStreamAlone() async throws {
        var bounds = ExchangeBounds()
        bounds.drainBytesMax = 1_000_000
        try await TestFront.with(bounds: bounds) { front async throws in
            #expect(try await front.http2("early", "4000000") == "401, then NO_ERROR, then 204\n")
        }
    }

    @Test(arguments: [
        "GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Long: \(String(repeating: "x", count: 17_000))\r\n\r\n",
        "GET /v1/me HTTP/1.1\r\nHost: x\r\n\(String(repeating: "X: y\r\n", count: 101))\r\n",
        "GET /\(String(repeating: "x", count: 17_000)) HTTP/1.1\r\nHost: x\r\n\r\n",
    ])
    func aHeadThatIsTooLargeIsAnswered(_ head: String) async throws {
        try await Self.plain { front async throws in
            let result = try await RawHTTP.ask(front.port, Array(head.utf8), until: .end)
            #expect(result.statuses == [431])
            #expect(result.answers.first?.fields["content-type"] == "application/problem+json")
        }
    }

    /// One with too many bytes ends the connection: the library does not hand it on.
    @Test func soIsOneOfHTTP2WithTooManyFields() async throws {
        try await TestFront.with { front async throws in
            let many = (0..<101).flatMap { ["-H", "X-\($0): y"] }
            let answer = try await front.curl("/v1/me", as: 1019, ["--http2"] + many)
            #expect(answer.status == 431)
            #expect(answer.fields["content-type"] == "application/problem+json")
        }
    }
}
