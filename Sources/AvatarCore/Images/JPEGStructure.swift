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
                switch scan.extent(reader) {
                case .whole: return frame.facts
                case .cut: throw error.code == .malformed ? error : .truncated("the scan's data")
                // Viewers pass over codes that are none, and restart markers that are lost.
                case .unreadable: guard error.code != .malformed else { throw error }
                }
            } else {
                guard walk.areAllComponentsSeen, !frame.isSequential || walk.isScanUnreadable else { throw error }
                // Viewers read on behind the scans of a progressive picture, and fail at what is no segment or only a part of one.
                guard frame.isSequential || (error.code == .truncated && !walk.endsInSegment) else {
                    throw error.code == .malformed ? error : .truncated("what follows the scans")
                }
            }
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
        /// Whether the bytes end inside a marker segment.
        var endsInSegment = false
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
                guard code >= 0xc0, ![0xd8, 0xde, 0xdf].contains(code), !(0xf0...0xfd).contains(code) else {
                    throw .malformed("the marker FF\(hex(code)) where none may be")
                }
                endsInSegment = true
                guard var length = reader.bigEndian16(offset) else { throw .truncated("the segment FF\(hex(code))") }
                // Viewers take a comment or an application's segment for empty when it claims less than its own length.
                if code >= 0xe0 { length = max(2, length) }
                guard length >= 2 else { throw .malformed("the segment FF\(hex(code)) claims \(length) bytes") }
                guard offset + length <= reader.count else { throw .truncated("the segment FF\(hex(code))") }
                endsInSegment = false
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
            let names = range.lowerBound + 1
            let spectrum = names + 2 * Int(count)
            if frame.isProgressive { try checkSpectrum(reader, spectrum, components: Int(count)) }
            let wasWhole = areAllComponentsSeen
            for index in 0..<Int(count) {
                let place = names + 2 * index
                guard let component = frame.components.first(where: { $0.id == reader.byte(place) }) else {
                    throw .malformed("a scan of a component that the frame does not have")
                }
                guard quantization.contains(component.quantization) else {
                    throw .malformed("a component without a quantization table")
                }
                seen.insert(component.id)
                if frame.isProgressive { try checkTable(of: reader.byte(place + 1) ?? 0, reader, spectrum) }
            }
            guard frame.isSequential, !wasWhole, areAllComponentsSeen else { return }
            completingScan = JPEGScan(reader, range, frame, tables, restartInterval: restartInterval)
            isScanUnreadable = completingScan == nil
        }

        /// Which coefficients and bits a progressive scan holds (T.81, G.1.1.1).
        private func checkSpectrum(_ reader: ByteReader, _ place: Int, components: Int) throws(ImageError) {
            guard let first = reader.byte(place), let last = reader.byte(place + 1), let bits = reader.byte(place + 2)
            else { throw .malformed("the scan's header is too short") }
            let isBand = first == 0 ? last == 0 : last >= first && last <= 63 && components == 1
            guard isBand, bits & 15 <= 13, bits >> 4 == 0 || bits >> 4 == bits & 15 + 1 else {
                throw .malformed("a scan of coefficients that there are not")
            }
        }

        /// A progressive scan needs the table that it names; for a sequential one viewers know some of their own.
        private func checkTable(of names: UInt8, _ reader: ByteReader, _ place: Int) throws(ImageError) {
            guard let first = reader.byte(place), let bits = reader.byte(place + 2) else { return }
            let needed = first > 0 ? 16 | Int(names & 15) : bits >> 4 == 0 ? Int(names >> 4) : nil
            guard needed.map(tables.has) ?? true else { throw .malformed("a scan without its Huffman table") }
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
                    let table = reader.byte(place + 2), (1...4).contains(sampling >> 4),
                    (1...4).contains(sampling & 15)
                else { throw .malformed("a component without samples") }
                components.append(
                    JPEGScan.Component(
                        id: id, horizontal: Int(sampling >> 4), vertical: Int(sampling & 15), quantization: table))
            }
            return JPEGScan.Frame(
                facts: facts, components: components, isSequential: code == 0xc0 || code == 0xc1,
                isProgressive: code == 0xc2)
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
