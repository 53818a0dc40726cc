import AvatarCore
import Testing

@Suite struct JSONStringTests {
    @Test(arguments: [
        ("", #""""#),
        ("me.png", #""me.png""#),
        (#"a "b" \c"#, #""a \"b\" \\c""#),
        ("nul\0 tab\t newline\n", #""nul\u0000 tab\u0009 newline\u000a""#),
        ("\u{1F}\u{7F}", #""\u001f\u007f""#),
        ("头像😀", #""头像😀""#),
    ])
    func onlyWhatMustBeIsEscaped(text: String, written: String) {
        var bytes: [UInt8] = []
        bytes.appendJSONString(text)
        #expect(String(decoding: bytes, as: UTF8.self) == written)
    }
}
