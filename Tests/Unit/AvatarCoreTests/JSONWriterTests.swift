import AvatarCore
import Testing

@Suite struct JSONWriterTests {
    @Test(arguments: [
        ("", #""""#),
        ("me.png", #""me.png""#),
        (#"a "b" \c"#, #""a \"b\" \\c""#),
        ("nul\0 tab\t newline\n", #""nul\u0000 tab\u0009 newline\u000a""#),
        ("\u{1F}\u{7F}", #""\u001f\u007f""#),
        ("头像😀", #""头像😀""#),
    ])
    func onlyWhatMustBeIsEscaped(text: String, written: String) {
        var writer = JSONWriter()
        writer.value(text)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == written)
    }

    @Test(arguments: [0, 1, -1, 9, 10, -10, 1_234_567, .max, .min] as [Int64])
    func numbersAreWrittenInFull(number: Int64) {
        var writer = JSONWriter()
        writer.array { writer in
            writer.value(number)
            writer.decimalString(number)
        }
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "[\(number),\"\(number)\"]")
    }

    @Test func commasStandBetweenValues() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("a", 1)
            writer.field("none", Int?.none)
            writer.field("b", ["x", "y"])
            writer.name("c")
            writer.object { _ in }
            writer.name("d")
            writer.array { _ in }
            writer.name("e")
            writer.object { writer in
                writer.name("f" as String)
                writer.value(0.5)
                writer.name("g" as String)
                writer.value(Double.infinity)
            }
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self) == #"{"a":1,"b":["x","y"],"c":{},"d":[],"e":{"f":0.5,"g":0}}"#
        )
    }
}
