import AvatarCore
import Foundation
import Testing
import TransferMachines

@testable import HTTPFront

@Suite struct TusTests {
    private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    @Test func metadataAreKeysWithBase64() throws {
        let digest = try #require(SHA256Digest(bytes: Array(0..<32)))
        let both = "filename \(base64("ä.png")), is_new ,sha256 \(base64(digest.hex)),relativePath AAAA"
        let metadata = try Tus.Metadata(both)
        #expect(try metadata == Tus.Metadata(name: AvatarName("ä.png"), sha256: digest))
        #expect(try Tus.Metadata(metadata.field) == metadata)
        #expect(try Tus.Metadata("filename \(base64("a.png"))").sha256 == nil)
        let name = "filename \(base64("a.png"))"
        for bad in [
            "", "sha256 \(base64(digest.hex))", "filename", "filename !!!", "filename /w==",
            "filename \(base64("../a"))",
            "\(name),\(name)", "\(name) x", "\(name),sha256 \(base64("ab"))", "\(name),sha256 AAAA",
        ] {
            #expect(throws: Tus.Metadata.Fault.self, "\(bad)") { try Tus.Metadata(bad) }
        }
    }

    @Test func aChecksumIsASHA256() throws {
        let digest = try #require(SHA256Digest(bytes: Array(0..<32)))
        #expect(Tus.checksum("sha256 " + Data(digest.bytes).base64EncodedString()) == digest)
        for bad in ["", "sha256", "sha256 AAAA", "sha1 AAECAwQFBgcICQoLDA0ODxAREhM=", "sha256  !"] {
            #expect(Tus.checksum(bad) == nil, "\(bad)")
        }
    }

    @Test(arguments: [("0", 0), ("00", 0), ("17", 17), ("", nil), ("-1", nil), ("+1", nil), ("1 ", nil), ("0x1", nil)])
    func aNumberOfBytesIsDigits(_ field: String, _ bytes: Int64?) {
        #expect(Tus.bytes(field) == bytes)
    }

    @Test func anUploadsPathTellsWhatItIsOf() throws {
        let (user, id) = (try #require(UserID(7)), UploadID(high: 1, low: 2))
        for digest in [SHA256Digest(bytes: Array(0..<32)), nil] {
            let metadata = Tus.Metadata(name: try AvatarName("ä b.png"), sha256: digest)
            #expect(try Route(Route.path(of: id, user, metadata)) == .upload(user, id, metadata))
        }
        #expect(try Route("/v1/users/7/uploads") == .uploads(user))
        for bad in ["x/-/a.png", "\(id)/-", "\(id)/ab/a.png", "\(id)//a.png", "\(id)/-/a/b"] {
            #expect(throws: Route.Fault.unknown) { try Route("/v1/users/7/uploads/\(bad)") }
        }
    }
}
