/// PNG: the signature, IHDR, chunks with a CRC each, IEND (PNG specification, sections 5 and 11).
enum PNGStructure {
    static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

    static func examine(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
        var offset = signature.count
        let facts = try header(reader, at: offset)
        var paletteSeen = false
        var dataBytes = 0
        while true {
            guard let length = reader.bigEndian32(offset), let type = reader.bigEndian32(offset + 4) else {
                throw .truncated("a chunk's header")
            }
            let name = try Self.name(type)
            guard length <= 0x7fff_ffff else { throw .malformed("the chunk \(name) claims \(length) bytes") }
            let end = offset + 8 + length
            guard let crc = reader.bigEndian32(end) else { throw .truncated("the chunk \(name)") }
            guard reader.crc32(offset + 4..<end) == UInt32(crc) else {
                throw .malformed("the CRC of the chunk \(name) does not match")
            }
            switch name {
            case "IHDR" where offset != signature.count: throw .malformed("a second IHDR")
            case "PLTE": paletteSeen = true
            case "IDAT":
                if reader.byte(25) == 3, !paletteSeen { throw .malformed("indexed colours without a PLTE chunk") }
                dataBytes += length
            case "IEND":
                guard dataBytes > 0 else { throw .malformed("no IDAT data before IEND") }
                return facts
            default: break
            }
            offset = end + 4
        }
    }

    private static func header(_ reader: ByteReader, at offset: Int) throws(ImageError) -> ImageFacts {
        guard let length = reader.bigEndian32(offset), let type = reader.bigEndian32(offset + 4) else {
            throw .truncated("the IHDR chunk")
        }
        guard length == 13, try name(type) == "IHDR" else { throw .malformed("it does not begin with IHDR") }
        guard let width = reader.bigEndian32(offset + 8), let height = reader.bigEndian32(offset + 12),
            let depth = reader.byte(offset + 16), let colour = reader.byte(offset + 17), reader.byte(offset + 20) != nil
        else { throw .truncated("the IHDR chunk") }
        let facts = try ImageStructure.facts(.png, width: width, height: height)
        let depths: [UInt8]
        switch colour {
        case 0: depths = [1, 2, 4, 8, 16]
        case 3: depths = [1, 2, 4, 8]
        case 2, 4, 6: depths = [8, 16]
        default: throw .malformed("colour type \(colour)")
        }
        guard depths.contains(depth) else { throw .malformed("bit depth \(depth) with colour type \(colour)") }
        return facts
    }

    private static func name(_ type: Int) throws(ImageError) -> String {
        let letters = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: type >> $0) }
        for letter in letters where !(65...90).contains(letter) && !(97...122).contains(letter) {
            throw .malformed("a chunk's type is no four letters")
        }
        return String(decoding: letters, as: UTF8.self)
    }
}
