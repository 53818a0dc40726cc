import AvatarCore
import PosixFiles
import Testing

@Suite struct DigesterTests {
    /// The examples of RFC 1321 and FIPS 180-4.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func knownAnswers(text: String, md5: String, sha256: String) throws {
        let bytes = Array(text.utf8)
        #expect(try MD5Digest(of: bytes.span.bytes).hex == md5)
        #expect(try SHA256Digest(of: bytes.span.bytes).hex == sha256)
    }

    @Test func piecesGiveTheSameDigestAsTheWhole() throws {
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        var digester = try Digester(.sha256)
        for start in stride(from: 0, to: bytes.count, by: 777) {
            let piece = Array(bytes[start..<min(start + 777, bytes.count)])
            try digester.update(piece.span.bytes)
        }
        let digest = try digester.finish()
        #expect(try SHA256Digest(of: bytes.span.bytes).bytes == digest)
    }
}
