import LabelBus
import NIOCore
import Testing

@Suite("JSON")
struct JSONTests {
    private static let values: [(String, JSON)] = [
        ("null", .null), ("true", .bool(true)), (" false ", .bool(false)), ("0", .int(0)), ("-0", .int(0)),
        ("-12", .int(-12)), ("9223372036854775807", .int(.max)),
        ("9223372036854775808", .double(9.223372036854775808e18)),
        ("1.5", .double(1.5)), ("1e3", .double(1000)), ("-2.5E-1", .double(-0.25)), (#""""#, .string("")),
        (#""a\"\\\/\b\f\n\r\t""#, .string("a\"\\/\u{8}\u{C}\n\r\t")), (#""\u00e9\ud83d\ude00""#, .string("é😀")),
        (#""é😀""#, .string("é😀")), (#""\u0000""#, .string("\0")), ("[]", .array([])),
        ("[1, [2]]", .array([.int(1), .array([.int(2)])])), ("{}", .object([])),
        (#"{"b":1,"a":null}"#, .object([.init(name: "b", value: .int(1)), .init(name: "a", value: .null)])),
    ]

    @Test("values are read as they stand", arguments: values)
    func reading(text: String, value: JSON) throws {
        #expect(try JSONParser.parse(Array(text.utf8)) == value)
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", " ", "nul", "nulll", "tru", "01", "+1", "1.", ".5", "1e", "1e+", "-", "--1", "0x1", "NaN", "1e999",
            "'a'",
            #"""#, #""a"#, #""\x""#, #""\u12""#, #""\u12G4""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "[",
            "[1",
            "[1,]", "[,]", "{", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "{a:1}", #"{"a":1,"a":2}"#, "1 2", "{}}", "\"\t\"",
        ])
    func refusing(text: String) {
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test("a name that stands twice is found in large objects too")
    func largeObjects() throws {
        let members = (0..<500).map { #""n\#($0)":0"# }
        #expect(throws: Never.self) { try JSONParser.parse(Array("{\(members.joined(separator: ","))}".utf8)) }
        let twice = (members + [#""n7":0"#]).joined(separator: ",")
        #expect(throws: JSONError.self) { try JSONParser.parse(Array("{\(twice)}".utf8)) }
    }

    @Test("text is written so that it reads back the same, and never holds a raw control character")
    func roundTrip() throws {
        let text = String(String.UnicodeScalarView((0..<0x250).compactMap(Unicode.Scalar.init))) + "\u{2028}😀"
        var writer = JSONWriter()
        writer.value(text)
        let bytes = writer.bytes
        #expect(bytes.allSatisfy { $0 >= 0x20 })
        #expect(try JSONParser.parse(bytes) == .string(text))
    }

    @Test("commas stand between values, not before or after them")
    func commas() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("a", 1)
            writer.field("none", Int?.none)
            writer.field("b", ["x", "y"])
            writer.field("c", [:])
            writer.name("d")
            writer.array { _ in }
            writer.field("e", ["f": 0.5, "g": .infinity])
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self) == #"{"a":1,"b":["x","y"],"c":{},"d":[],"e":{"f":0.5,"g":0}}"#
        )
    }
}
