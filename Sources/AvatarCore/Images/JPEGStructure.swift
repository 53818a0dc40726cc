/// JPEG: SOI, marker segments, entropy-coded data after each SOS, EOI (ITU-T T.81, annex B).
///
/// Webcams leave EOI away, and some makers put data of their own in its place. Such a picture counts when all blocks of its scans are
/// there, which the codes of a sequential picture tell; of any other only somebody else can know it (`isWhole`).
enum JPEGStructure {
    static func examine(_ reader: ByteReader, isWhole: Bool) throws(ImageError) -> ImageFacts {
        var walk = Walk()
        do throws(ImageError) {
            return try walk.facts(reader)
        } catch {
            guard let frame = walk.frame, walk.scans > 0 else { throw error }
            if let scan = walk.completingScan {
                guard scan.isWhole(reader) else {
                    throw error.code == .malformed ? error : .truncated("the scan's data")
                }
                return frame.facts
            }
            guard walk.areAllComponentsSeen, !frame.isSequential || walk.isScanUnreadable else { throw error }
            guard isWhole else { throw .unended("EOI") }
            return frame.facts
        }
    }

    private struct Walk {
        var frame: JPEGScan.Frame?
        var scans = 0
        /// The scan of a sequential picture with which all components have been seen.
        var completingScan: JPEGScan?
        /// A scan whose codes cannot be walked: Huffman tables are missing, as in frames of motion JPEG.
        var isScanUnreadable = false
        private var seen: Set<UInt8> = []
        private var tables = JPEGScan.Tables()
        private var quantization: Set<UInt8> = []
        private var restartInterval = 0

        init() {}

        var areAllComponentsSeen: Bool { frame?.components.allSatisfy { seen.contains($0.id) } ?? false }

        mutating func facts(_ reader: ByteReader) throws(ImageError) -> ImageFacts {
            var offset = 2
            while true {
                let code = try marker(reader, &offset)
                if code == 0xd9 {
                    guard let frame, scans > 0 else { throw .malformed("EOI before any scan") }
                    return frame.facts
                }
                // RST0…RST7 and TEM stand alone.
                if (0xd0...0xd7).contains(code) || code == 0x01 { continue }
                guard code >= 0xc0, code != 0xd8, !(0xf0...0xfd).contains(code) else {
                    throw .malformed("the marker FF\(hex(code)) where none may be")
                }
                guard let length = reader.bigEndian16(offset) else { throw .truncated("the segment FF\(hex(code))") }
                guard length >= 2 else { throw .malformed("the segment FF\(hex(code)) claims \(length) bytes") }
                guard offset + length <= reader.count else { throw .truncated("the segment FF\(hex(code))") }
                try segment(code, reader, offset + 2..<offset + length)
                offset += length
                if code == 0xda { offset = try endOfScan(reader, from: offset) }
            }
        }

        private mutating func segment(_ code: UInt8, _ reader: ByteReader, _ range: Range<Int>) throws(ImageError) {
            switch code {
            case 0xc4: tables.read(reader, range)
            case 0xcc: break
            case 0xdb: quantize(reader, range)
            case 0xdd: restartInterval = reader.bigEndian16(range.lowerBound) ?? 0
            case 0xda: try scan(reader, range)
            // Baseline, extended and progressive frames, by Huffman or arithmetic codes.
            case 0xc0, 0xc1, 0xc2, 0xc9, 0xca: frame = try frame(code, reader, range)
            case 0xc3...0xcf:
                throw .malformed("a lossless or hierarchical frame (FF\(hex(code))), which no viewer shows")
            default: break
            }
        }

        private mutating func quantize(_ reader: ByteReader, _ range: Range<Int>) {
            var offset = range.lowerBound
            while offset < range.upperBound, let name = reader.byte(offset) {
                quantization.insert(name & 15)
                offset += name >> 4 == 0 ? 65 : 129
            }
        }

        private mutating func scan(_ reader: ByteReader, _ range: Range<Int>) throws(ImageError) {
            guard let frame else { throw .malformed("a scan before any frame header") }
            guard !quantization.isEmpty else { throw .malformed("a scan without quantization tables") }
            guard let count = reader.byte(range.lowerBound), range.count >= 1 + 2 * Int(count) else {
                throw .malformed("the scan's header is too short")
            }
            scans += 1
            let wasWhole = areAllComponentsSeen
            for index in 0..<Int(count) {
                if let id = reader.byte(range.lowerBound + 1 + 2 * index) { seen.insert(id) }
            }
            guard frame.isSequential, !wasWhole, areAllComponentsSeen else { return }
            completingScan = JPEGScan(reader, range, frame, tables, restartInterval: restartInterval)
            isScanUnreadable = completingScan == nil
        }

        private func frame(
            _ code: UInt8, _ reader: ByteReader, _ range: Range<Int>
        ) throws(ImageError) -> JPEGScan.Frame {
            guard frame == nil else { throw .malformed("a second frame header") }
            guard range.count >= 6, let precision = reader.byte(range.lowerBound),
                let height = reader.bigEndian16(range.lowerBound + 1),
                let width = reader.bigEndian16(range.lowerBound + 3), let count = reader.byte(range.lowerBound + 5)
            else { throw .malformed("the frame header is too short") }
            let facts = try ImageStructure.facts(.jpeg, width: width, height: height)
            guard precision == 8 else { throw .malformed("\(precision) bits per sample") }
            guard count >= 1, range.count >= 6 + 3 * Int(count) else {
                throw .malformed("the frame header is too short for \(count) components")
            }
            var components: [JPEGScan.Component] = []
            for index in 0..<Int(count) {
                let place = range.lowerBound + 6 + 3 * index
                guard let id = reader.byte(place), let sampling = reader.byte(place + 1),
                    (1...4).contains(sampling >> 4), (1...4).contains(sampling & 15)
                else { throw .malformed("a component without samples") }
                components.append(
                    JPEGScan.Component(id: id, horizontal: Int(sampling >> 4), vertical: Int(sampling & 15)))
            }
            return JPEGScan.Frame(facts: facts, components: components, isSequential: code == 0xc0 || code == 0xc1)
        }

        /// Steps behind the next marker's code. Bytes before a marker that belong to nothing are passed over, as viewers do.
        private func marker(_ reader: ByteReader, _ offset: inout Int) throws(ImageError) -> UInt8 {
            while let found = reader.nextFF(from: offset) {
                offset = found + 1
                while let code = reader.byte(offset) {
                    offset += 1
                    if code == 0xff { continue }
                    if code == 0 { break }
                    return code
                }
            }
            throw .truncated("the markers: there is no EOI")
        }

        /// Where the entropy-coded data ends: at the first marker that is neither a stuffed zero nor a restart.
        private func endOfScan(_ reader: ByteReader, from start: Int) throws(ImageError) -> Int {
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

        private func hex(_ code: UInt8) -> String { String(code, radix: 16, uppercase: true) }
    }
}
