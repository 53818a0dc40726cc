/// WebP: a RIFF container whose length says how much there must be (RFC 9649).
enum WebPStructure {
    static func examine(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
        guard let riff = reader.littleEndian32(4), reader.byte(11) != nil else { throw .truncated("the RIFF header") }
        guard riff >= 12 else { throw .malformed("RIFF claims \(riff) bytes") }
        let end = 8 + riff
        var offset = 12
        var canvas: ImageFacts?
        var picture: ImageFacts?
        while offset < end {
            guard let size = reader.littleEndian32(offset + 4) else { throw .truncated("a chunk's header") }
            let data = offset + 8
            guard data + size <= end else { throw .malformed("a chunk reaches past the RIFF length") }
            // The header comes before the length check, so that a bomb is named as one even when it is cut off.
            let found = try facts(reader, at: offset, data: data, size: size)
            switch found {
            case .canvas(let facts): canvas = facts
            case .picture(let facts): picture = picture ?? facts
            case .other: break
            }
            guard data + size <= reader.count else { throw .truncated("a chunk's data") }
            if canvas == nil, picture == nil { throw .malformed("the first chunk is no VP8, VP8L or VP8X") }
            offset = data + size + size % 2
        }
        guard end <= reader.count else { throw .truncated("the RIFF data") }
        guard let picture else { throw .malformed("there is no picture data") }
        return canvas ?? picture
    }

    private enum Chunk {
        case canvas(ImageFacts)
        case picture(ImageFacts)
        case other
    }

    private static func facts(
        _ reader: ByteReader, at offset: Int, data: Int, size: Int
    ) throws(ImageError) -> Chunk {
        if reader.matches(Array("VP8 ".utf8), at: offset) { return .picture(try lossy(reader, data, size)) }
        if reader.matches(Array("VP8L".utf8), at: offset) { return .picture(try lossless(reader, data, size)) }
        if reader.matches(Array("VP8X".utf8), at: offset) { return .canvas(try extended(reader, data, size)) }
        if reader.matches(Array("ANMF".utf8), at: offset) {
            guard size >= 16, let width = reader.littleEndian24(data + 6), let height = reader.littleEndian24(data + 9)
            else { throw .truncated("an animation frame") }
            return .picture(try ImageStructure.facts(.webp, width: width + 1, height: height + 1))
        }
        return .other
    }

    /// RFC 6386, section 9.1: a key frame's three bytes, its start code, then 14 bits of width and of height.
    private static func lossy(_ reader: ByteReader, _ data: Int, _ size: Int) throws(ImageError) -> ImageFacts {
        guard size >= 10 else { throw .malformed("the VP8 chunk is too short") }
        guard let tag = reader.littleEndian24(data), let width = reader.littleEndian16(data + 6),
            let height = reader.littleEndian16(data + 8)
        else { throw .truncated("the VP8 header") }
        guard tag & 1 == 0, reader.matches([0x9d, 0x01, 0x2a], at: data + 3) else {
            throw .malformed("the VP8 data does not begin with a key frame")
        }
        guard tag >> 5 <= size - 10 else { throw .malformed("the VP8 data's first partition is longer than its chunk") }
        return try ImageStructure.facts(.webp, width: width & 0x3fff, height: height & 0x3fff)
    }

    /// RFC 9649, section 3.4: a signature byte, then 14 bits of width - 1 and of height - 1.
    private static func lossless(
        _ reader: ByteReader, _ data: Int, _ size: Int
    ) throws(ImageError) -> ImageFacts {
        guard size >= 5 else { throw .malformed("the VP8L chunk is too short") }
        guard let signature = reader.byte(data), let bits = reader.littleEndian32(data + 1) else {
            throw .truncated("the VP8L header")
        }
        guard signature == 0x2f, bits >> 29 == 0 else { throw .malformed("the VP8L data has no signature") }
        return try ImageStructure.facts(.webp, width: bits & 0x3fff + 1, height: bits >> 14 & 0x3fff + 1)
    }

    /// RFC 9649, section 2.7: flags, then 24 bits of canvas width - 1 and height - 1.
    private static func extended(
        _ reader: ByteReader, _ data: Int, _ size: Int
    ) throws(ImageError) -> ImageFacts {
        guard size >= 10 else { throw .malformed("the VP8X chunk is too short") }
        guard let width = reader.littleEndian24(data + 4), let height = reader.littleEndian24(data + 7) else {
            throw .truncated("the VP8X header")
        }
        return try ImageStructure.facts(.webp, width: width + 1, height: height + 1)
    }
}
