import AvatarCore
import TestPictures
import Testing

/// What breaks HTTP/2 ends a stream or a connection, and nobody else's.
@Suite struct MalformedHTTP2Tests {
    /// What `Python/http2_malformed.py` sends, and what comes of it. The codes are RFC 9113's: 1 is PROTOCOL_ERROR, 3 FLOW_CONTROL_ERROR,
    /// 6 FRAME_SIZE_ERROR, 9 COMPRESSION_ERROR, 11 ENHANCE_YOUR_CALM.
    private static let expected: [(name: String, outcome: String)] =
        [
            ("no path", "reset 1"),
            ("an empty path", "reset 1"),
            ("two paths", "reset 1"),
            ("no method", "reset 1"),
            ("no scheme", "reset 1"),
            ("a field of HTTP/2 behind the others", "reset 1"),
            ("an unknown field of HTTP/2", "reset 1"),
            ("a status", "reset 1"),
            ("capitals in a name", "reset 1"),
            ("a name with a blank", "reset 1"),
            ("a value with a line end", "reset 1"),
            ("Connection", "reset 1"),
            ("Transfer-Encoding", "reset 1"),
            ("TE other than trailers", "reset 1"),
            ("two hosts", "status 400"),
            ("a body shorter than said", "reset 1"),
            ("a body longer than said", "reset 1"),
            ("two lengths", "reset 1"),
            ("a length that is none", "reset 1"),
            ("a head of 20,000 bytes", "goaway 1"),
            ("101 fields", "status 431"),
            ("a head of 100,000 bytes", "goaway 1"),
            ("a head that HPACK cannot read", "goaway 9"),
            ("a stream of the server's", "goaway 1"),
            ("a stream that is older than the last", "goaway 1"),
            ("DATA on no stream", "goaway 1"),
            ("DATA before HEADERS", "goaway 1"),
            ("HEADERS on no stream", "goaway 1"),
            ("CONTINUATION alone", "goaway 1"),
            ("another frame within a head", "goaway 1"),
            ("PUSH_PROMISE", "goaway 1"),
            ("RST_STREAM on no stream", "goaway 1"),
            ("RST_STREAM of a stream that is none", "goaway 1"),
            ("a window of nothing", "goaway 1"),
            ("a window that overflows", "goaway 3"),
            ("SETTINGS of five bytes", "goaway 6"),
            ("SETTINGS of a stream", "goaway 1"),
            ("SETTINGS with too large a window", "goaway 3"),
            ("PING of seven bytes", "goaway 6"),
            ("a frame of 20,000 bytes", "goaway 6"),
            ("10,000 empty frames", "goaway 11"),
            ("10,000 pings", "goaway 11"),
            ("10,000 settings", "goaway 11"),
            ("no preface", "goaway 1"),
        ]

    @Test func eachHasItsAnswerAndHarmsNobody() async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            #expect(try await front.curl("/v1/users/1019/avatars/good.png", as: 1019, upload: picture).status == 201)
            async let told = front.python("http2_malformed.py", "1019:token-1019")
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1019, ["--http2"]).body == picture)
            let lines = try await told.split(separator: "\n").map(String.init)
            for (line, expected) in zip(lines, Self.expected) {
                #expect(line == "\(expected.name)\t\(expected.outcome)")
            }
            #expect(lines.count == Self.expected.count)
            #expect(front.server.bytes(1019, "x.png") == nil)
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1019, ["--http2"]).body == picture)
        }
    }
}
