package import AvatarCore

/// Pictures of 16 × 16 pixels in the formats for which there are no drawn files: their structure is whole, the pixels are made up.
package enum BoxPictures {
    /// A GIF, an AVIF, a HEIC or, in its container, a JPEG XL.
    package static func tiny(_ format: ImageFormat) -> [UInt8] {
        switch format {
        case .gif:
            // Two colours; the codes clear, sixteen times one pixel and then strings of it, end.
            return Array("GIF89a".utf8) + [
                16, 0, 16, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0, 16, 0, 16, 0, 0, 2,
            ]
                + [4] + [0x84, 0x8f, 0xa9, 0x05] + [0, 0x3b]
        case .jxl: return container(codestream)
        case .avif: return items(brand: "avif")
        default: return items(brand: "heic")
        }
    }

    /// A bare codestream, which has no end mark: 16 × 16 pixels, then bytes.
    package static let codestream: [UInt8] = [0xff, 0x0a, 0b0100_0011, 0x00] + [UInt8](repeating: 0x55, count: 40)

    private static func container(_ codestream: [UInt8]) -> [UInt8] {
        box("JXL ", [13, 10, 0x87, 10]) + box("ftyp", Array("jxl ".utf8) + number(0) + Array("jxl ".utf8))
            + box("jxlc", codestream)
    }

    /// One item, whose bytes lie in `mdat`.
    package static func items(brand: String, mdat: Int = 64) -> [UInt8] {
        let start = box("ftyp", Array(brand.utf8) + number(0) + Array("mif1".utf8) + Array(brand.utf8))
        let meta = { (place: Int) in
            let size = box("ispe", number(0) + number(16) + number(16))
            let given = box("ipma", number(0) + number(1) + [0, 1, 1, 1])
            let lies = box("iloc", number(0) + [0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1] + number(place) + number(mdat))
            return box(
                "meta", number(0) + box("pitm", number(0) + [0, 1]) + lies + box("iprp", box("ipco", size) + given))
        }
        let place = start.count + meta(0).count + 8
        return start + meta(place) + box("mdat", [UInt8](repeating: 0x55, count: mdat))
    }

    /// A box of an ISO base media file.
    package static func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
        number(content.count + 8) + Array(type.utf8) + content
    }

    private static func number(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
