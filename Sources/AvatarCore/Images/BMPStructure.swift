/// BMP: a file header, a bitmap header whose length says which, and rows of a length that follows from it (Microsoft,
/// "Bitmap Header Types"). The file header's own length is not looked at, as no viewer looks at it.
enum BMPStructure {
    static func examine(_ reader: ByteReader, isWhole: Bool) throws(ImageError) -> ImageFacts {
        guard let pixels = reader.littleEndian32(10), let headerSize = reader.littleEndian32(14) else {
            throw .truncated("the file header")
        }
        let header = try Header(reader, size: headerSize)
        let facts = try ImageStructure.facts(.bmp, width: header.width, height: header.height)
        guard pixels >= 14 + headerSize else { throw .malformed("the pixels begin inside the headers") }
        guard 14 + headerSize + header.paletteBytes <= reader.count else { throw .truncated("the palette") }
        if header.isPacked {
            try packedRows(reader, from: pixels, header)
        } else {
            let end = pixels + header.rowBytes * header.height
            // Viewers do without the padding of the last row.
            guard end - header.paddingBytes <= reader.count else { throw .truncated("the pixels") }
            guard end <= reader.count || isWhole else { throw .unended("the padding of the last row") }
        }
        return facts
    }

    /// Walks run-length codes up to the end of the bitmap: its mark, or the last pixel of the last row.
    private static func packedRows(_ reader: ByteReader, from start: Int, _ header: Header) throws(ImageError) {
        var offset = start
        var (column, row) = (0, 0)
        while let count = reader.byte(offset), let value = reader.byte(offset + 1) {
            offset += 2
            switch (count, value) {
            case (0, 0): (column, row) = (0, row + 1)
            case (0, 1): return
            case (0, 2):
                guard let right = reader.byte(offset), let up = reader.byte(offset + 1) else {
                    throw .truncated("the packed pixels")
                }
                (column, row) = (column + Int(right), row + Int(up))
                offset += 2
            case (0, _):
                // Literal pixels, padded to 16 bits.
                let bytes = header.depth == 8 ? Int(value) : (Int(value) + 1) / 2
                offset += bytes + bytes % 2
                column += Int(value)
            default: column += Int(count)
            }
            guard offset <= reader.count else { throw .truncated("the packed pixels") }
            // Viewers stop at the last row; many writers leave the mark away.
            if row >= header.height || (row == header.height - 1 && column >= header.width) { return }
        }
        throw .truncated("the packed pixels")
    }

    private struct Header {
        let width: Int
        let height: Int
        let depth: Int
        /// Bytes of colours behind the header that the pixels need.
        let paletteBytes: Int
        let isPacked: Bool

        var rowBytes: Int { (width * depth + 31) / 32 * 4 }
        /// Bytes behind the pixels of a row.
        var paddingBytes: Int { rowBytes - (width * depth + 7) / 8 }

        init(_ reader: ByteReader, size: Int) throws(ImageError) {
            // Headers of 52 and 56 bytes no decoder of docs/pictures.md reads.
            guard [12, 40, 64, 108, 124].contains(size) else {
                throw .malformed("a bitmap header of \(size) bytes")
            }
            guard 14 + size <= reader.count else { throw .truncated("the bitmap header") }
            let planes: Int?
            let bits: Int?
            var compression = 0
            var colours = 0
            var signedHeight: Int
            if size == 12 {
                width = reader.littleEndian16(18) ?? 0
                signedHeight = reader.littleEndian16(20) ?? 0
                (planes, bits) = (reader.littleEndian16(22), reader.littleEndian16(24))
            } else {
                width = Int(Int32(truncatingIfNeeded: reader.littleEndian32(18) ?? 0))
                // A negative height means rows from top to bottom.
                signedHeight = Int(Int32(truncatingIfNeeded: reader.littleEndian32(22) ?? 0))
                (planes, bits) = (reader.littleEndian16(26), reader.littleEndian16(28))
                compression = reader.littleEndian32(30) ?? 0
                colours = reader.littleEndian32(46) ?? 0
            }
            height = abs(signedHeight)
            guard planes == 1 else { throw .malformed("\(planes ?? 0) colour planes") }
            guard let bits, [1, 4, 8, 16, 24, 32].contains(bits) else {
                throw .malformed("\(bits ?? 0) bits per pixel")
            }
            depth = bits
            isPacked = compression == 1 || compression == 2
            switch compression {
            case 0: break
            case 1 where bits == 8 && signedHeight > 0, 2 where bits == 4 && signedHeight > 0: break
            case 3 where size != 64 && (bits == 16 || bits == 32): break
            default: throw .malformed("compression \(compression) with \(bits) bits per pixel")
            }
            guard bits <= 8 else {
                paletteBytes = 0
                return
            }
            guard colours <= 1 << bits else { throw .malformed("a palette of \(colours) colours") }
            paletteBytes = size == 12 ? 0 : 4 * colours
        }
    }
}
