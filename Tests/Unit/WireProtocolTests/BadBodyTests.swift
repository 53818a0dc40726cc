import AvatarCore
import NIOCore
import Testing
import WireProtocol

/// Bodies that are not what their id says: a typed error each, and never a crash.
@Suite struct BadBodyTests {
    @Test(
        arguments: [
            ("", .notJSON), ("{", .notJSON), ("nonsense", .notJSON), ("{}x", .notJSON), ("{\"a\"}", .notJSON),
            ("{\"a\":}", .notJSON), ("{\"a\":1,}", .notJSON), ("{'a':1}", .notJSON), ("{\"a\":01}", .notJSON),
            ("{\"a\":1.}", .notJSON), ("{\"a\":-}", .notJSON), ("{\"a\":tru}", .notJSON), ("{\"a\":\"", .notJSON),
            ("{\"a\":\"\\", .notJSON), ("{\"a\":\"\n\"}", .notJSON), ("{}{}", .notJSON), ("\u{FEFF}{}", .notJSON),
            ("[]", .notAnObject), ("\"text\"", .notAnObject), ("12", .notAnObject), ("null", .notAnObject),
            ("true", .notAnObject),
        ] as [(String, ClassicDecodeError.Code)])
    func aBodyThatIsNoObject(body: String, code: ClassicDecodeError.Code) {
        for id: UInt16 in [1001, 1003, 1005, 1031, 1033] {
            #expect(decodeError(id, body) == code)
        }
    }

    @Test(
        arguments: [
            (#""seq":-1"#, .outOfRange), (#""seq":9223372036854775808"#, .outOfRange),
            (#""seq":"99999999999999999999999""#, .outOfRange), (#""seq":1.5"#, .notAnInteger),
            (#""seq":1e3"#, .notAnInteger), (#""seq":true"#, .wrongType), (#""seq":"one""#, .wrongType),
            (#""seq":"""#, .wrongType), (#""seq":" 1""#, .wrongType), (#""seq":"-""#, .wrongType),
            (#""seq":{}"#, .wrongType), (#""seq":[1]"#, .wrongType), (#""seq":null"#, .missingField),
            (#""seq":1,"seq":1"#, .duplicateField), (#""seq":1,"s\u0065q":1"#, .duplicateField),
            (#""x":1"#, .missingField),
        ] as [(String, ClassicDecodeError.Code)])
    func aSequenceNumberThatIsNone(member: String, code: ClassicDecodeError.Code) {
        #expect(decodeError(1033, "{\"name\":\"a\",\"uid\":1,\"token\":\"t\",\(member)}") == code)
    }

    @Test(arguments: ["A", "AA", "AAA", "A===", "AA=A", "AB==", "AAB=", "AA A", "AAAA\\n", "AA-_", "=AAA", "AAAA===="])
    func dataThatIsNoBase64(data: String) {
        let body =
            #"{"md5":"m","name":"a","seq":1,"total_size":3,"trans_size":3,"last":1,"uid":1,"data":"\#(data)"}"#
        #expect(decodeError(1031, body) == .badBase64)
    }

    @Test(arguments: [#""\ud800""#, #""\udc00x""#, #""\ud800\u0041""#, #""\u12g4""#, #""\u12""#, #""\x""#])
    func aStringWithABrokenEscape(text: String) {
        #expect(decodeError(1001, "{\"data\":\(text)}") == .notUTF8)
    }

    @Test func aStringThatIsNoUTF8() {
        let body = ByteBuffer(bytes: Array("{\"data\":\"".utf8) + [0xC3, 0x28] + Array("\"}".utf8))
        #expect(throws: ClassicDecodeError(.notUTF8, field: "data")) {
            _ = try ClassicRequest.decode(Frame(id: 1001, body: body))
        }
    }

    @Test(arguments: ["[", "{\"a\":", "{\"a\":["])
    func aNestingBombCostsNoStack(opener: String) {
        let bomb = "{\"x\":" + String(repeating: opener, count: 100_000)
        #expect(decodeError(1001, bomb) == .tooDeep)
        #expect(decodeError(1001, String(repeating: "[", count: 100_000)) == .tooDeep)
    }

    @Test func aReplyWithoutAnErrorFieldIsNone() {
        #expect(throws: ClassicDecodeError(.missingField, field: "error")) {
            _ = try ClassicReply.decode(frame(1034, #"{"name":"a"}"#))
        }
    }

    @Test func theErrorNamesTheFieldAndThePlace() {
        #expect(ClassicDecodeError(.badBase64, field: "data").description == "no standard base64 in the field data")
        #expect(ClassicDecodeError(.notJSON, offset: 12).description == "no JSON at byte 12")
    }

    private func decodeError(_ id: UInt16, _ body: String) -> ClassicDecodeError.Code? {
        do throws(ClassicDecodeError) {
            _ = try ClassicRequest.decode(frame(id, body))
            return nil
        } catch {
            return error.code
        }
    }
}
