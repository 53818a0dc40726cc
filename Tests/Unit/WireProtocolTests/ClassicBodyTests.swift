import NIOCore
import Testing
import WireProtocol

/// Bodies as the seed's two programs write them, byte for byte.
@Suite struct ClassicBodyTests {
    /// Qt: four spaces, keys in alphabetical order, a final newline.
    @Test func readsTheQtClientsFirstChunk() throws {
        let body = """
            {
                "data": "iVBORw0KGgo=",
                "last": 0,
                "last_seq": 11,
                "md5": "0123456789abcdef0123456789abcdef",
                "name": "20250923_头像.png",
                "seq": 1,
                "token": "c3b2-\\u00e9",
                "total_size": 20480,
                "trans_size": 8,
                "uid": 1019
            }

            """
        let request = try ClassicRequest.decode(frame(1031, body))
        #expect(
            request
                == .uploadHead(
                    UploadChunk(
                        md5: "0123456789abcdef0123456789abcdef", name: "20250923_头像.png", seq: 1, totalSize: 20480,
                        transSize: 8, last: false, lastSeq: 11, data: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A],
                        uid: 1019, token: "c3b2-é")))
    }

    /// JsonCpp: tabs, ` : `, a final newline; sizes as decimal strings, `is_last` a bool.
    @Test func readsTheCppServersDownloadReply() throws {
        let body =
            "{\n\t\"client_path\" : \"C:/Users/me/avatars/a.png\",\n\t\"current_size\" : \"2048\",\n\t\"data\" : \"AAEC\",\n"
            + "\t\"error\" : 0,\n\t\"is_last\" : false,\n\t\"name\" : \"a.png\",\n\t\"seq\" : 1,\n\t\"total_size\" : \"20480\"\n}\n"
        let reply = try ClassicReply.decode(frame(1034, body))
        #expect(
            reply
                == .download(
                    DownloadReply(
                        error: 0, name: "a.png", clientPath: "C:/Users/me/avatars/a.png", seq: 1, totalSize: 20480,
                        currentSize: 2048, isLast: false, data: [0, 1, 2])))
    }

    @Test(arguments: [UInt16(1004), 1006, 1032, 1034])
    func readsAReplyThatHoldsNothingButAnError(id: UInt16) throws {
        let reply = try ClassicReply.decode(frame(id, "{\n\t\"error\" : 1010\n}\n"))
        switch reply {
        case .uploadFile(let reply), .uploadHead(let reply): #expect(reply == UploadChunkReply(error: 1010))
        case .syncFile(let reply): #expect(reply == SyncFileReply(error: 1010))
        case .download(let reply): #expect(reply == DownloadReply(error: 1010))
        case .test, nil: Issue.record("\(id) gave \(String(describing: reply))")
        }
    }

    /// Later servers write the sizes of 1006 as strings; either form is read everywhere.
    @Test(arguments: [
        #"{"error":0,"total_size":4096,"trans_size":2048,"seq":1,"name":"a","md5":"m"}"#,
        #"{"error":"0","total_size":"4096","trans_size":"2048","seq":"1","name":"a","md5":"m"}"#,
    ])
    func readsNumbersAndDecimalStringsAlike(body: String) throws {
        let expected = SyncFileReply(error: 0, md5: "m", name: "a", seq: 1, totalSize: 4096, transSize: 2048)
        #expect(try ClassicReply.decode(frame(1006, body)) == .syncFile(expected))
    }

    @Test(arguments: [("true", true), ("false", false), ("1", true), ("0", false), ("\"1\"", true)])
    func readsFlagsAsBoolOrAsNumber(written: String, meant: Bool) throws {
        let reply = try ClassicReply.decode(frame(1034, #"{"error":0,"is_last":\#(written)}"#))
        #expect(reply == .download(DownloadReply(error: 0, isLast: meant)))
        let ack = try ClassicReply.decode(frame(1032, #"{"error":0,"last":\#(written)}"#))
        #expect(ack == .uploadHead(UploadChunkReply(error: 0, last: meant)))
    }

    @Test func skipsUnknownFieldsWhateverTheyHold() throws {
        let body = #"{"x":[1,{"name":"no"},[[]]],"data":"hi","y":{"data":2.5e-3},"z":null,"":"","w":"\u0041\\"}"#
        #expect(try ClassicRequest.decode(frame(1001, body)) == .test(TestMessage(data: "hi")))
    }

    @Test func anUnknownIDIsNoRequest() throws {
        #expect(try ClassicRequest.decode(frame(1007, "not even JSON")) == nil)
        #expect(try ClassicReply.decode(frame(1033, "")) == nil)
    }

    /// The table of docs/protocol.md, field for field and type for type.
    @Test func writesEveryFieldWithTheTypeOfTheTable() throws {
        let download = DownloadReply(
            error: 0, name: "a.png", clientPath: "/p", seq: 3, totalSize: 5000, currentSize: 5000, isLast: true,
            data: [1, 2], reqType: "self_icon")
        let expectedDownload =
            #"{"client_path":"/p","current_size":"5000","data":"AQI=","error":0,"is_last":true,"name":"a.png","#
            + #""req_type":"self_icon","seq":3,"total_size":"5000"}"#
        #expect(try encoded(.download(download)) == frame(1034, expectedDownload))

        let ack = UploadChunkReply(
            error: 0, md5: "m", name: "a", seq: 2, totalSize: 10, transSize: 10, last: true, lastSeq: 2, uid: 7)
        let expectedAck =
            #"{"error":0,"last":1,"last_seq":2,"md5":"m","name":"a","seq":2,"total_size":10,"trans_size":10,"uid":7}"#
        #expect(try encoded(.uploadHead(ack)) == frame(1032, expectedAck))
    }

    @Test func writesARequestAsTheSeedsClientDoes() throws {
        let request = DownloadRequest(name: "a.png", seq: 1, token: "t", uid: 9, clientPath: "/avatars/a.png")
        let expected =
            #"{"client_path":"/avatars/a.png","name":"a.png","seq":1,"token":"t","total_size":0,"trans_size":0,"uid":9}"#
        #expect(try encoded(.download(request)) == frame(1033, expected))
    }

    /// A body behind other bytes in the buffer counts only its own length.
    @Test func framesWrittenOneBehindTheOtherComeBackApart() throws {
        var buffer = ByteBuffer()
        ClassicReply.test(TestMessage(data: "one", error: 0)).encode(into: &buffer)
        ClassicReply.test(TestMessage(data: "two", error: 0)).encode(into: &buffer)
        var decoder = FrameDecoder(bodyBytesMax: 64)
        for text in ["one", "two"] {
            let frame = try #require(try decoder.decode(buffer: &buffer))
            #expect(try ClassicReply.decode(frame) == .test(TestMessage(data: text, error: 0)))
        }
    }
}
