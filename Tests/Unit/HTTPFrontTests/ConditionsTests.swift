import Testing

@testable import HTTPFront

@Suite struct ConditionsTests {
    private func answer(
        ifMatch: String? = nil, ifNoneMatch: String? = nil, ifRange: String? = nil, range: String? = nil,
        size: Int64 = 100
    ) -> Conditions.Answer {
        Conditions.answer(
            tag: "\"aa\"", size: size, ifMatch: ifMatch, ifNoneMatch: ifNoneMatch, ifRange: ifRange, range: range)
    }

    @Test(
        arguments: [
            ("bytes=0-0", .part(0..<1)), ("bytes=10-19", .part(10..<20)), ("bytes=10-", .part(10..<100)),
            ("bytes=-10", .part(90..<100)), ("bytes=-1000", .part(0..<100)), ("bytes=99-1000", .part(99..<100)),
            ("bytes=0-99999999999999999999", .part(0..<100)), ("bytes=-99999999999999999999", .part(0..<100)),
            ("bytes=0-9223372036854775807", .part(0..<100)), ("bytes=100-", .unsatisfiable),
            ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999-", .unsatisfiable),
            // What the grammar does not know, and what this server does not cut, is ignored.
            ("bytes=5-4", .whole), ("bytes=-", .whole), ("bytes=", .whole), ("bytes=a-b", .whole),
            ("bytes=1-2,4-5", .whole),
            ("bytes=0-0,0-0,0-0", .whole), ("bytes=+1-2", .whole), ("bytes=1--2", .whole), ("bytes= 1-2", .whole),
            ("items=0-5", .whole), ("0-5", .whole), ("", .whole),
        ] as [(String, Conditions.Answer)])
    func aRangeIsCutOrIgnoredOrRefused(_ range: String, _ expected: Conditions.Answer) {
        #expect(answer(range: range) == expected)
    }

    @Test func anEmptyFileHasNoRanges() {
        for range in ["bytes=0-", "bytes=-1"] { #expect(answer(range: range, size: 0) == .unsatisfiable) }
    }

    @Test(arguments: [
        ("\"aa\"", true), ("W/\"aa\"", true), ("*", true), ("\"bb\", \"aa\"", true), ("\"bb\" ,W/\"aa\" ", true),
        ("\"bb\"", false), ("aa", false), ("", false), ("\"AA\"", false),
    ])
    func whatTheClientHasIsNotSentAgain(_ list: String, _ isThere: Bool) {
        #expect(answer(ifNoneMatch: list, range: "bytes=1-2") == (isThere ? .notModified : .part(1..<3)))
    }

    @Test(arguments: [("\"aa\"", true), ("*", true), ("W/\"aa\"", false), ("\"bb\"", false)])
    func ifMatchComparesStrongly(_ list: String, _ holds: Bool) {
        #expect(answer(ifMatch: list, ifNoneMatch: "*") == (holds ? .notModified : .failed))
    }

    @Test(arguments: [
        ("\"aa\"", true), ("W/\"aa\"", false), ("\"bb\"", false), ("Sun, 06 Nov 1994 08:49:37 GMT", false),
        ("*", false),
    ])
    func aRangeOfAnotherVersionIsTheWhole(_ ifRange: String, _ isCut: Bool) {
        #expect(answer(ifRange: ifRange, range: "bytes=1-2") == (isCut ? .part(1..<3) : .whole))
    }
}
