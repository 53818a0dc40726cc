/// A canonical Huffman code, as DEFLATE (RFC 1951, 3.2.2) and JPEG (T.81, annex C) have it: how many codes each length has, and the
/// symbols in the order of their codes.
struct HuffmanTable: Sendable {
    private let counts: [Int]
    private let symbols: [UInt16]

    /// The table of these counts for the lengths from 1 on; nil when there are more codes of a length than that length has room for.
    init?(counts: [Int], symbols: [UInt16]) {
        var room = 1
        for count in counts {
            room = room * 2 - count
            guard room >= 0 else { return nil }
        }
        guard counts.reduce(0, +) <= symbols.count else { return nil }
        self.counts = counts
        self.symbols = symbols
    }

    /// The table in which symbol `n` has a code of `lengths[n]` bits; none where that is 0.
    init?(lengths: ArraySlice<UInt8>) {
        var counts = [Int](repeating: 0, count: 15)
        for length in lengths where length > 0 { counts[Int(length) - 1] += 1 }
        var places = [Int](repeating: 0, count: 15)
        for length in 1..<15 { places[length] = places[length - 1] + counts[length - 1] }
        var symbols = [UInt16](repeating: 0, count: counts.reduce(0, +))
        for (symbol, length) in lengths.enumerated() where length > 0 {
            symbols[places[Int(length) - 1]] = UInt16(symbol)
            places[Int(length) - 1] += 1
        }
        self.init(counts: counts, symbols: symbols)
    }

    /// A code without symbols.
    static let empty = HuffmanTable()

    private init() { (counts, symbols) = ([], []) }

    /// Where a code that is read bit by bit stands.
    struct Place: Sendable {
        fileprivate var code = 0
        fileprivate var first = 0
        fileprivate var index = 0
        fileprivate var length = 0

        init() {}
    }

    /// What one more bit of a code says.
    enum Step: Sendable {
        case symbol(Int)
        case goOn
        /// No code begins so.
        case none
    }

    func take(_ bit: Int, _ place: inout Place) -> Step {
        guard place.length < counts.count else { return .none }
        let count = counts[place.length]
        place.length += 1
        place.code |= bit
        if place.code - count < place.first { return .symbol(Int(symbols[place.index + place.code - place.first])) }
        place.index += count
        place.first = (place.first + count) << 1
        place.code <<= 1
        return .goOn
    }
}
