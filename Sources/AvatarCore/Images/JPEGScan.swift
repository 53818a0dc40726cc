/// A scan of a sequential JPEG whose Huffman codes are walked to see whether all its blocks are there (T.81, annex F). No coefficient is
/// kept.
struct JPEGScan: Sendable {
    struct Component: Hashable, Sendable {
        let id: UInt8
        let horizontal: Int
        let vertical: Int
        /// The number of its quantization table.
        let quantization: UInt8
    }

    struct Frame: Sendable {
        let facts: ImageFacts
        let components: [Component]
        let isSequential: Bool
        /// Progressive by Huffman codes.
        let isProgressive: Bool

        fileprivate var horizontalMax: Int { components.reduce(1) { max($0, $1.horizontal) } }
        fileprivate var verticalMax: Int { components.reduce(1) { max($0, $1.vertical) } }
    }

    /// Huffman tables by `class << 4 | number`, as a DHT segment names them.
    struct Tables: Sendable {
        private var tables = [HuffmanTable?](repeating: nil, count: 32)

        /// Reads the segment's tables; what makes no sense is left out.
        mutating func read(_ reader: ByteReader, _ range: Range<Int>) {
            var offset = range.lowerBound
            while offset + 17 <= range.upperBound, let name = reader.byte(offset) {
                let counts = (1...16).map { Int(reader.byte(offset + $0) ?? 0) }
                let total = counts.reduce(0, +)
                guard total <= 256, offset + 17 + total <= range.upperBound else { return }
                let symbols = (0..<total).map { UInt16(reader.byte(offset + 17 + $0) ?? 0) }
                if name < 32 { tables[Int(name)] = HuffmanTable(counts: counts, symbols: symbols) }
                offset += 17 + total
            }
        }

        func has(_ name: Int) -> Bool { self[name] != nil }

        fileprivate subscript(_ name: Int) -> HuffmanTable? { tables.indices.contains(name) ? tables[name] : nil }
    }

    /// The components that the scan's header names.
    let components: [Component]
    private let codes: [(dc: HuffmanTable, ac: HuffmanTable)]
    private let frame: Frame
    private let restartInterval: Int
    private let data: Int

    /// The scan whose header lies in `range`; nil where it names what is not there.
    init?(_ reader: ByteReader, _ range: Range<Int>, _ frame: Frame, _ tables: Tables, restartInterval: Int) {
        guard let count = reader.byte(range.lowerBound), (1...4).contains(count), range.count >= 4 + 2 * Int(count)
        else {
            return nil
        }
        var components: [Component] = []
        var codes: [(dc: HuffmanTable, ac: HuffmanTable)] = []
        for index in 0..<Int(count) {
            let place = range.lowerBound + 1 + 2 * index
            guard let id = reader.byte(place), let names = reader.byte(place + 1),
                let component = frame.components.first(where: { $0.id == id }),
                let dc = tables[Int(names >> 4)], let ac = tables[16 | Int(names & 15)]
            else { return nil }
            components.append(component)
            codes.append((dc, ac))
        }
        (self.components, self.codes, self.frame) = (components, codes, frame)
        (self.restartInterval, data) = (restartInterval, range.upperBound)
    }

    /// How much of a scan is there.
    enum Extent: Hashable, Sendable {
        /// Every block.
        case whole
        /// The data ends before the last block.
        case cut
        /// Not to be told: the data breaks a rule before it ends.
        case unreadable
    }

    func extent(_ reader: ByteReader) -> Extent {
        var bits = Bits(offset: data)
        let units = self.units
        for unit in 0..<units.count {
            if restartInterval > 0, unit > 0, unit % restartInterval == 0 {
                guard bits.restart(reader) else { return bits.isAtEnd(reader) ? .cut : .unreadable }
            }
            for (index, blocks) in units.blocks.enumerated() {
                for _ in 0..<blocks {
                    guard Self.block(codes[index], &bits, reader) else {
                        return bits.isAtEnd(reader) ? .cut : .unreadable
                    }
                }
            }
        }
        return .whole
    }

    /// How many minimum coded units there are, and how many blocks of each component one has (A.2).
    private var units: (count: Int, blocks: [Int]) {
        let (across, down) = (frame.horizontalMax, frame.verticalMax)
        if components.count == 1, let only = components.first {
            let columns = (frame.facts.width * only.horizontal + 8 * across - 1) / (8 * across)
            let rows = (frame.facts.height * only.vertical + 8 * down - 1) / (8 * down)
            return (columns * rows, [1])
        }
        let columns = (frame.facts.width + 8 * across - 1) / (8 * across)
        let rows = (frame.facts.height + 8 * down - 1) / (8 * down)
        return (columns * rows, components.map { $0.horizontal * $0.vertical })
    }

    private static func block(
        _ codes: (dc: HuffmanTable, ac: HuffmanTable), _ bits: inout Bits, _ reader: ByteReader
    ) -> Bool {
        guard let size = bits.symbol(codes.dc, reader), size <= 15, bits.skip(size, reader) else { return false }
        var index = 1
        while index < 64 {
            guard let code = bits.symbol(codes.ac, reader), bits.skip(code & 15, reader) else { return false }
            if code & 15 == 0, code >> 4 != 15 { return true }
            index += code >> 4 + 1
        }
        return true
    }

    /// Entropy-coded bits; a marker ends them.
    private struct Bits {
        var offset: Int
        private var held: UInt8 = 0
        private var count = 0

        init(offset: Int) { self.offset = offset }

        /// Whether the data ends here, or a marker does that is no restart marker.
        func isAtEnd(_ reader: ByteReader) -> Bool {
            guard count == 0, let byte = reader.byte(offset) else { return count == 0 }
            guard byte == 0xff, let code = reader.byte(offset + 1) else { return byte == 0xff }
            return code != 0 && !(0xd0...0xd7).contains(code)
        }

        mutating func bit(_ reader: ByteReader) -> Int? {
            if count == 0 {
                guard let byte = reader.byte(offset) else { return nil }
                if byte == 0xff, reader.byte(offset + 1) != 0 { return nil }
                offset += byte == 0xff ? 2 : 1
                (held, count) = (byte, 8)
            }
            count -= 1
            return Int(held >> UInt8(count) & 1)
        }

        mutating func skip(_ bits: Int, _ reader: ByteReader) -> Bool {
            for _ in 0..<bits where bit(reader) == nil { return false }
            return true
        }

        mutating func symbol(_ table: HuffmanTable, _ reader: ByteReader) -> Int? {
            var place = HuffmanTable.Place()
            while let bit = bit(reader) {
                switch table.take(bit, &place) {
                case .symbol(let value): return value
                case .goOn: break
                case .none: return nil
                }
            }
            return nil
        }

        /// Steps over the restart marker that must come here.
        mutating func restart(_ reader: ByteReader) -> Bool {
            count = 0
            while reader.byte(offset) == 0xff, reader.byte(offset + 1) == 0xff { offset += 1 }
            guard reader.byte(offset) == 0xff, let code = reader.byte(offset + 1), (0xd0...0xd7).contains(code) else {
                return false
            }
            offset += 2
            return true
        }
    }
}
