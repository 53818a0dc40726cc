import AvatarCore
import BusTestSupport
import LabelBus
import Testing

/// What the bus does with one message, and the call after it.
private enum Answer: Sendable, CustomTestStringConvertible {
    /// The connection is closed without a word.
    case close
    /// This error, and the connection goes on.
    case error(String, parameters: String)
    /// An ordinary reply.
    case reply

    var testDescription: String {
        switch self {
        case .close: "close"
        case .error(let name, _): name
        case .reply: "reply"
        }
    }
}

private let service = "org.varlink.service"
private let getInfo = #""method":"org.varlink.service.GetInfo""#

@Suite("Malformed messages", .timeLimit(.minutes(1)))
struct MalformedMessageTests {
    private static let violations: [(String, Answer)] = [
        // No JSON, or not one object.
        ("", .close),
        ("nonsense", .close),
        ("{", .close),
        ("[]", .close),
        ("null", .close),
        (#""text""#, .close),
        ("{\(getInfo)} {}", .close),
        ("{\(getInfo),}", .close),
        (#"{"method":"org.varlink.service.GetInfo" "parameters":{}}"#, .close),
        (#"{"method":"a\u"}"#, .close),
        (#"{"method":"\ud800"}"#, .close),
        ("{\"method\":\"a\nb\"}", .close),
        (String(repeating: "[", count: 100_000), .close),
        (
            #"{\#(getInfo),"parameters":{"a":\#(String(repeating: "[", count: 17))\#(String(repeating: "]", count: 17))}}"#,
            .close
        ),
        // The header.
        ("{}", .close),
        (#"{"parameters":{}}"#, .close),
        (#"{"method":null}"#, .close),
        (#"{"method":7}"#, .close),
        (#"{\#(getInfo),\#(getInfo)}"#, .close),
        (#"{\#(getInfo),"parameters":[]}"#, .close),
        (#"{\#(getInfo),"parameters":"text"}"#, .close),
        (#"{\#(getInfo),"more":1}"#, .close),
        (#"{\#(getInfo),"more":null}"#, .close),
        (#"{\#(getInfo),"oneway":"true"}"#, .close),
        (#"{\#(getInfo),"upgrade":0}"#, .close),
        (#"{\#(getInfo),"more":true,"oneway":true}"#, .close),
        (#"{\#(getInfo),"more":true,"upgrade":true}"#, .close),
        (#"{\#(getInfo),"oneway":true,"upgrade":true}"#, .close),
        (#"{\#(getInfo),"unknown":1}"#, .close),
        (#"{\#(getInfo),".":1}"#, .close),
        (#"{\#(getInfo),"trace.":1}"#, .close),
        // Allowed, though it looks odd.
        (#"{\#(getInfo),"org.example.trace":1}"#, .reply),
        (#"{\#(getInfo),"parameters":null}"#, .reply),
        (#"{\#(getInfo),"parameters":{}}"#, .reply),
        (#" { "more" : true , \#(getInfo) } "#, .reply),
        (#"{\#(getInfo),"more":false,"oneway":false,"upgrade":false}"#, .reply),
        (#"{"method":"org.varlink.service\u002eGetInfo"}"#, .reply),
    ]

    private static let errors: [(String, Answer)] = [
        (#"{"method":""}"#, .error("\(service).MethodNotFound", parameters: #"{"method":""}"#)),
        (#"{"method":"GetInfo"}"#, .error("\(service).MethodNotFound", parameters: #"{"method":"GetInfo"}"#)),
        (
            #"{"method":"org.varlink.service.Nothing"}"#,
            .error("\(service).MethodNotFound", parameters: #"{"method":"org.varlink.service.Nothing"}"#)
        ),
        (
            #"{"method":"org.avatard.Agent.Nothing"}"#,
            .error("\(service).MethodNotFound", parameters: #"{"method":"org.avatard.Agent.Nothing"}"#)
        ),
        (
            #"{"method":"org.example.Other.Get"}"#,
            .error("\(service).InterfaceNotFound", parameters: #"{"interface":"org.example.Other"}"#)
        ),
        (
            #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.example.Other"}}"#,
            .error("\(service).InterfaceNotFound", parameters: #"{"interface":"org.example.Other"}"#)
        ),
        (
            #"{"method":"org.varlink.service.GetInterfaceDescription"}"#,
            .error("\(service).InvalidParameter", parameters: #"{"parameter":"interface"}"#)
        ),
        (
            #"{\#(getInfo),"parameters":{"x":1}}"#,
            .error("\(service).InvalidParameter", parameters: #"{"parameter":"x"}"#)
        ),
        (
            #"{\#(getInfo),"upgrade":true}"#,
            .error("\(service).MethodNotImplemented", parameters: #"{"method":"org.varlink.service.GetInfo"}"#)
        ),
        invalid("Get", "{}", "name"),
        invalid("Get", #"{"name":7}"#, "name"),
        invalid("Get", #"{"name":null}"#, "name"),
        invalid("Get", #"{"name":"a","owner":"7"}"#, "owner"),
        invalid("Get", #"{"name":"a","owner":1.5}"#, "owner"),
        invalid("Get", #"{"name":"a","owner":1e99}"#, "owner"),
        invalid("Get", #"{"name":"a","size":1}"#, "size"),
        invalid("Register", "{}", "labels"),
        invalid("Register", #"{"labels":{}}"#, "labels"),
        invalid("Register", #"{"labels":[7]}"#, "labels[0]"),
        invalid("Register", #"{"labels":[null]}"#, "labels[0]"),
        invalid("Register", #"{"labels":[{"label":"a","name":"b"},{"name":"b"}]}"#, "labels[1].label"),
        invalid("Register", #"{"labels":[{"label":"","name":"b"}]}"#, "labels[0].label"),
        invalid("Register", #"{"labels":[{"label":"a"}]}"#, "labels[0].name"),
        invalid("Register", #"{"labels":[{"label":"a","owner":0}]}"#, "labels[0].owner"),
        invalid("Register", #"{"labels":[{"label":"a","name":"b","visibility":"no"}]}"#, "labels[0].visibility"),
        invalid("Register", #"{"labels":[{"label":"a","name":"b","colour":"red"}]}"#, "labels[0].colour"),
        invalid("Register", #"{"labels":[],"keep":1}"#, "keep"),
        invalid("Adjust", "{}", "subscription"),
        invalid("Adjust", #"{"subscription":"s","remove":[1]}"#, "remove[0]"),
        invalid("Watch", #"{"since":"1"}"#, "since"),
        invalid("List", #"{"limit":0}"#, "limit"),
        invalid("Fetch", #"{"names":"a.png"}"#, "names"),
        invalid("Fetch", #"{"names":[],"visibility":"dim"}"#, "visibility"),
        invalid("Upload", #"{"path":"relative.png"}"#, "path"),
        invalid("Upload", #"{"path":"/a\u0000b"}"#, "path"),
        invalid("Pause", #"{"direction":"sideways"}"#, "direction"),
        invalid("Login", #"{"server":{"host":"h","port":0},"uid":1,"token":"t"}"#, "server.port"),
        invalid("Login", #"{"server":{"host":"h"},"uid":1,"token":"t"}"#, "server.port"),
        invalid("Login", #"{"server":{"host":"h","port":1,"tls":true},"uid":1,"token":"t"}"#, "server.tls"),
        invalid("Login", #"{"server":{"host":"","port":1},"uid":1,"token":"t"}"#, "server.host"),
        invalid("Login", #"{"server":{"host":"h","port":1},"uid":0,"token":"t"}"#, "uid"),
        invalid("Login", #"{"server":{"host":"h","port":1},"uid":1,"token":""}"#, "token"),
        invalid("Logout", #"{"really":true}"#, "really"),
        (
            #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[],"keep":true}}"#,
            .error("\(service).ExpectedMore", parameters: "{}")
        ),
        (
            #"{"method":"org.avatard.Agent.Watch","parameters":{"heartbeat":true}}"#,
            .error("\(service).ExpectedMore", parameters: "{}")
        ),
    ]

    private static func invalid(_ method: String, _ parameters: String, _ field: String) -> (String, Answer) {
        (
            #"{"method":"org.avatard.Agent.\#(method)","parameters":\#(parameters)}"#,
            .error("\(service).InvalidParameter", parameters: #"{"parameter":"\#(field)"}"#)
        )
    }

    @Test(
        "each malformed message gets the close, the error or the reply of the specification",
        arguments: violations + errors)
    private func malformed(message: String, answer: Answer) async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            try? await client.send(message)
            try? await client.send("{\(getInfo)}")
            let replies = try await [client.next(), client.next()]
            switch answer {
            case .close: #expect(replies == [nil, nil])
            case .error(let name, let parameters):
                #expect(replies[0] == #"{"error":"\#(name)","parameters":\#(parameters)}"#)
                #expect(replies[1]?.hasPrefix(#"{"parameters":{"vendor":"#) == true)
            case .reply:
                #expect(replies[0]?.hasPrefix(#"{"parameters":{"vendor":"#) == true)
                #expect(replies[1] == replies[0])
            }
            #expect(bus.agent.calls.isEmpty)
        }
    }

    @Test(
        "bytes that are no UTF-8 close the connection",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80]] as [[UInt8]])
    func notUTF8(bytes: [UInt8]) async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            try await client.send(Array(#"{"method":""#.utf8) + bytes + Array("\"}".utf8) + [0])
            #expect(try await client.next() == nil)
        }
    }

    @Test("the replies to the calls before a malformed message still come")
    func repliesBeforeTheClose() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            try await client.send(Array("{\(getInfo)}\0{\(getInfo)}\0nonsense\0{\(getInfo)}\0".utf8))
            #expect(try await client.rest().count == 2)
        }
    }

    @Test(
        "more labels than one call takes are TooMany",
        arguments: [(true, Limits.Labels.perSubscriptionMax), (false, Limits.Labels.perReplyMax)])
    func tooManyLabels(more: Bool, limit: Int) async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            let label = #"{"label":"l","name":"a.png"}"#
            let labels = Array(repeating: label, count: limit + 1).joined(separator: ",")
            try await client.send(
                #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[\#(labels)]},"more":\#(more)}"#)
            #expect(
                try await client.next()
                    == #"{"error":"org.avatard.Agent.TooMany","parameters":{"what":"labels","limit":\#(limit)}}"#)
        }
    }

    @Test("a message of the largest size is taken; one byte more closes, without waiting for its end")
    func messageSize() async throws {
        try await withBus { bus in
            let head = #"{"method":"org.varlink.service.GetInfo","org.example.filler":""#
            let room = Limits.Bus.messageBytesMax - head.utf8.count - 2
            let client = try await RawClient(bus.path)
            try await client.send(head + String(repeating: "x", count: room) + "\"}")
            #expect(try await client.next()?.contains("vendor") == true)
            try? await client.send(Array((head + String(repeating: "x", count: room + 3)).utf8))
            #expect(try await client.next() == nil)
        }
    }

    @Test("more values than one message may unfold into close the connection")
    func valueCount() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            let values = Array(repeating: "1", count: Limits.JSON.valuesMax).joined(separator: ",")
            try await client.send(#"{\#(getInfo),"org.example.filler":[\#(values)]}"#)
            #expect(try await client.next() == nil)
        }
    }
}
