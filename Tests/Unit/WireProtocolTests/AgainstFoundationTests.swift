import Foundation
import NIOCore
import Testing
import WireProtocol

/// Our reader and writer agree with Foundation's JSON and base64, over many random inputs with fixed seeds.
@Suite struct AgainstFoundationTests {
    @Test func base64IsFoundations() throws {
        var random = SeededGenerator(seed: 1)
        for round in 0..<2_000 {
            let bytes = (0..<(round % 300)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = [UInt8](capacity: Base64.encodedCount(bytes.count)) { Base64.encode(bytes.span, into: &$0) }
            #expect(String(decoding: text, as: UTF8.self) == Data(bytes).base64EncodedString())
            #expect(Base64.decode(text.span) == bytes)
        }
    }

    /// Texts with one character changed: both take them, or both refuse them.
    @Test func brokenBase64IsRefusedWhereFoundationRefusesIt() {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<5_000 {
            let bytes = (0..<Int.random(in: 1...24, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            var text = Array(Data(bytes).base64EncodedString().utf8)
            text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0x20...0x7E, using: &random)
            let theirs = Data(base64Encoded: Data(text)).map(Array.init)
            if let ours = Base64.decode(text.span) {
                #expect(ours == theirs)
            } else if let theirs {
                // Foundation overlooks bits behind the last byte; we do not. Nothing else may differ.
                #expect(Data(theirs).base64EncodedString() != String(decoding: text, as: UTF8.self))
            }
        }
    }

    @Test func whatWeWriteFoundationReads() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<1_000 {
            let chunk = randomChunk(&random)
            let body = try #require(try encoded(.uploadHead(chunk))).body
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any])
            #expect(object["name"] as? String == chunk.name)
            #expect(object["token"] as? String == chunk.token)
            #expect((object["seq"] as? NSNumber)?.int64Value == chunk.seq)
            #expect((object["total_size"] as? NSNumber)?.int64Value == chunk.totalSize)
            #expect((object["data"] as? String).flatMap { Data(base64Encoded: $0) }.map(Array.init) == chunk.data)
        }
    }

    @Test func whatFoundationWritesWeRead() throws {
        var random = SeededGenerator(seed: 4)
        for round in 0..<1_000 {
            let chunk = randomChunk(&random)
            let object: [String: Any] = [
                "md5": chunk.md5, "name": chunk.name, "seq": chunk.seq, "total_size": chunk.totalSize,
                "trans_size": chunk.transSize, "last": chunk.last ? 1 : 0, "last_seq": chunk.lastSeq ?? 0,
                "uid": chunk.uid, "token": chunk.token ?? "", "data": Data(chunk.data).base64EncodedString(),
                "unknown": ["a": [1, 2.5, NSNull()]],
            ]
            let options: JSONSerialization.WritingOptions = round.isMultiple(of: 2) ? [.prettyPrinted] : [.sortedKeys]
            let body = try JSONSerialization.data(withJSONObject: object, options: options)
            let decoded = try ClassicRequest.decode(Frame(id: 1031, body: ByteBuffer(bytes: body)))
            #expect(decoded == .uploadHead(chunk))
        }
    }

    /// Bytes flipped in good bodies: whatever happens, it is a value or a typed error, and what we take is JSON.
    @Test func mutatedBodiesAreTakenOnlyWhenTheyAreJSON() throws {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<5_000 {
            let chunk = randomChunk(&random)
            var body = Array(try #require(try encoded(.uploadHead(chunk))).body.readableBytesView)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                body[Int.random(in: 0..<body.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard (try? ClassicRequest.decode(Frame(id: 1031, body: ByteBuffer(bytes: body)))) != nil else { continue }
            // A skipped key or string may hold bytes that are no UTF-8; the grammar around it must still be JSON.
            let text = String(decoding: body, as: UTF8.self)
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8)) }
        }
    }

    private func randomChunk(_ random: inout SeededGenerator) -> UploadChunk {
        let scalars: [Unicode.Scalar] = [
            "a", "\"", "\\", "/", "\n", "\u{0}", "\u{1F}", "\u{7F}", "é", "头", "😀", "\u{2028}",
        ]
        func text(_ random: inout SeededGenerator) -> String {
            var view = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                view.append(scalars[Int.random(in: 0..<scalars.count, using: &random)])
            }
            return String(view)
        }
        return UploadChunk(
            md5: text(&random), name: text(&random), seq: .random(in: 0...(.max), using: &random),
            totalSize: .random(in: 0...(.max), using: &random), transSize: .random(in: 0...9, using: &random),
            last: .random(using: &random), lastSeq: .random(in: 0...(.max), using: &random),
            data: (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) },
            uid: .random(in: (.min)...(.max), using: &random), token: text(&random))
    }
}
