import AvatarCore
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
        #expect(try JSON.parse(Array(text.utf8)) == value)
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
        #expect(throws: JSONError.self) { try JSON.parse(Array(text.utf8)) }
    }

    @Test("a name that stands twice is found in large objects too")
    func largeObjects() throws {
        let members = (0..<500).map { #""n\#($0)":0"# }
        #expect(throws: Never.self) { try JSON.parse(Array("{\(members.joined(separator: ","))}".utf8)) }
        let twice = (members + [#""n7":0"#]).joined(separator: ",")
        #expect(throws: JSONError.self) { try JSON.parse(Array("{\(twice)}".utf8)) }
    }

    @Test("text is written so that it reads back the same, and never holds a raw control character")
    func roundTrip() throws {
        let text = String(String.UnicodeScalarView((0..<0x250).compactMap(Unicode.Scalar.init))) + "\u{2028}😀"
        var writer = JSONWriter()
        writer.value(text)
        let bytes = writer.bytes
        #expect(bytes.allSatisfy { $0 >= 0x20 })
        #expect(try JSON.parse(bytes) == .string(ExactString(text)))
    }

    @Test("names that Unicode calls equal are two")
    func lookalikes() throws {
        let text = "{\"caf\u{E9}\":1,\"cafe\u{301}\":2}"
        let json = try JSON.parse(Array(text.utf8))
        #expect(
            json == .object([.init(name: "caf\u{E9}", value: .int(1)), .init(name: "cafe\u{301}", value: .int(2))]))
        #expect(JSON.string("caf\u{E9}") != .string("cafe\u{301}"))
        #expect(throws: JSONError.self) { try JSON.parse(Array("{\"\\u00e9\":1,\"\u{E9}\":2}".utf8)) }
    }

    @Test("nesting, values and members are bounded")
    func bounds() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + "0" + String(repeating: "]", count: depth)).utf8)
        }
        #expect(throws: Never.self) { try JSON.parse(nested(Limits.JSON.depthMax)) }
        #expect(throws: JSONError(.tooDeep, offset: Limits.JSON.depthMax + 1)) {
            try JSON.parse(nested(Limits.JSON.depthMax + 1))
        }
        let values = "[" + Array(repeating: "0", count: Limits.JSON.valuesMax).joined(separator: ",") + "]"
        #expect { try JSON.parse(Array(values.utf8)) } throws: { ($0 as? JSONError)?.code == .tooManyValues }
        let members = (0...Limits.JSON.membersMax).map { "\"\($0)\":0" }
        #expect { try JSON.parse(Array("{\(members.joined(separator: ","))}".utf8)) } throws: {
            ($0 as? JSONError)?.code == .tooManyMembers
        }
    }
}
