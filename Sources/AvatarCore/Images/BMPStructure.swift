/// BMP: a file header, a bitmap header whose length says which, and rows of a length that follows from it (Microsoft,
/// "Bitmap Header Types").
enum BMPStructure {
    static func examine(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
        guard let fileSize = reader.littleEndian32(2), let pixels = reader.littleEndian32(10),
            let headerSize = reader.littleEndian32(14)
        else { throw .truncated("the file header") }
        let header = try Header(reader, size: headerSize)
        let facts = try ImageStructure.facts(.bmp, width: header.width, height: header.height)
        guard pixels >= 14 + headerSize else { throw .malformed("the pixels begin inside the headers") }
        let needed = pixels + header.pixelBytes
        // Some writers leave the length zero; none may promise more than there is.
        guard reader.count >= max(fileSize, needed) else { throw .truncated("the pixels") }
        guard fileSize == 0 || fileSize >= needed else {
            throw .malformed("the file's length does not hold its pixels")
        }
        return facts
    }

    private struct Header {
        let width: Int
        let height: Int
        let pixelBytes: Int

        init(_ reader: ByteReader, size: Int) throws(ImageError) {
            guard [12, 40, 52, 56, 64, 108, 124].contains(size) else {
                throw .malformed("a bitmap header of \(size) bytes")
            }
            guard 14 + size <= reader.count else { throw .truncated("the bitmap header") }
            let planes: Int?
            let depth: Int?
            var compression = 0
            var packedBytes = 0
            if size == 12 {
                width = reader.littleEndian16(18) ?? 0
                height = reader.littleEndian16(20) ?? 0
                (planes, depth) = (reader.littleEndian16(22), reader.littleEndian16(24))
            } else {
                width = Int(Int32(truncatingIfNeeded: reader.littleEndian32(18) ?? 0))
                // A negative height means rows from top to bottom.
                height = abs(Int(Int32(truncatingIfNeeded: reader.littleEndian32(22) ?? 0)))
                (planes, depth) = (reader.littleEndian16(26), reader.littleEndian16(28))
                compression = reader.littleEndian32(30) ?? 0
                packedBytes = reader.littleEndian32(34) ?? 0
            }
            guard planes == 1 else { throw .malformed("\(planes ?? 0) colour planes") }
            guard let depth, [1, 2, 4, 8, 16, 24, 32].contains(depth) else {
                throw .malformed("\(depth ?? 0) bits per pixel")
            }
            switch compression {
            case 0, 3, 6: pixelBytes = (max(0, width) * depth + 31) / 32 * 4 * height
            case 1, 2:
                guard packedBytes > 0 else { throw .malformed("packed pixels of no length") }
                pixelBytes = packedBytes
            default: throw .malformed("compression \(compression), which only printers know")
            }
        }
    }
}
