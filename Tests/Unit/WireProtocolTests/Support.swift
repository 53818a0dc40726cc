import NIOCore
import WireProtocol

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

func frame(_ id: UInt16, _ body: String) -> Frame {
    Frame(id: id, body: ByteBuffer(string: body))
}

/// The request's frame as it goes out, decoded down to id and body.
func encoded(_ request: ClassicRequest) throws -> Frame? {
    var buffer = ByteBuffer()
    request.encode(into: &buffer)
    return try onlyFrame(in: &buffer)
}

func encoded(_ reply: ClassicReply) throws -> Frame? {
    var buffer = ByteBuffer()
    reply.encode(into: &buffer)
    return try onlyFrame(in: &buffer)
}

private func onlyFrame(in buffer: inout ByteBuffer) throws -> Frame? {
    var decoder = FrameDecoder(bodyBytesMax: .max)
    let frame = try decoder.decode(buffer: &buffer)
    return buffer.readableBytes == 0 ? frame : nil
}
