/// JPEG: SOI, marker segments, entropy-coded data after each SOS, EOI (ITU-T T.81, annex B).
enum JPEGStructure {
    private enum Marker {
        static let startOfScan: UInt8 = 0xda
        static let endOfImage: UInt8 = 0xd9
        /// SOF0…SOF15 without DHT, JPG and DAC, which share their range.
        static func isFrame(_ code: UInt8) -> Bool {
            (0xc0...0xcf).contains(code) && code != 0xc4 && code != 0xc8 && code != 0xcc
        }
        /// RST0…RST7 and TEM stand alone; SOI may not come again.
        static func standsAlone(_ code: UInt8) -> Bool { (0xd0...0xd7).contains(code) || code == 0x01 }
    }

    static func examine(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
        var offset = 2
        var facts: ImageFacts?
        var scans = 0
        while true {
            let code = try marker(reader, &offset)
            if code == Marker.endOfImage {
                guard let facts, scans > 0 else { throw .malformed("EOI before any scan") }
                return facts
            }
            if Marker.standsAlone(code) { continue }
            guard code >= 0xc0, code != 0xd8 else { throw .malformed("the marker FF\(hex(code)) where none may be") }
            guard let length = reader.bigEndian16(offset) else { throw .truncated("the segment FF\(hex(code))") }
            guard length >= 2 else { throw .malformed("the segment FF\(hex(code)) claims \(length) bytes") }
            guard offset + length <= reader.count else { throw .truncated("the segment FF\(hex(code))") }
            if Marker.isFrame(code) {
                guard facts == nil else { throw .malformed("a second frame header") }
                facts = try frame(reader, offset, length)
            } else if code == Marker.startOfScan {
                guard facts != nil else { throw .malformed("a scan before any frame header") }
                scans += 1
                offset = try endOfScan(reader, from: offset + length)
                continue
            }
            offset += length
        }
    }

    /// Reads the marker at `offset`, any number of fill bytes before its code, and steps behind it.
    private static func marker(_ reader: ByteReader, _ offset: inout Int) throws(ImageError) -> UInt8 {
        guard let first = reader.byte(offset) else { throw .truncated("the markers: there is no EOI") }
        guard first == 0xff else { throw .malformed("byte \(offset) should begin a marker") }
        while let code = reader.byte(offset) {
            offset += 1
            if code != 0xff { return code }
        }
        throw .truncated("a marker")
    }

    private static func frame(
        _ reader: ByteReader, _ offset: Int, _ length: Int
    ) throws(ImageError) -> ImageFacts {
        guard length >= 8, let height = reader.bigEndian16(offset + 3), let width = reader.bigEndian16(offset + 5)
        else {
            throw .malformed("the frame header is too short")
        }
        return try ImageStructure.facts(.jpeg, width: width, height: height)
    }

    /// Where the entropy-coded data ends: at the first marker that is neither a stuffed zero nor a restart.
    private static func endOfScan(_ reader: ByteReader, from start: Int) throws(ImageError) -> Int {
        var offset = start
        while let found = reader.nextFF(from: offset) {
            guard let code = reader.byte(found + 1) else { break }
            if code == 0xff {
                offset = found + 1
            } else if code == 0 || (0xd0...0xd7).contains(code) {
                offset = found + 2
            } else {
                return found
            }
        }
        throw .truncated("the scan's data: there is no EOI")
    }

    private static func hex(_ code: UInt8) -> String { String(code, radix: 16, uppercase: true) }
}
