import AvatarCore
import Testing

/// A token and what editors, shells and other systems put around it.
@Suite struct TokenTextTests {
    private static let bom: [UInt8] = [0xEF, 0xBB, 0xBF]

    @Test(arguments: [
        "secret", "secret\n", "secret\r\n", "secret\r", "  secret  ", "\tsecret\t\n", "\n\nsecret\n\n",
        " \r\n\t\r\nsecret \r\n",
        "secret\n# a remark", "secret\u{0C}\n",
    ])
    func whatStandsAroundATokenIsNoPartOfIt(text: String) throws {
        #expect(try TokenText.token(in: Array(text.utf8)) == "secret")
        #expect(try TokenText.token(in: Self.bom + Array(text.utf8)) == "secret", "behind a byte order mark")
    }

    @Test func blanksAndOtherLettersInsideStay() throws {
        #expect(try TokenText.token(in: Array(" a b\u{E9} \n".utf8)) == "a b\u{E9}")
    }

    private static let faults: [(bytes: [UInt8], fault: TokenText.Fault)] = [
        ([], .empty), (Array(" \r\n\t\n".utf8), .empty), (bom, .empty), (bom + Array("\r\n".utf8), .empty),
        ([0xFF, 0xFE, 0x73, 0x00], .utf16), ([0xFE, 0xFF, 0x00, 0x73], .utf16), (Array("a\0b".utf8), .noText),
        ([0x61, 0xFF, 0xC0], .noText), (Array("a\u{7F}".utf8), .noText),
        ([UInt8](repeating: 0x74, count: Limits.Token.bytesMax + 1), .tooLong),
    ]

    @Test(arguments: faults)
    func whatHoldsNoTokenSaysWhy(bytes: [UInt8], fault: TokenText.Fault) {
        #expect(throws: fault) { try TokenText.token(in: bytes) }
    }

    @Test func theLongestTokenIsTakenWithWhatStandsAroundIt() throws {
        let token = String(repeating: "t", count: Limits.Token.bytesMax)
        let text = String(repeating: " ", count: 500) + token + "\r\n"
        #expect(text.utf8.count <= TokenText.bytesMax)
        #expect(try TokenText.token(in: Array(text.utf8)) == token)
    }
}
