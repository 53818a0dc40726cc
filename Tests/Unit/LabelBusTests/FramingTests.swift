import AvatarCore
import BusTestSupport
import LabelBus
import NIOCore
import Testing

@Suite("Framing")
struct FramingTests {
    private func buffer(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

    private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    @Test("messages come whole, however the reads split and join them", arguments: 1...12)
    func splits(size: Int) throws {
        var frames = FrameBuffer(messageBytesMax: 10)
        var messages: [String?] = []
        let stream = Array("one\0\0three\0fourfourfo\0rest".utf8)
        for start in stride(from: 0, to: stream.count, by: size) {
            var read = ByteBuffer(bytes: stream[start..<min(start + size, stream.count)])
            frames.append(&read)
            while let message = try frames.next() { messages.append(text(message)) }
            frames.compact()
        }
        #expect(messages == ["one", "", "three", "fourfourfo"])
        #expect(frames.readableBytes == 4)
    }

    @Test("a message that is too long is refused as soon as its length shows it")
    func tooLong() throws {
        var frames = FrameBuffer(messageBytesMax: 4)
        var read = buffer("1234")
        frames.append(&read)
        #expect(try frames.next() == nil)
        read = buffer("5")
        frames.append(&read)
        #expect(throws: BusMessageError.self) { try frames.next() }
        var whole = FrameBuffer(messageBytesMax: 4)
        read = buffer("12345\0")
        whole.append(&read)
        #expect(throws: BusMessageError.self) { try whole.next() }
    }

    @Test("a few bytes that wait do not keep the room that the read came with")
    func compaction() throws {
        var frames = FrameBuffer(messageBytesMax: 100_000)
        var read = ByteBuffer()
        read.reserveCapacity(64 * 1024)
        read.writeString("abc")
        frames.append(&read)
        #expect(try frames.next() == nil)
        frames.compact()
        #expect(frames.capacity <= 64)
    }

    @Test("a call that comes byte by byte is answered like any other", .timeLimit(.minutes(1)))
    func drip() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            for byte in Array(#"{"method":"org.avatard.Agent.Status"}"#.utf8) + [0] { try await client.send([byte]) }
            #expect(try await client.next()?.contains(#""connection":"offline""#) == true)
        }
    }
}
