/// GIF: a screen, then extensions and images of length-prefixed blocks, and a trailer (CompuServe, GIF 89a specification).
///
/// Some writers leave away the trailer, or the empty block before it too. Whether all of a picture is there then, its codes tell.
enum GIFStructure {
    static func examine(_ reader: ByteReader, isWhole: Bool) throws(ImageError) -> ImageFacts {
        guard let width = reader.littleEndian16(6), let height = reader.littleEndian16(8), let flags = reader.byte(10),
            reader.byte(12) != nil
        else { throw .truncated("the screen descriptor") }
        // The screen is what viewers show; some writers leave it empty, and the first image counts.
        var facts: ImageFacts?
        if width > 0, height > 0 { facts = try ImageStructure.facts(.gif, width: width, height: height) }
        let hasGlobalColours = flags & 0x80 != 0
        var offset = 13 + (hasGlobalColours ? 3 << Int(flags & 7 + 1) : 0)
        var images = 0
        while let block = reader.byte(offset) {
            switch block {
            case 0x3b:
                guard let facts, images > 0 else { throw .malformed("the trailer comes before any image") }
                return facts
            case 0x21: offset = try blocks(reader, from: offset + 2, "an extension")
            case 0x2c:
                let image = try image(reader, offset)
                facts = facts ?? image.facts
                images += 1
                do throws(ImageError) {
                    offset = try blocks(reader, from: image.data, "an image's data")
                } catch {
                    guard let facts, LZWWalk.gives(image.facts, codes: image.data - 1, reader) else {
                        throw error
                    }
                    guard isWhole else { throw .unended("the end of the image's data") }
                    return facts
                }
            // Behind a whole image viewers take what is no block for the end.
            default:
                guard let facts, images > 0 else { throw .malformed("byte \(offset) should begin a block") }
                return facts
            }
        }
        guard let facts, images > 0 else { throw .truncated("the blocks before the first image") }
        guard isWhole else { throw .unended("the trailer") }
        return facts
    }

    private static func image(
        _ reader: ByteReader, _ offset: Int
    ) throws(ImageError) -> (facts: ImageFacts, data: Int) {
        guard let width = reader.littleEndian16(offset + 5), let height = reader.littleEndian16(offset + 7),
            let flags = reader.byte(offset + 9)
        else { throw .truncated("an image descriptor") }
        let facts = try ImageStructure.facts(.gif, width: width, height: height)
        let codes = offset + 10 + (flags & 0x80 != 0 ? 3 << Int(flags & 7 + 1) : 0)
        guard let codeSize = reader.byte(codes) else { throw .truncated("an image's colours") }
        guard (1...11).contains(codeSize) else { throw .malformed("an LZW code size of \(codeSize)") }
        guard reader.byte(codes + 1) != 0 else { throw .malformed("an image without data") }
        return (facts, codes + 1)
    }

    /// Where the sub-blocks that begin at `start` end: behind the one of no length.
    private static func blocks(_ reader: ByteReader, from start: Int, _ what: String) throws(ImageError) -> Int {
        var offset = start
        while let length = reader.byte(offset) {
            offset += 1 + Int(length)
            if length == 0 { return offset }
        }
        throw .truncated(what)
    }
}
