import AvatarCore
import TestPictures
import Testing

/// Defects that pictures have as people get them: what every viewer shows is taken, what decoders refuse is not.
@Suite struct PictureKindTests {
    private func code(
        _ bytes: [UInt8], types: Set<ImageFormat> = Set(ImageFormat.allCases), isWhole: Bool = false
    ) -> ImageError.Code? {
        do {
            _ = try ImageStructure.examine(bytes.span.bytes, types: types, isWhole: isWhole)
            return nil
        } catch { return error.code }
    }

    @Test func aWrongCRCMattersInCriticalChunksOnly() throws {
        var bytes = try TestPictures.padded(.png, to: 2000)
        bytes[bytes.count - 13] ^= 1
        #expect(code(bytes) == nil)
        bytes[30] ^= 1
        #expect(code(bytes) == .malformed)
    }

    @Test func aPNGWhosePixelDataEndTooEarlyIsRefused() throws {
        var bytes = try TestPictures.tiny(.png)
        // Twice as many rows than there are, under a right CRC.
        bytes[23] *= 2
        let sum = CRC32.checksum(Array(bytes[12..<29]).span)
        bytes.replaceSubrange(29..<33, with: [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) })
        #expect(code(bytes) == .malformed)
    }

    @Test(arguments: [0, 1, 7, 0xffff_ffff])
    func aBMPsLengthInItsHeaderDoesNotMatter(claim: UInt32) throws {
        var bytes = try TestPictures.tiny(.bmp)
        bytes.replaceSubrange(2..<6, with: (0..<4).map { UInt8(truncatingIfNeeded: claim >> ($0 * 8)) })
        #expect(code(bytes) == nil)
        #expect(code(Array(bytes.dropLast())) == .truncated)
    }

    @Test func packedBMPPixelsMayHaveNoLength() {
        func packed(_ codes: [UInt8]) -> [UInt8] {
            Array("BM".utf8) + [0, 0, 0, 0, 0, 0, 0, 0, 62, 0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 8, 0]
                + [1, 0, 0, 0] + [UInt8](repeating: 0, count: 12) + [2, 0, 0, 0, 0, 0, 0, 0] + [
                    0, 0, 0, 0, 255, 255, 255, 0,
                ]
                + codes
        }
        #expect(code(packed([4, 0, 0, 0, 4, 1, 0, 1])) == nil)
        #expect(code(packed([4, 0, 0, 0, 4, 1])) == nil)
        #expect(code(packed([4, 0, 0, 0, 2, 1])) == .truncated)
    }

    @Test(arguments: ["emeka.jpg", "farah.jpg", "hana.jpg"])
    func aSequentialJPEGWithoutEOIIsWholeWhenItsBlocksAreThere(name: String) throws {
        let bytes = try TestPictures.picture(name)
        let open = Array(bytes.dropLast(2))
        #expect(code(open) == nil)
        // A maker's trailer in place of EOI.
        #expect(code(open + Array("SEFT trailer".utf8) + [UInt8](repeating: 0x41, count: 5000)) == nil)
        #expect(code(open + [0xff, 0xc4, 0xff, 0xff, 1, 2, 3]) == nil)
        for cut in [open.count / 2, open.count * 3 / 4, open.count - 40] {
            #expect(code(Array(open.prefix(cut)), isWhole: true) == .truncated)
        }
    }

    @Test func aProgressiveJPEGWithoutEOIIsWholeWhenSomebodySaysSo() throws {
        let open = Array(try TestPictures.picture("goran.jpg").dropLast(2))
        #expect(code(open) == .unended)
        #expect(code(open, isWhole: true) == nil)
    }

    @Test func strayBytesBeforeAJPEGMarkerArePassedOver() throws {
        var bytes = try TestPictures.tiny(.jpeg)
        bytes.insert(contentsOf: [1, 2, 3, 0xff, 0, 9], at: 2)
        #expect(code([0xff, 0xd8, 0xff] + bytes.dropFirst(2)) == nil)
    }

    @Test func aWebPChunkMustEndInsideTheRIFFLength() throws {
        var bytes = Array(try TestPictures.tiny(.webp))
        let riff = Int(bytes[4]) | Int(bytes[5]) << 8
        for less in [2, 4, 8] {
            bytes[4] = UInt8(truncatingIfNeeded: riff - less)
            bytes[5] = UInt8(truncatingIfNeeded: (riff - less) >> 8)
            #expect(code(bytes) == .malformed)
        }
        let lacking = try TestPictures.padded(.webp, to: 2001)
        #expect(code(lacking) == nil)
    }

    @Test func aGIFWithoutTrailerIsWholeWhenSomebodySaysSo() throws {
        let open = Array(try TestPictures.tiny(.gif).dropLast())
        #expect(code(open) == .unended)
        #expect(code(open, isWhole: true) == nil)
        #expect(code(Array(open.dropLast()), isWhole: true) == .truncated)
    }

    @Test func aBareJPEGXLCodestreamHasNoEndMark() {
        #expect(code(BoxPictures.codestream) == .unended)
        #expect(code(BoxPictures.codestream, isWhole: true) == nil)
    }

    @Test(arguments: [ImageFormat.avif, .heic])
    func itemsMustLieInTheFile(format: ImageFormat) throws {
        let bytes = try TestPictures.tiny(format)
        #expect(code(bytes) == nil)
        for cut in 1...63 { #expect(code(Array(bytes.dropLast(cut)), isWhole: true) == .truncated) }
    }

    @Test(arguments: ImageFormat.allCases)
    func aFormatThatIsNotListedIsNamed(format: ImageFormat) throws {
        let bytes = try TestPictures.tiny(format)
        let error = #expect(throws: ImageError.self) {
            try ImageStructure.examine(bytes.span.bytes, types: Set(ImageFormat.allCases).subtracting([format]))
        }
        #expect(error?.description == "unsupported format: \(format.name)")
        #expect(AbsenceReason(rawValue: "unsupported format: HEIC") == .unsupportedFormat("HEIC"))
    }

    @Test(arguments: [
        ("SVG", "<?xml version=\"1.0\"?>\n<!-- a > b -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("SVG", "<svg/>"),
        ("TIFF", "II*\0\u{8}\0\0\0"), ("ICO", "\0\0\u{1}\0\u{1}\0"), ("PSD", "8BPS\0\u{1}"),
    ])
    func otherFormatsAreNamedAndNeverTaken(name: String, text: String) {
        let bytes = Array(text.utf8)
        #expect(throws: ImageError.unsupported(name)) { try ImageStructure.examine(bytes.span.bytes) }
    }
}
