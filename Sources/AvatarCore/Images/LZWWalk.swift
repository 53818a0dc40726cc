/// Walks the LZW codes of a GIF's image (GIF 89a specification, appendix F) and counts the pixels that they stand for, without making them.
struct LZWWalk: Sendable {
    private var offset: Int
    /// Bytes of the sub-block that have not been read.
    private var left = 0
    private var held = 0
    private var heldBits = 0

    private init(_ data: Int) { offset = data }

    /// Whether the codes, whose size stands at `codes`, give all pixels of the image; sub-blocks may end where the file does.
    static func gives(_ image: ImageFacts, codes: Int, _ reader: ByteReader) -> Bool {
        guard let size = reader.byte(codes), (1...8).contains(size) else { return false }
        var walk = LZWWalk(codes + 1)
        return walk.pixels(size: Int(size), needed: image.width * image.height, reader) >= image.width * image.height
    }

    private mutating func pixels(size: Int, needed: Int, _ reader: ByteReader) -> Int {
        let clear = 1 << size
        /// How many pixels each code stands for; the two behind the single colours stand for none.
        var lengths = [Int](repeating: 1, count: clear) + [0, 0]
        var width = size + 1
        var last: Int?
        var count = 0
        while count < needed, let code = take(width, reader) {
            if code == clear {
                lengths.removeLast(lengths.count - clear - 2)
                (width, last) = (size + 1, nil)
                continue
            }
            guard code != clear + 1, code < lengths.count || (code == lengths.count && last != nil) else { break }
            if let last, lengths.count < 4096 {
                lengths.append(lengths[last] + 1)
                if lengths.count == 1 << width, width < 12 { width += 1 }
            }
            guard code < lengths.count else { break }
            count += lengths[code]
            last = code
        }
        return count
    }

    /// The next code, its lowest bit first; nil at the end of the data.
    private mutating func take(_ width: Int, _ reader: ByteReader) -> Int? {
        while heldBits < width {
            if left == 0 {
                guard let length = reader.byte(offset), length > 0 else { return nil }
                left = Int(length)
                offset += 1
            }
            guard let byte = reader.byte(offset) else { return nil }
            held |= Int(byte) << heldBits
            heldBits += 8
            offset += 1
            left -= 1
        }
        defer {
            held >>= width
            heldBits -= width
        }
        return held & (1 << width - 1)
    }
}
