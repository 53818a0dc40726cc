/// The unpacked rows of a PNG, byte by byte as they come: whether each begins with a filter that there is (PNG specification, section 9), and
/// the checksum over all of them (Adler-32, RFC 1950).
struct PNGRows: Sendable {
    /// Rows of one length.
    struct Pass: Hashable, Sendable {
        let rows: Int
        /// The filter's byte and the pixels.
        let rowBytes: Int

        var bytes: Int { rows * rowBytes }
    }

    private let passes: [Pass]
    private var pass = 0
    private var rowsLeft: Int
    /// Bytes of the row that have not come.
    private var bytesLeft: Int
    private var low: UInt32 = 1
    private var high: UInt32 = 0
    /// Whether every row so far begins with a filter that there is.
    private(set) var areFiltersKnown = true

    init(_ passes: [Pass]) {
        self.passes = passes
        rowsLeft = passes.first?.rows ?? 0
        bytesLeft = passes.first?.rowBytes ?? 0
    }

    var checksum: UInt32 { high << 16 | low }

    mutating func take(_ byte: UInt8) {
        low += UInt32(byte)
        if low >= Self.base { low -= Self.base }
        high += low
        if high >= Self.base { high -= Self.base }
        guard pass < passes.count else { return }
        if bytesLeft == passes[pass].rowBytes, byte > 4 { areFiltersKnown = false }
        bytesLeft -= 1
        guard bytesLeft == 0 else { return }
        rowsLeft -= 1
        if rowsLeft == 0 {
            pass += 1
            rowsLeft = pass < passes.count ? passes[pass].rows : 0
        }
        bytesLeft = pass < passes.count ? passes[pass].rowBytes : 0
    }

    private static let base: UInt32 = 65521
}
