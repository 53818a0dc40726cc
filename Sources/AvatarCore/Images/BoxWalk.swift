/// The boxes of an ISO base media file (ISO/IEC 14496-12, 4.2), one after the other in a range of the file.
struct BoxWalk: Sendable {
    struct Box: Sendable {
        /// Four letters.
        let type: String
        /// Where its content begins and ends; the end may lie behind the file's.
        let content: Range<Int>
        /// Whether the box has no length of its own and reaches to the end of the file.
        let isOpen: Bool
    }

    /// What stands at the next place.
    enum Next: Sendable {
        case box(Box)
        case end
        /// The header is cut off.
        case truncated
        /// No box begins here.
        case malformed
    }

    private(set) var offset: Int
    private let end: Int

    init(_ range: Range<Int>) { (offset, end) = (range.lowerBound, range.upperBound) }

    mutating func next(_ reader: ByteReader) -> Next {
        guard offset < end else { return .end }
        guard let short = reader.bigEndian32(offset), let letters = reader.bigEndian32(offset + 4), offset + 8 <= end
        else {
            return .truncated
        }
        var header = 8
        var size = short
        if short == 1 {
            guard let long = reader.bigEndian64(offset + 8) else { return .truncated }
            (header, size) = (16, long)
        } else if short == 0 {
            size = end - offset
        }
        let bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: letters >> $0) }
        guard size >= header, size <= Int.max - offset, bytes.allSatisfy({ (32...126).contains($0) }) else {
            return .malformed
        }
        let start = offset
        offset += size
        return .box(
            Box(
                type: String(decoding: bytes, as: UTF8.self), content: start + header..<start + size, isOpen: short == 0
            ))
    }
}
