/// Walks the zlib stream of a PNG's IDAT chunks (RFC 1950, 1951) and counts the bytes that it unpacks to.
///
/// Rows of up to ``Limits/Picture/unpackedCheckedMax`` bytes are unpacked, though not kept, for their filters and their checksum. Of larger
/// pictures the bytes are only counted: what that takes in time follows from the packed bytes, not from what they claim.
struct DeflateWalk: Sendable {
    /// The stream ends early, or breaks a rule.
    struct Broken: Error {}

    private var chunks: Chunks
    private var held: UInt8 = 0
    private var heldBits = 0
    private var unpacked = 0
    private let needed: Int
    /// What the rows look like, and the bytes that the stream may still point back to; nil where the bytes are only counted.
    private var rows: PNGRows?
    private var window: [UInt8] = []

    /// - Parameter start: where the first IDAT chunk begins.
    private init(_ passes: [PNGRows.Pass], firstChunk start: Int) {
        chunks = Chunks(start)
        needed = passes.reduce(0) { $0 + $1.bytes }
        guard needed <= Limits.Picture.unpackedCheckedMax else { return }
        rows = PNGRows(passes)
        window = [UInt8](repeating: 0, count: Self.windowBytes)
    }

    /// Whether the stream is whole and gives all these rows. What comes too much is no fault.
    static func gives(_ passes: [PNGRows.Pass], firstChunk: Int, _ reader: ByteReader) -> Bool {
        var walk = DeflateWalk(passes, firstChunk: firstChunk)
        do throws(Broken) { return try walk.isWhole(reader) } catch { return false }
    }

    private mutating func isWhole(_ reader: ByteReader) throws(Broken) -> Bool {
        let (method, flags) = (try byte(reader), try byte(reader))
        guard method & 15 == 8, method >> 4 <= 7, (Int(method) << 8 | Int(flags)) % 31 == 0, flags & 0x20 == 0 else {
            return false
        }
        var isLast = false
        while !isLast {
            isLast = try bits(1, reader) == 1
            switch try bits(2, reader) {
            case 0: try stored(reader)
            case 1: try packed(Self.fixedSymbols, Self.fixedDistances, reader)
            case 2:
                let (symbols, distances) = try tables(reader)
                try packed(symbols, distances, reader)
            default: return false
            }
        }
        heldBits = 0
        var checksum: UInt32 = 0
        for _ in 0..<4 { checksum = checksum << 8 | UInt32(try byte(reader)) }
        guard unpacked >= needed else { return false }
        guard let rows else { return true }
        // Decoders stop behind the last row, and do not come to the checksum of more.
        return rows.areFiltersKnown && (unpacked > needed || rows.checksum == checksum)
    }

    /// One more unpacked byte.
    private mutating func put(_ byte: UInt8) {
        if !window.isEmpty {
            window[unpacked & (Self.windowBytes - 1)] = byte
            if unpacked < needed { rows?.take(byte) }
        }
        unpacked += 1
    }

    /// Bytes that came `distance` bytes before, once more.
    private mutating func copy(_ count: Int, from distance: Int) {
        // Behind the last row nothing is looked at any more.
        guard !window.isEmpty, unpacked < needed else {
            unpacked += count
            return
        }
        for _ in 0..<count { put(window[(unpacked - distance) & (Self.windowBytes - 1)]) }
    }

    private mutating func stored(_ reader: ByteReader) throws(Broken) {
        heldBits = 0
        let length = Int(try byte(reader)) | Int(try byte(reader)) << 8
        let check = Int(try byte(reader)) | Int(try byte(reader)) << 8
        guard length ^ check == 0xffff else { throw Broken() }
        for _ in 0..<length { put(try byte(reader)) }
    }

    private mutating func packed(
        _ symbols: HuffmanTable, _ distances: HuffmanTable, _ reader: ByteReader
    ) throws(Broken) {
        while true {
            let value = try symbol(symbols, reader)
            if value == 256 { return }
            guard value > 256 else {
                put(UInt8(truncatingIfNeeded: value))
                continue
            }
            guard value <= 285 else { throw Broken() }
            let length = Self.lengths[value - 257]
            let bytes = length.base + (try bits(length.extra, reader))
            let far = try symbol(distances, reader)
            guard far < 30 else { throw Broken() }
            let extra = max(0, far / 2 - 1)
            let base = far < 4 ? far + 1 : (2 + far % 2) << extra + 1
            let distance = base + (try bits(extra, reader))
            guard distance <= unpacked else { throw Broken() }
            copy(bytes, from: distance)
        }
    }

    private mutating func tables(_ reader: ByteReader) throws(Broken) -> (HuffmanTable, HuffmanTable) {
        let symbols = try bits(5, reader) + 257
        let distances = try bits(5, reader) + 1
        let codes = try bits(4, reader) + 4
        guard symbols <= 286, distances <= 30 else { throw Broken() }
        var order = [UInt8](repeating: 0, count: 19)
        for index in 0..<codes { order[Self.codeOrder[index]] = UInt8(try bits(3, reader)) }
        guard let code = HuffmanTable(lengths: order[...]) else { throw Broken() }
        var lengths: [UInt8] = []
        while lengths.count < symbols + distances {
            let value = try symbol(code, reader)
            switch value {
            case 0..<16: lengths.append(UInt8(value))
            case 16:
                guard let last = lengths.last else { throw Broken() }
                lengths += [UInt8](repeating: last, count: 3 + (try bits(2, reader)))
            case 17: lengths += [UInt8](repeating: 0, count: 3 + (try bits(3, reader)))
            default: lengths += [UInt8](repeating: 0, count: 11 + (try bits(7, reader)))
            }
        }
        guard lengths.count == symbols + distances, lengths[256] > 0,
            let first = HuffmanTable(lengths: lengths[..<symbols]),
            let second = HuffmanTable(lengths: lengths[symbols...])
        else { throw Broken() }
        return (first, second)
    }

    // MARK: Bits

    private mutating func byte(_ reader: ByteReader) throws(Broken) -> UInt8 {
        guard let next = chunks.next(reader) else { throw Broken() }
        return next
    }

    private mutating func bits(_ count: Int, _ reader: ByteReader) throws(Broken) -> Int {
        var value = 0
        for index in 0..<count { value |= try bit(reader) << index }
        return value
    }

    private mutating func bit(_ reader: ByteReader) throws(Broken) -> Int {
        if heldBits == 0 {
            held = try byte(reader)
            heldBits = 8
        }
        defer {
            held >>= 1
            heldBits -= 1
        }
        return Int(held & 1)
    }

    private mutating func symbol(_ table: HuffmanTable, _ reader: ByteReader) throws(Broken) -> Int {
        var place = HuffmanTable.Place()
        while true {
            switch table.take(try bit(reader), &place) {
            case .symbol(let value): return value
            case .goOn: break
            case .none: throw Broken()
            }
        }
    }

    /// The bytes inside consecutive IDAT chunks.
    private struct Chunks: Sendable {
        private var offset: Int
        private var left: Int?

        init(_ start: Int) { offset = start }

        mutating func next(_ reader: ByteReader) -> UInt8? {
            while left ?? 0 == 0 {
                // Behind a chunk's data stands its CRC.
                if left != nil { offset += 4 }
                guard let length = reader.bigEndian32(offset), reader.matches(Array("IDAT".utf8), at: offset + 4) else {
                    return nil
                }
                (offset, left) = (offset + 8, length)
            }
            left = (left ?? 1) - 1
            offset += 1
            return reader.byte(offset - 1)
        }
    }

    // MARK: Tables of RFC 1951

    /// How far back the stream may point.
    private static let windowBytes = 32768

    private static let codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

    /// 3.2.5: each four lengths share a count of extra bits from 265 on; 285 is a length of its own.
    private static let lengths: [(base: Int, extra: Int)] =
        (0..<28).map { code in
            let extra = max(0, code / 4 - 1)
            return (code < 8 ? code + 3 : (4 + code % 4) << extra + 3, extra)
        } + [(258, 0)]

    private static let fixedSymbols = fixed(
        [UInt8](repeating: 8, count: 144) + [UInt8](repeating: 9, count: 112) + [UInt8](repeating: 7, count: 24)
            + [UInt8](repeating: 8, count: 8))
    private static let fixedDistances = fixed([UInt8](repeating: 5, count: 30))

    private static func fixed(_ lengths: [UInt8]) -> HuffmanTable {
        HuffmanTable(lengths: lengths[...]) ?? HuffmanTable.empty
    }
}
