/// AVIF and HEIC: an ISO base media file whose `meta` box says where the pictures' bytes lie (ISO/IEC 23008-12, AV1 Image File Format).
enum HEIFStructure {
    private static let avif = ["avif", "avis"]
    private static let heic = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]

    /// The format that the brands of the `ftyp` box name. `mif1` alone, which any codec may follow, counts as HEIC.
    static func format(_ reader: ByteReader) -> ImageFormat? {
        guard reader.matches(Array("ftyp".utf8), at: 4), let size = reader.bigEndian32(0), size == 0 || size >= 12
        else {
            return nil
        }
        let brands = [8] + Array(stride(from: 16, to: min(size, reader.count, brandBytesMax), by: 4))
        func names(_ brand: String) -> Bool { brands.contains { reader.matches(Array(brand.utf8), at: $0) } }
        if avif.contains(where: names) { return .avif }
        if heic.contains(where: names) { return .heic }
        return reader.matches(Array("mif1".utf8), at: 8) || reader.matches(Array("msf1".utf8), at: 8) ? .heic : nil
    }

    /// No file names more brands than fit in here.
    private static let brandBytesMax = 1024

    static func examine(_ reader: ByteReader, _ format: ImageFormat, isWhole: Bool) throws(ImageError) -> ImageFacts {
        var boxes = BoxWalk(0..<reader.count)
        var facts: ImageFacts?
        var isOpen = false
        walk: while true {
            switch boxes.next(reader) {
            case .end: break walk
            case .truncated:
                guard facts != nil else { throw .truncated("a box's header") }
                break walk
            // Behind the pictures, what is no box is nobody's business.
            case .malformed:
                guard facts != nil else { throw .malformed("what should be a box is none") }
                break walk
            case .box(let box):
                guard box.content.upperBound <= reader.count else { throw .truncated("the box \(box.type)") }
                isOpen = isOpen || box.isOpen
                guard box.type == "meta", facts == nil else { continue }
                var meta = HEIFItems()
                facts = try meta.facts(reader, box.content, format)
            }
        }
        guard let facts else { throw .truncated("the boxes before meta") }
        guard !isOpen || isWhole else { throw .unended("the length of the last box") }
        return facts
    }
}

/// The items of a `meta` box: which one is the picture, how large it is, and where the bytes of all lie.
struct HEIFItems: Sendable {
    private var primary: Int?
    private var located: Set<Int> = []
    private var properties: [BoxWalk.Box] = []
    private var associations: BoxWalk.Box?
    private var locations: BoxWalk.Box?
    private var data: Range<Int>?

    init() {}

    mutating func facts(_ reader: ByteReader, _ meta: Range<Int>, _ format: ImageFormat) throws(ImageError)
        -> ImageFacts
    {
        // Version and flags come first.
        guard meta.count >= 4 else { throw .malformed("the box meta is empty") }
        try forEachBox(reader, meta.lowerBound + 4..<meta.upperBound) { (box) throws(ImageError) in
            switch box.type {
            case "pitm":
                let isLong = reader.byte(box.content.lowerBound) ?? 0 > 0
                primary = reader.bigEndian(box.content.lowerBound + 4, bytes: isLong ? 4 : 2)
            case "iloc": locations = box
            case "idat": data = box.content
            case "iprp":
                try forEachBox(reader, box.content) { (part) throws(ImageError) in
                    if part.type == "ipma" { associations = associations ?? part }
                    if part.type == "ipco" {
                        try forEachBox(reader, part.content) { (property) throws(ImageError) in
                            properties.append(property)
                        }
                    }
                }
            default: break
            }
        }
        guard let primary else { throw .malformed("no picture is the primary one") }
        guard let size = size(reader, of: primary) else { throw .malformed("the primary picture has no size") }
        let facts = try ImageStructure.facts(format, width: size.width, height: size.height)
        try locate(reader)
        guard located.contains(primary) else { throw .malformed("the primary picture has no bytes") }
        return facts
    }

    private func forEachBox(
        _ reader: ByteReader, _ range: Range<Int>, _ body: (BoxWalk.Box) throws(ImageError) -> Void
    ) throws(ImageError) {
        var boxes = BoxWalk(range)
        while true {
            switch boxes.next(reader) {
            case .end: return
            case .truncated, .malformed: throw .malformed("what should be a box of meta is none")
            case .box(let box):
                guard box.content.upperBound <= range.upperBound else {
                    throw .malformed("the box \(box.type) reaches past the one around it")
                }
                try body(box)
            }
        }
    }

    /// The `ispe` property among those that `ipma` gives to the item.
    private func size(_ reader: ByteReader, of item: Int) -> (width: Int, height: Int)? {
        guard let box = associations, let version = reader.byte(box.content.lowerBound),
            let flags = reader.byte(box.content.lowerBound + 3),
            let count = reader.bigEndian32(box.content.lowerBound + 4)
        else { return nil }
        let idBytes = version == 0 ? 2 : 4
        let isLong = flags & 1 != 0
        var offset = box.content.lowerBound + 8
        for _ in 0..<count {
            guard offset < box.content.upperBound, let id = reader.bigEndian(offset, bytes: idBytes),
                let entries = reader.byte(offset + idBytes)
            else { return nil }
            offset += idBytes + 1
            for _ in 0..<entries {
                guard let entry = reader.bigEndian(offset, bytes: isLong ? 2 : 1) else { return nil }
                offset += isLong ? 2 : 1
                let index = entry & (isLong ? 0x7fff : 0x7f) - 1
                guard id == item, properties.indices.contains(index), properties[index].type == "ispe" else { continue }
                let content = properties[index].content
                guard content.count >= 12, let width = reader.bigEndian32(content.lowerBound + 4),
                    let height = reader.bigEndian32(content.lowerBound + 8)
                else { return nil }
                return (width, height)
            }
        }
        return nil
    }

    /// Every item's extents must lie in the file, or in `idat` (14496-12, 8.11.3).
    private mutating func locate(_ reader: ByteReader) throws(ImageError) {
        guard let box = locations else { throw .malformed("nothing says where the pictures' bytes lie") }
        let malformed = ImageError.malformed("the box iloc ends too early")
        let start = box.content.lowerBound
        guard let version = reader.byte(start), let sizes = reader.bigEndian16(start + 4), version <= 2 else {
            throw malformed
        }
        let widths = (
            offset: sizes >> 12, length: sizes >> 8 & 15, base: sizes >> 4 & 15, index: version > 0 ? sizes & 15 : 0
        )
        guard [widths.offset, widths.length, widths.base, widths.index].allSatisfy({ $0 <= 8 }) else { throw malformed }
        let idBytes = version < 2 ? 2 : 4
        guard let count = reader.bigEndian(start + 6, bytes: idBytes) else { throw malformed }
        var offset = start + 6 + idBytes
        func take(_ bytes: Int) throws(ImageError) -> Int {
            guard offset + bytes <= box.content.upperBound, let value = reader.bigEndian(offset, bytes: bytes),
                value >= 0
            else { throw malformed }
            offset += bytes
            return value
        }
        for _ in 0..<count {
            let id = try take(idBytes)
            let method = version > 0 ? try take(2) & 15 : 0
            let reference = try take(2)
            let base = try take(widths.base)
            let extents = try take(2)
            for _ in 0..<extents {
                _ = try take(widths.index)
                let place = try take(widths.offset)
                let length = try take(widths.length)
                guard reference == 0 else { continue }
                try check(base, place, length, method, reader)
                located.insert(id)
            }
        }
    }

    private func check(
        _ base: Int, _ place: Int, _ length: Int, _ method: Int, _ reader: ByteReader
    ) throws(ImageError) {
        let (first, overflow) = base.addingReportingOverflow(place)
        let (end, again) = first.addingReportingOverflow(length)
        guard !overflow, !again else { throw .malformed("a picture's bytes lie outside every file") }
        switch method {
        case 0: guard end <= reader.count else { throw .truncated("a picture's data") }
        case 1: guard end <= data?.count ?? 0 else { throw .malformed("a picture's bytes lie outside the box idat") }
        default: break
        }
    }
}
