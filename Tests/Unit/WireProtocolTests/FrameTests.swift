import AvatarCore
import NIOCore
import NIOTestUtils
import Testing
import WireProtocol

@Suite struct FrameTests {
    @Test func aFrameIsIDAndLengthAndBodyInNetworkOrder() {
        var buffer = ByteBuffer()
        Frame(id: 1031, body: ByteBuffer(string: "{}")).write(into: &buffer)
        #expect(Array(buffer.readableBytesView) == [0x04, 0x07, 0, 0, 0, 2, 0x7B, 0x7D])
    }

    /// Every way to cut the stream gives the same frames.
    @Test func framesComeWholeHoweverTheStreamIsCut() throws {
        let frames = [
            Frame(id: 1001, body: ByteBuffer(string: "{\"data\":\"x\"}")),
            Frame(id: 0, body: ByteBuffer()),
            Frame(id: Limits.Wire.messageIDMax, body: ByteBuffer(repeating: 0x20, count: 64)),
        ]
        var stream = ByteBuffer()
        for frame in frames { frame.write(into: &stream) }
        try ByteToMessageDecoderVerifier.verifyDecoder(
            inputOutputPairs: [(stream, frames)],
            decoderFactory: { ByteToMessageHandlerAdapter(bodyBytesMax: 64) })
    }

    @Test func aFrameThatClaimsFourGigabytesIsRefusedBeforeItsBody() {
        var decoder = FrameDecoder(bodyBytesMax: 4096)
        var header = ByteBuffer(bytes: [0x04, 0x07, 0xFF, 0xFF, 0xFF, 0xFF])
        #expect(throws: FrameError(.bodyTooLarge, claimed: Int(UInt32.max), limit: 4096)) {
            try decoder.decode(buffer: &header)
        }
    }

    @Test func theLargestBodyIsTakenAndOneByteMoreIsNot() throws {
        var decoder = FrameDecoder(bodyBytesMax: 4096)
        var exact = ByteBuffer()
        Frame(id: 1001, body: ByteBuffer(repeating: 0x20, count: 4096)).write(into: &exact)
        #expect(try decoder.decode(buffer: &exact)?.body.readableBytes == 4096)
        var over = ByteBuffer(bytes: [0x03, 0xE9, 0, 0, 0x10, 0x01])
        #expect(throws: FrameError(.bodyTooLarge, claimed: 4097, limit: 4096)) { try decoder.decode(buffer: &over) }
    }

    @Test func aMessageIDPastTheLimitIsRefused() {
        var decoder = FrameDecoder(bodyBytesMax: 4096)
        var header = ByteBuffer(bytes: [0x10, 0x01, 0, 0, 0, 0])
        #expect(throws: FrameError(.messageIDTooLarge, claimed: 4097, limit: 4096)) {
            try decoder.decode(buffer: &header)
        }
    }

    @Test func halfAFrameAtTheEndOfTheStreamIsNothing() throws {
        var decoder = FrameDecoder(bodyBytesMax: 4096)
        var half = ByteBuffer(bytes: [0x03, 0xE9, 0, 0, 0, 9, 0x7B])
        #expect(try decoder.decodeLast(buffer: &half, seenEOF: true) == nil)
    }
}

/// The verifier drives the older protocol; this hands it on.
private struct ByteToMessageHandlerAdapter: ByteToMessageDecoder {
    typealias InboundOut = Frame
    private var decoder: FrameDecoder

    init(bodyBytesMax: Int) { decoder = FrameDecoder(bodyBytesMax: bodyBytesMax) }

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let frame = try decoder.decode(buffer: &buffer) else { return .needMoreData }
        context.fireChannelRead(Self.wrapInboundOut(frame))
        return .continue
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        try decode(context: context, buffer: &buffer)
    }
}
