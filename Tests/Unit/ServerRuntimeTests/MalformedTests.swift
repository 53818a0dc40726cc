import Foundation
import NIOCore
import Testing
import WireProtocol

/// Twenty-four thousand bodies and frames that no honest client sends, with a good client beside them.
@Suite struct MalformedTests {
    @Test func theServerStaysUpAndTheGoodClientIsUnharmed() async throws {
        try await TestServer.with { server async throws in
            let bytes = pattern(100_000)
            try await TestClient.with(server.port) { good async throws in
                let all = try chunks(of: bytes, name: "good.png")
                var random = Shapes(seed: 6)
                for connection in 0..<400 {
                    let batch = (0..<59).map { _ in random.frame() }
                    let last = random.header()
                    try await TestClient.with(server.port) { bad async throws in
                        for frame in batch { try await bad.send(frame) }
                        // Read to the end: every frame has been looked at, and the last one has ended the connection.
                        try await bad.send(last)
                        while !(await bad.isClosed()) {}
                    }
                    if connection.isMultiple(of: 8), connection / 8 < all.count {
                        #expect(try await good.upload(all[connection / 8]) == 0)
                    }
                }
                #expect(server.metric("refused_frames_total") == 400)
                #expect(try await seen(server, goodReplies: all.count) == 400 * 59)
                #expect(try await good.download("good.png") == bytes)
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: server.backend.root).sorted() == [
                        ".parts", "1019",
                    ])
            }
        }
    }
}

extension MalformedTests {
    /// Frames that were answered, or that have an id without an answer. A worker counts its answers when they are made, which may
    /// be after the connection that asked is gone.
    private func seen(_ server: TestServer, goodReplies: Int) async throws -> Int {
        let names = [
            "malformed_bodies_total", "unknown_frames_total", "upload_replies_total", "download_replies_total",
            "other_replies_total",
        ]
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let sum = names.reduce(0) { $0 + (server.metric($1) ?? 0) } - goodReplies
            if sum >= 400 * 59 || ContinuousClock.now > deadline { return sum }
            await Task.yield()
        }
    }
}

/// Frames of every bad shape, the same ones for the same seed.
private struct Shapes {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private mutating func draw(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }

    mutating func frame() -> ByteBuffer {
        let ids: [UInt16] = [1001, 1003, 1005, 1031, 1033, 1901, 0, 4096]
        var buffer = ByteBuffer()
        switch draw(19) {
        case 0...5:
            Frame(id: ids[draw(ids.count)], body: ByteBuffer(bytes: (0..<draw(200)).map { _ in UInt8(draw(256)) }))
                .write(into: &buffer)
        case 6...11:
            Frame(id: ids[draw(ids.count)], body: ByteBuffer(string: value(depth: 0))).write(into: &buffer)
        default:
            Frame(id: [1031, 1033, 1005][draw(3)], body: ByteBuffer(string: object())).write(into: &buffer)
        }
        return buffer
    }

    /// A header of nonsense, which ends the connection: an id, or a length, that no honest client has.
    mutating func header() -> ByteBuffer {
        var buffer = ByteBuffer()
        let isLong = draw(2) == 0
        buffer.writeInteger(isLong ? UInt16(1031) : UInt16(4097 + draw(60_000)))
        buffer.writeInteger(isLong ? UInt32(60_000 + draw(1_000_000_000)) : UInt32(draw(256)))
        return buffer
    }

    /// The right fields with the wrong values.
    private mutating func object() -> String {
        let fields = [
            "md5", "name", "seq", "total_size", "trans_size", "last", "last_seq", "data", "uid", "token", "client_path",
        ]
        let members = fields.filter { _ in draw(8) > 0 }.map { "\"\($0)\":\(value(depth: 1))" }
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func value(depth: Int) -> String {
        let simple = [
            "0", "1", "-1", "1019", "99999999999999999999", "1.5", "1e400", "true", "false", "null", "\"\"", "\"1\"",
            "\"../../x\"", "\"token-1019\"", "\"AAAA\"", "\"A\"", "\"\\ud800\"", "\"\\u0000\"", "nonsense",
            "\"unfinished",
            "\"d41d8cd98f00b204e9800998ecf8427e\"",
        ]
        switch draw(depth > 3 ? 6 : 8) {
        case 6: return "[\(value(depth: depth + 1)),\(value(depth: depth + 1))]"
        case 7: return "{\"k\":\(value(depth: depth + 1))}"
        default: return simple[draw(simple.count)]
        }
    }
}
