import AvatarCore
import Testing

/// Identifiers from outside are equal when their bytes are, whatever Unicode says of them.
@Suite struct ExactStringTests {
    /// Pairs that `String` takes for equal, and that are two names to everybody else.
    static let lookalikes: [(String, String)] = [
        ("caf\u{E9}.png", "cafe\u{301}.png"),
        ("\u{1E9B}\u{323}", "\u{1E9B}\u{323}".decomposed),
        ("\u{AC00}.png", "\u{1100}\u{1161}.png"),
        ("a\u{327}\u{301}", "a\u{301}\u{327}"),
        ("\u{212B}ngstrom", "\u{C5}ngstrom"),
        ("\u{212A}", "K"),
        ("long enough not to fit into a small string: \u{E9}", "long enough not to fit into a small string: e\u{301}"),
    ]

    @Test(arguments: lookalikes) func lookalikesAreTwo(left: String, right: String) throws {
        try #require(left == right, "String takes the two for equal")
        #expect(ExactString(left) != ExactString(right))
        #expect(Set([ExactString(left), ExactString(right)]).count == 2)
        #expect(ExactString(left) < ExactString(right) || ExactString(right) < ExactString(left))
        #expect(try AvatarName(left) != AvatarName(right))
        #expect(try Set([AvatarName(left), AvatarName(right)]).count == 2)
    }

    @Test(arguments: ["", "a", "caf\u{E9}.png", "a name that is longer than fifteen bytes.png", "头像😀.png"])
    func equalBytesAreEqual(text: String) {
        // Built anew, so that the two do not share their memory.
        let copy = String(decoding: Array(text.utf8), as: UTF8.self)
        #expect(ExactString(text) == ExactString(copy))
        #expect(Set([ExactString(text), ExactString(copy)]).count == 1)
        #expect(ExactString(text).string == text)
    }

    @Test func orderGoesByTheBytes() {
        let names: [ExactString] = ["z", "e\u{301}", "\u{E9}", "a", "", "ab"]
        #expect(
            names.sorted().map { Array($0.string.utf8) }
                == names.map { Array($0.string.utf8) }.sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test func aDefaultHeadIsRecognisedByItsBytes() {
        #expect(BuiltinHead.number(of: ":/res/head_12.jpg") == "12")
        #expect(BuiltinHead.number(of: ":/res/head_12.jpg\u{301}") == nil)
        #expect(BuiltinHead.number(of: ":/res/head_1\u{301}.jpg") == nil)
        #expect(BuiltinHead.number(of: ":/res/head_.jpg") == nil)
    }
}

extension String {
    /// The long s with two dots, its marks written apart.
    fileprivate var decomposed: String { "\u{17F}\u{323}\u{307}" }
}
