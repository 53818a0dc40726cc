import AvatarCore
import TestPictures
import Testing

@Suite struct ImageStructureTests {
    private func examine(_ bytes: [UInt8]) -> Result<ImageFacts, ImageError> {
        Result { () throws(ImageError) in try ImageStructure.examine(bytes.span.bytes) }
    }

    @Test(arguments: [
        ("ada.png", ImageFormat.png, 160), ("bruno.png", .png, 256), ("chen.png", .png, 200), ("dilek.png", .png, 320),
        ("emeka.jpg", .jpeg, 128), ("goran.jpg", .jpeg, 320), ("hana.jpg", .jpeg, 400), ("ines.webp", .webp, 240),
        ("jonas.webp", .webp, 256), ("kofi.webp", .webp, 300), ("li-wei.bmp", .bmp, 96), ("nadia.bmp", .bmp, 160),
        ("olu-large.png", .png, 520), ("priya-large.jpg", .jpeg, 1100), ("rosa-large.webp", .webp, 640),
    ])
    func realPicturesAreCompleteAndMeasured(name: String, format: ImageFormat, side: Int) throws {
        let facts = ImageFacts(format: format, width: side, height: side)
        #expect(examine(try TestPictures.picture(name)) == .success(facts))
    }

    @Test func theFallbackHeadIsAPictureUnderTwoKibibytes() {
        #expect(examine(DefaultHead.png) == .success(ImageFacts(format: .png, width: 96, height: 96)))
        #expect(DefaultHead.png.count < 2048)
    }

    @Test(arguments: ImageFormat.allCases, [2047, 2048, 2049, 2 * 1024 * 1024])
    func paddedPicturesAreComplete(format: ImageFormat, size: Int) throws {
        let bytes = try TestPictures.padded(format, to: size)
        #expect(bytes.count == size)
        #expect(examine(bytes) == .success(ImageFacts(format: format, width: 16, height: 16)))
    }

    /// Cut anywhere, no picture counts as complete: 50 places each, the first and the last byte among them.
    @Test(arguments: ImageFormat.allCases)
    func aPictureThatIsCutOffIsNeverComplete(format: ImageFormat) throws {
        let bytes = try TestPictures.padded(format, to: 4000)
        for cut in stride(from: 1, to: bytes.count, by: bytes.count / 50) + [bytes.count - 1] {
            let verdict = examine(Array(bytes.prefix(cut)))
            switch verdict {
            case .failure(let error) where error.code == .truncated: break
            case .failure(let error) where error.code == .unended: #expect(format == .gif && cut == bytes.count - 1)
            // All blocks are there: only EOI is missing.
            case .success: #expect(format == .jpeg && cut >= bytes.count - 2)
            case .failure(.notAnImage): #expect(cut < ImageFormat.signatureBytes)
            default: Issue.record("\(format) cut to \(cut) bytes gave \(verdict)")
            }
        }
    }

    @Test func nothingAndTextAreNamed() {
        #expect(examine([]) == .failure(.empty))
        #expect(examine([0x89]) == .failure(.notAnImage))
        #expect(examine(Array("this is a text named .png".utf8)) == .failure(.notAnImage))
    }

    @Test(arguments: ImageFormat.allCases)
    func trailingBytesAreNoFault(format: ImageFormat) throws {
        let bytes = try TestPictures.tiny(format) + [0, 1, 2, 3]
        #expect(examine(bytes) == .success(ImageFacts(format: format, width: 16, height: 16)))
    }

    /// A header that claims 65,535 × 65,535 pixels, or as many as its format can say.
    @Test(arguments: [
        (ImageFormat.png, 16, [0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff] as [UInt8], 65_535, 65_535),
        (.bmp, 18, [0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0], 65_535, 65_535),
    ])
    func aBombsClaimIsRefused(format: ImageFormat, offset: Int, claim: [UInt8], width: Int, height: Int) throws {
        var bytes = try TestPictures.tiny(format)
        bytes.replaceSubrange(offset..<offset + claim.count, with: claim)
        if format == .png { bytes.replaceSubrange(29..<33, with: crc(of: bytes[12..<29])) }
        #expect(examine(bytes) == .failure(.tooManyPixels(width: width, height: height)))
    }

    @Test func aJPEGBombsClaimIsRefused() throws {
        var bytes = try TestPictures.tiny(.jpeg)
        let frame = try #require(bytes.indices.first { bytes[$0] == 0xff && bytes[$0 + 1] == 0xc0 })
        bytes.replaceSubrange(frame + 5..<frame + 9, with: [0xff, 0xff, 0xff, 0xff])
        #expect(examine(bytes) == .failure(.tooManyPixels(width: 65_535, height: 65_535)))
    }

    @Test func aWebPBombsClaimIsRefused() throws {
        var bytes = try TestPictures.tiny(.webp)
        bytes.replaceSubrange(26..<30, with: [0xff, 0x3f, 0xff, 0x3f])
        #expect(examine(bytes) == .failure(.tooManyPixels(width: 16_383, height: 16_383)))
    }

    /// 64,000,000 pixels are taken, one row more is not.
    @Test func theBoundItselfIsAllowed() {
        #expect(Limits.Picture.pixelsMax == 8000 * 8000)
        let header: [UInt8] =
            Array("BM".utf8) + [0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0]
            + [1, 0, 1, 0] + [UInt8](repeating: 0, count: 24)
        #expect(examine(header) == .failure(.truncated("the pixels")))
        var over = header
        over[22] = 0x41
        #expect(examine(over) == .failure(.tooManyPixels(width: 8000, height: 8001)))
    }

    @Test func aFlippedBitInAPNGIsFoundByItsCRC() throws {
        var bytes = try TestPictures.picture("ada.png")
        bytes[bytes.count / 2] ^= 1
        guard case .failure(let error) = examine(bytes), error.code == .malformed else {
            Issue.record("\(examine(bytes))")
            return
        }
        #expect(error.detail.contains("CRC"))
    }

    /// Whatever the bytes, the walk ends and does not trap: every single-byte change of every tiny picture.
    @Test(arguments: ImageFormat.allCases)
    func noSingleDamagedByteHurts(format: ImageFormat) throws {
        let bytes = try TestPictures.tiny(format)
        for index in bytes.indices {
            for value: UInt8 in [0, 0x7f, 0x80, 0xff] {
                var damaged = bytes
                damaged[index] = value
                _ = examine(damaged)
            }
        }
    }

    private func crc(of bytes: ArraySlice<UInt8>) -> [UInt8] {
        let sum = CRC32.checksum(Array(bytes).span)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }
    }
}
