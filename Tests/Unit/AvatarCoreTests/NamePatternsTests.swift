import AvatarCore
import Testing

/// Which names `upload.ignore` fits.
@Suite struct NamePatternsTests {
    @Test(arguments: [
        ("me.png~", true), ("me.png.bak", true), ("me.PNG.BAK", true), ("a.tmp", true), ("a.part", true),
        ("a.partial", true), ("a.crdownload", true), ("a.download", true), ("a.filepart", true), ("a.swp", true),
        ("a.kate-swp", true), (".tmp", true), ("~", true), ("me.png", false), ("tmp.png", false), ("bak", false),
        ("a.part.png", false), ("a.tmpx", false), ("~me.png", false), ("", false),
    ]) func theLeftoversOfOtherProgramsAreIgnored(name: String, isIgnored: Bool) {
        #expect(NamePatterns.standard.match(name) == isIgnored)
        #expect(!NamePatterns.none.match(name))
    }

    @Test(arguments: [
        ("draft-*", "draft-", true), ("draft-*", "DRAFT-7.png", true), ("draft-*", "a draft-7", false),
        ("?.png", "a.png", true), ("?.png", "\u{e4}.png", true), ("?.png", "ab.png", false), ("?.png", ".png", false),
        ("*a*b*", "xaxbx", true), ("*a*b*", "ba", false), ("a*b*c", "abbbc", true), ("a*b*c", "abcb", false),
        ("*.*", "a.b", true), ("*.*", "ab", false), ("**x", "x", true), (" a.png ,b.png", "a.png", true),
        (" a.png ,b.png", "b.png", true), ("a b.png", "a b.png", true), ("\u{c4}.png", "\u{e4}.png", false),
        (",", "a", false),
    ]) func aPatternFitsTheWholeName(list: String, name: String, isIgnored: Bool) throws {
        #expect(try NamePatterns(list: list).match(name) == isIgnored)
    }

    @Test(arguments: [
        ("*", "every name"), ("**", "every name"), ("a/b", "'/'"), ("[ab].png", "'['"), ("{a,b}", "'{'"),
        ("a\\*", "'\\'"),
        ("a\u{1}", "control"), (String(repeating: "x", count: 300), "bytes"),
        (Array(repeating: "a", count: 65).joined(separator: ","), "more than 64"),
    ]) func aPatternThatMakesNoSenseIsRefusedWithTheReason(list: String, reason: String) {
        let fault = #expect(throws: NamePatterns.Fault.self) { try NamePatterns(list: list) }
        #expect(fault?.description.contains(reason) == true, "\(String(describing: fault))")
    }

    /// Patterns with many stars cost no more than name times pattern.
    @Test(.timeLimit(.minutes(1))) func aPatternOfManyStarsEnds() throws {
        let list = String(repeating: "*a", count: 90) + "b"
        #expect(try !NamePatterns(list: list).match(String(repeating: "a", count: 200)))
    }
}
