import AvatarCore
import Foundation
import TestPictures
import Testing

/// What is HTTP/2's alone, asked by PyPI's h2.
@Suite struct HTTP2Tests {
    private struct Allowed: Decodable, Equatable {
        let streams: Int
        let streamWindow: Int
        let connectionWindow: Int
        let headBytes: Int
    }

    @Test func theWindowsAreWideEnoughForADistance() async throws {
        try await TestFront.with { front async throws in
            let told = try await front.http2("settings")
            #expect(
                try JSONDecoder().decode(Allowed.self, from: Data(told.utf8))
                    == Allowed(
                        streams: Limits.HTTP.streamsMax, streamWindow: Limits.HTTP.streamWindowBytes,
                        connectionWindow: Limits.HTTP.connectionWindowBytes, headBytes: Limits.HTTP.headBytesMax))
        }
    }

    @Test func aConnectionThatItsClientEndsIsEnded() async throws {
        try await TestFront.with { front async throws in #expect(try await front.http2("end") == "closed\n") }
    }

    /// CVE-2023-44487.
    @Test func aThousandRequestsThatAreTakenBackEndTheirConnectionAlone() async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            #expect(try await front.curl("/v1/users/1019/avatars/a.png", as: 1019, upload: picture).status == 201)
            async let flood = front.http2("resets", "1000")
            let good = try await front.curl("/v1/users/1019/avatar", as: 1019, ["--http2"])
            #expect(good.body == picture)
            // ENHANCE_YOUR_CALM, or nothing where the connection was gone before that could be read.
            #expect(["11\n", "None\n"].contains(try await flood))
            #expect(try await front.curl("/healthz", ["--http2"]).status == 204)
        }
    }

    @Test func aBodyOfManyWindowsComesWhole() async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 3 * Limits.HTTP.streamWindowBytes + 17)
            #expect(
                try await front.curl("/v1/users/1019/avatars/a.png", as: 1019, ["--http2"], upload: picture).status
                    == 201)
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1019, ["--http2"]).body == picture)
        }
    }
}
