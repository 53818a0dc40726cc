/// WebP: a RIFF container whose length says how much there must be (RFC 9649).
enum WebPStructure {
    static func examine(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
        guard let riff = reader.littleEndian32(4), reader.byte(11) != nil else { throw .truncated("the RIFF header") }
        guard riff >= 12 else { throw .malformed("RIFF claims \(riff) bytes") }
        let end = 8 + riff
        var walk = Walk()
        var offset = 12
        while offset < end, !walk.isDone {
            guard let size = reader.littleEndian32(offset + 4) else { throw .truncated("a chunk's header") }
            let data = offset + 8
            // A chunk of an odd length has a byte more, which counts (section 2.3).
            let next = data + size + size % 2
            guard next <= end else { throw .malformed("a chunk reaches past the RIFF length") }
            // The headers come before the length check, so that a bomb is named as one even when it is cut off.
            try walk.chunk(reader, at: offset, data: data, size: size)
            guard data + size <= reader.count else { throw .truncated("a chunk's data") }
            offset = next
        }
        // Nothing is lost with the padding byte behind the last chunk.
        let isPaddingAllThatLacks = end == reader.count + 1 && offset == end
        guard end <= reader.count || isPaddingAllThatLacks else { throw .truncated("the RIFF data") }
        return try walk.facts()
    }

    private struct Walk {
        private var canvas: ImageFacts?
        private var picture: ImageFacts?
        private var isAnimated = false
        private var hasAnimationHeader = false

        init() {}

        /// Behind the image of a file without VP8X nothing is looked at (section 2.5).
        var isDone: Bool { canvas == nil && picture != nil }

        mutating func chunk(_ reader: ByteReader, at offset: Int, data: Int, size: Int) throws(ImageError) {
            if canvas == nil, reader.matches(Array("VP8X".utf8), at: offset) {
                canvas = try WebPStructure.extended(reader, data, size)
                isAnimated = (reader.byte(data) ?? 0) & 2 != 0
            } else if let facts = try WebPStructure.image(reader, at: offset, data, size) {
                if isAnimated { throw .malformed("an image outside the frames of an animation") }
                guard picture == nil else { throw .malformed("a second image") }
                if let canvas, facts != canvas { throw .malformed("the image has not the size of its canvas") }
                picture = facts
            } else if reader.matches(Array("ANIM".utf8), at: offset) {
                hasAnimationHeader = true
            } else if let canvas, reader.matches(Array("ANMF".utf8), at: offset) {
                guard isAnimated, hasAnimationHeader else { throw .malformed("a frame outside an animation") }
                try WebPStructure.frame(reader, data, size, canvas)
                picture = canvas
            } else if canvas == nil {
                throw .malformed("the first chunk is no VP8, VP8L or VP8X")
            }
        }

        func facts() throws(ImageError) -> ImageFacts {
            guard let picture else { throw .malformed("there is no picture data") }
            return canvas ?? picture
        }
    }

    /// A frame of an animation: its place and size in the canvas, then chunks, among them one image (section 2.7.1.1).
    private static func frame(
        _ reader: ByteReader, _ data: Int, _ size: Int, _ canvas: ImageFacts
    ) throws(ImageError) {
        guard size >= 24 else { throw .malformed("an animation frame is too short") }
        guard let left = reader.littleEndian24(data), let top = reader.littleEndian24(data + 3),
            let width = reader.littleEndian24(data + 6), let height = reader.littleEndian24(data + 9),
            reader.byte(data + 15) != nil
        else { throw .truncated("an animation frame") }
        let claimed = try ImageStructure.facts(.webp, width: width + 1, height: height + 1)
        guard 2 * left + claimed.width <= canvas.width, 2 * top + claimed.height <= canvas.height else {
            throw .malformed("an animation frame reaches past the canvas")
        }
        var offset = data + 16
        while offset < data + size {
            guard let length = reader.littleEndian32(offset + 4) else { throw .truncated("an animation frame") }
            guard offset + 8 + length <= data + size else { throw .malformed("a chunk reaches past its frame") }
            if let facts = try image(reader, at: offset, offset + 8, length) {
                guard facts == claimed else { throw .malformed("the image has not the size of its frame") }
                return
            }
            offset += 8 + length + length % 2
        }
        throw .malformed("an animation frame without an image")
    }

    private static func image(
        _ reader: ByteReader, at offset: Int, _ data: Int, _ size: Int
    ) throws(ImageError) -> ImageFacts? {
        if reader.matches(Array("VP8 ".utf8), at: offset) { return try lossy(reader, data, size) }
        if reader.matches(Array("VP8L".utf8), at: offset) { return try lossless(reader, data, size) }
        return nil
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
    fileprivate static func extended(
        _ reader: ByteReader, _ data: Int, _ size: Int
    ) throws(ImageError) -> ImageFacts {
        guard size >= 10 else { throw .malformed("the VP8X chunk is too short") }
        guard let width = reader.littleEndian24(data + 4), let height = reader.littleEndian24(data + 7) else {
            throw .truncated("the VP8X header")
        }
        return try ImageStructure.facts(.webp, width: width + 1, height: height + 1)
    }
}
