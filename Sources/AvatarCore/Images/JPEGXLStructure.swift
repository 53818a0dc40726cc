/// JPEG XL: a bare codestream, which has no end mark, or boxes around one (ISO/IEC 18181-1 and -2).
enum JPEGXLStructure {
    static let container: [UInt8] = [0, 0, 0, 12, 0x4a, 0x58, 0x4c, 0x20, 13, 10, 0x87, 10]

    static func examine(_ reader: ByteReader, isWhole: Bool) throws(ImageError) -> ImageFacts {
        guard reader.matches(container, at: 0) else {
            let facts = try codestream(reader, at: 0)
            guard isWhole else { throw .unended("a mark of the codestream's end") }
            return facts
        }
        var boxes = BoxWalk(container.count..<reader.count)
        var facts: ImageFacts?
        var isLast = false
        var isOpen = false
        walk: while true {
            switch boxes.next(reader) {
            case .end: break walk
            case .truncated:
                guard isLast else { throw .truncated("a box's header") }
                break walk
            case .malformed:
                guard isLast else { throw .malformed("what should be a box is none") }
                break walk
            case .box(let box):
                let isPart = box.type == "jxlp"
                if facts == nil, isPart || box.type == "jxlc" {
                    facts = try codestream(reader, at: box.content.lowerBound + (isPart ? 4 : 0))
                }
                guard box.content.upperBound <= reader.count else { throw .truncated("the box \(box.type)") }
                isOpen = isOpen || box.isOpen
                // The highest bit of a part's number marks the last one.
                if box.type == "jxlc" || isPart && (reader.byte(box.content.lowerBound) ?? 0) & 0x80 != 0 {
                    isLast = true
                }
            }
        }
        guard let facts, isLast else { throw .truncated("the boxes of the codestream") }
        guard !isOpen || isWhole else { throw .unended("the length of the last box") }
        return facts
    }

    private static func codestream(_ reader: ByteReader, at offset: Int) throws(ImageError) -> ImageFacts {
        guard let first = reader.bigEndian16(offset) else { throw .truncated("the codestream's mark") }
        guard first == 0xff0a else { throw .malformed("the codestream does not begin with its mark") }
        var bits = Bits(offset: offset + 2)
        let height: Int
        let width: Int
        let isSmall = try bits.take(1, reader) == 1
        height = isSmall ? (try bits.take(5, reader) + 1) * 8 : try length(&bits, reader)
        let ratio = try bits.take(3, reader)
        if ratio == 0 {
            width = isSmall ? (try bits.take(5, reader) + 1) * 8 : try length(&bits, reader)
        } else {
            let (over, under) = ratios[ratio - 1]
            width = height * over / under
        }
        return try ImageStructure.facts(.jxl, width: width, height: height)
    }

    private static let ratios = [(1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)]

    /// A side of a picture: 9, 13, 18 or 30 bits.
    private static func length(_ bits: inout Bits, _ reader: ByteReader) throws(ImageError) -> Int {
        try bits.take([9, 13, 18, 30][try bits.take(2, reader)], reader) + 1
    }

    /// Bits of the codestream, the lowest of each byte first.
    private struct Bits {
        private var place: Int

        init(offset: Int) { place = 8 * offset }

        mutating func take(_ count: Int, _ reader: ByteReader) throws(ImageError) -> Int {
            var value = 0
            for index in 0..<count {
                guard let byte = reader.byte(place / 8) else { throw .truncated("the codestream's header") }
                value |= Int(byte >> UInt8(place % 8) & 1) << index
                place += 1
            }
            return value
        }
    }
}
