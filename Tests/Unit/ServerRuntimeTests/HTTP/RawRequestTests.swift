import AvatarCore
import Foundation
import ServerRuntime
import TestPictures
import Testing

/// Requests of HTTP/1.1 that break HTTP itself, or would have two servers in a row take one request for another.
@Suite struct RawRequestTests {
    private struct Case {
        let text: String
        let statuses: [Int]
        /// The client says that no more comes.
        var isLast = false

        init(_ text: String, _ statuses: Int..., isLast: Bool = false) {
            self.text = text
            self.statuses = statuses
            self.isLast = isLast
        }
    }

    private static let login = "Authorization: Basic " + Data("1019:token-1019".utf8).base64EncodedString() + "\r\n"

    /// A request of somebody who is logged in.
    private static func get(_ line: String, _ fields: String = "") -> String {
        "\(line)\r\nHost: x\r\n\(login)\(fields)\r\n"
    }

    private static func put(_ fields: String, _ body: String = "") -> String {
        get("PUT /v1/users/1019/avatars/x.png HTTP/1.1", fields) + body
    }

    /// After each of these the connection ends.
    private static var broken: [Case] {
        let me = "GET /v1/me HTTP/1.1"
        let lines = [
            "GARBAGE", "GET", "GET /v1/me", "GET /v1/me HTTP/1.1 x", "GET /v1/me HTTP/9.9", "GET /v1/me HTTP/1",
            "GET /v1/me HTTQ/1.1", "GET /v1/me http/1.1", "get /v1/me HTTP/1.1", " GET /v1/me HTTP/1.1",
            "G\u{0}T /v1/me HTTP/1.1",
            "GET /v1/\u{0}me HTTP/1.1", "GET /v1/\u{1}me HTTP/1.1", "GE(T /v1/me HTTP/1.1",
            String(repeating: "X", count: 1000) + " /v1/me HTTP/1.1",
        ]
        let fields = [
            "No colon\r\n", "Space : before\r\n", ": no name\r\n", "Na\u{0}me: x\r\n", "Name: x\u{0}y\r\n",
            "Name: x\u{1}y\r\n", "Na(me: x\r\n", "Name: x\rOther: y\r\n", "Host: elsewhere\r\n",
            " folded: x\r\n",
        ]
        let lengths = [
            "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n", "Content-Length: -5\r\n", "Content-Length: +5\r\n", "Content-Length: 0x5\r\n",
            "Content-Length: 5 5\r\n", "Content-Length: 5.0\r\n", "Content-Length: five\r\n", "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: \u{b}chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
        ]
        let list = "POST /v1/changes HTTP/1.1"
        let chunks = [
            "zz\r\n", "5\r\n12345678\r\n", "-5\r\n12345\r\n", "0x5\r\n12345\r\n", "FFFFFFFFFFFFFFFFF\r\n", "\r\n",
            "5\n12345\r\n0\r\n\r\n", "5 5\r\n12345\r\n",
        ]
        return lines.map { Case("\($0)\r\nHost: x\r\n\(login)\r\n", 400) } + fields.map { Case(get(me, $0), 400) }
            + lengths.map { Case(put($0, "12345"), 400) }
            + chunks.map { Case(get(list, "Transfer-Encoding: chunked\r\n") + $0, 400) } + [
                Case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), Case("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", 400),
                // Behind what was said to be the body something follows that is no request.
                Case(put("Content-Length: 5\r\n", "1234567890\r\n\r\n"), 415, 400),
                Case(put("Transfer-Encoding:\r\n", "12345"), 411, 400), Case(get(me) + "GARBAGE\r\n\r\n", 200, 400),
                Case(put("Content-Length: 10\r\n", "12345"), 400, isLast: true),
                Case(get("GET /v1/me HTTP/1.1").replacing("Host: x\r\n", with: "Host: a\r\nHost: b\r\n"), 400),
            ]
    }

    /// After each of these the connection goes on.
    private static var odd: [Case] {
        let me = "GET /v1/me HTTP/1.1"
        return [
            Case(get("GET http://elsewhere/v1/me HTTP/1.1"), 200), Case(get("GET http://x HTTP/1.1"), 404),
            Case(get("GET /v1/me#part HTTP/1.1"), 404), Case(get("OPTIONS * HTTP/1.1"), 404),
            Case(get("GET * HTTP/1.1"), 404), Case(get("GET v1/me HTTP/1.1"), 400),
            Case(get(me, "Connection: Transfer-Encoding, Content-Length\r\n"), 200),
            Case(get(me, "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"), 200),
            Case(get(me, "Expect: 200-ok\r\n"), 200), Case(get(me, "Content-Length: 5\r\n") + "12345", 200),
            Case(get(me, "Transfer-Encoding: chunked\r\n") + "5\r\n12345\r\n0\r\nTrailer: x\r\n\r\n", 200),
            Case(get("POST /v1/changes HTTP/1.1", "Transfer-Encoding: chunked\r\n") + "1;a=b\r\n[\r\n0\r\n\r\n", 400),
            Case(put("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n0\r\n\r\n"), 411),
            Case(put("Content-Length: 5\r\nExpect: 100-continue\r\n", "12345"), 415),
            Case(get(me) + get("GET /v1/users/77/avatar HTTP/1.1") + get(me), 200, 404, 200),
            Case("\r\n" + get(me), 200), Case(get(me, "Empty:\r\n"), 200), Case(get(me, "Range: bytes=0-1\r\n"), 200),
        ]
    }

    @Test func whatBreaksHTTPIsAnsweredAndEndsItsConnectionAlone() async throws {
        var settings = ServerSettings()
        settings.http.isPlaintext = true
        try await TestFront.with(.embedded, settings) { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            #expect(try await front.curl("/v1/users/1019/avatars/good.png", as: 1019, upload: picture).status == 201)
            let good = try RawHTTP(port: front.port)
            for bad in Self.broken + Self.odd {
                let isBroken = bad.statuses.last == 400 && !bad.text.hasPrefix("POST") || bad.text.contains("zz")
                let result = try await RawHTTP.ask(
                    front.port, Array(bad.text.utf8), isLast: bad.isLast, until: .answers(bad.statuses.count))
                let words: Comment = "\(bad.text.debugDescription.prefix(300))"
                #expect(result.statuses == bad.statuses, words)
                if let answer = result.answers.last, answer.status == 400, isBroken {
                    #expect(answer.fields["content-type"] == "application/problem+json", words)
                }
                let beside = try await good.ask(
                    Array(Self.get("GET /v1/users/1019/avatar HTTP/1.1").utf8), until: .answers(1))
                #expect(beside.answers.first?.body == picture)
            }
            #expect(front.server.bytes(1019, "x.png") == nil)
        }
    }
}
