/// PNG: the signature, IHDR, chunks with a CRC each, IEND (PNG specification, sections 5 and 11).
enum PNGStructure {
    static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

    static func examine(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
        var offset = signature.count
        let header = try Header(reader, at: offset)
        var paletteSeen = false
        var firstData: Int?
        while true {
            guard let length = reader.bigEndian32(offset), let type = reader.bigEndian32(offset + 4) else {
                throw .truncated("a chunk's header")
            }
            let name = try Self.name(type)
            guard length <= 0x7fff_ffff else { throw .malformed("the chunk \(name) claims \(length) bytes") }
            let end = offset + 8 + length
            guard let crc = reader.bigEndian32(end) else { throw .truncated("the chunk \(name)") }
            // A small first letter marks a chunk that a viewer may do without (5.4); it skips one whose CRC is wrong.
            guard type >> 24 & 0x20 != 0 || reader.crc32(offset + 4..<end) == UInt32(crc) else {
                throw .malformed("the CRC of the chunk \(name) does not match")
            }
            switch name {
            case "IHDR" where offset != signature.count: throw .malformed("a second IHDR")
            case "PLTE":
                guard length % 3 == 0, (3...768).contains(length) else {
                    throw .malformed("a palette of \(length) bytes")
                }
                paletteSeen = true
            case "IDAT":
                if header.colour == 3, !paletteSeen { throw .malformed("indexed colours without a PLTE chunk") }
                firstData = firstData ?? offset
            case "IEND":
                guard let firstData else { throw .malformed("no IDAT data before IEND") }
                guard DeflateWalk.gives(header.rows, firstChunk: firstData, reader) else {
                    throw .malformed("the IDAT data do not hold all pixels")
                }
                return header.facts
            case "IHDR": break
            default:
                if type >> 24 & 0x20 == 0 { throw .malformed("the chunk \(name) is critical and unknown") }
            }
            offset = end + 4
        }
    }

    private struct Header {
        let facts: ImageFacts
        let colour: UInt8
        /// What the IDAT data unpack to: rows in seven passes when the picture is interlaced (section 8).
        let rows: [PNGRows.Pass]

        init(_ reader: ByteReader, at offset: Int) throws(ImageError) {
            guard let length = reader.bigEndian32(offset), let type = reader.bigEndian32(offset + 4) else {
                throw .truncated("the IHDR chunk")
            }
            guard length == 13, try name(type) == "IHDR" else { throw .malformed("it does not begin with IHDR") }
            guard let width = reader.bigEndian32(offset + 8), let height = reader.bigEndian32(offset + 12),
                let depth = reader.byte(offset + 16), let colour = reader.byte(offset + 17),
                let packing = reader.byte(offset + 18), let filter = reader.byte(offset + 19),
                let interlace = reader.byte(offset + 20)
            else { throw .truncated("the IHDR chunk") }
            facts = try ImageStructure.facts(.png, width: width, height: height)
            self.colour = colour
            let (depths, samples): ([UInt8], Int)
            switch colour {
            case 0: (depths, samples) = ([1, 2, 4, 8, 16], 1)
            case 3: (depths, samples) = ([1, 2, 4, 8], 1)
            case 2: (depths, samples) = ([8, 16], 3)
            case 4: (depths, samples) = ([8, 16], 2)
            case 6: (depths, samples) = ([8, 16], 4)
            default: throw .malformed("colour type \(colour)")
            }
            guard depths.contains(depth) else { throw .malformed("bit depth \(depth) with colour type \(colour)") }
            guard packing == 0, filter == 0, interlace <= 1 else {
                throw .malformed("compression \(packing), filter \(filter), interlace \(interlace)")
            }
            let passes = interlace == 0 ? [(0, 0, 1, 1)] : Self.passes
            rows = passes.compactMap { pass in
                let columns = (width - pass.0 + pass.2 - 1) / pass.2
                let rows = (height - pass.1 + pass.3 - 1) / pass.3
                guard columns > 0, rows > 0 else { return nil }
                return PNGRows.Pass(rows: rows, rowBytes: 1 + (columns * samples * Int(depth) + 7) / 8)
            }
        }

        /// Adam7: first column and row of each pass, and the steps.
        private static let passes = [
            (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
        ]
    }

    private static func name(_ type: Int) throws(ImageError) -> String {
        let letters = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: type >> $0) }
        for letter in letters where !(65...90).contains(letter) && !(97...122).contains(letter) {
            throw .malformed("a chunk's type is no four letters")
        }
        return String(decoding: letters, as: UTF8.self)
    }
}
