/// A number of bytes as a person reads and writes it.
package struct ByteCount: Hashable, Sendable, CustomStringConvertible {
    /// The bytes.
    package let bytes: Int

    package init(_ bytes: Int) { self.bytes = bytes }

    /// From `2048`, `64 KiB`, `10GB` and the like; nil for anything else, and for more than 64 bits hold. Units with an i count by 1,024, the others by
    /// 1,000; a B may be left out, and case does not matter.
    package init?(text: String) {
        let text = text.trimming { $0 == " " }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        var unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let count = Int(digits) else { return nil }
        if unit.hasSuffix("b") { unit.removeLast() }
        let base = unit.hasSuffix("i") ? 1024 : 1000
        if unit.hasSuffix("i") { unit.removeLast() }
        guard let power = ["", "k", "m", "g", "t"].firstIndex(of: unit), power > 0 || base == 1000 else { return nil }
        var bytes = count
        for _ in 0..<power {
            let (product, isTooMuch) = bytes.multipliedReportingOverflow(by: base)
            guard !isTooMuch else { return nil }
            bytes = product
        }
        self.bytes = bytes
    }

    /// `100 bytes`, `20.0 KiB`, `1.5 GiB`.
    package var description: String {
        guard bytes >= 1024 else { return bytes == 1 ? "1 byte" : "\(bytes) bytes" }
        let (tenfold, isTooMuch) = bytes.multipliedReportingOverflow(by: 10)
        var tenths = isTooMuch ? bytes / 1024 * 10 : tenfold / 1024
        var unit = 0
        while tenths >= 10_240, unit < Self.units.count - 1 {
            tenths /= 1024
            unit += 1
        }
        return "\(tenths / 10).\(tenths % 10) \(Self.units[unit])"
    }

    private static let units = ["KiB", "MiB", "GiB", "TiB"]
}

extension String {
    fileprivate func trimming(_ isDropped: (Character) -> Bool) -> Substring {
        var text = drop(while: isDropped)
        while let last = text.last, isDropped(last) { text.removeLast() }
        return text
    }
}
