/// Random numbers that are the same on every machine (SplitMix64).
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Makes messages that are nearly right: calls of every method, then a few changes that know what JSON looks like.
struct Mutator {
    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    private static let parameters: [(String, String)] = [
        (
            "org.avatard.Agent.Register",
            #"{"labels":[{"label":"a","name":"a.png","owner":7,"visibility":"near"}],"keep":true}"#
        ),
        (
            "org.avatard.Agent.Adjust",
            #"{"subscription":"s","add":[{"label":"b","owner":1}],"remove":["a"],"visible":["b"]}"#
        ),
        ("org.avatard.Agent.Watch", #"{"epoch":"e","since":3,"heartbeat":false}"#),
        ("org.avatard.Agent.Get", #"{"name":"a.png","owner":7}"#),
        ("org.avatard.Agent.List", #"{"state":"ready","after":"a","limit":10}"#),
        ("org.avatard.Agent.Fetch", #"{"names":["a.png","\u00e9\ud83d\ude00.png"],"visibility":"hidden"}"#),
        ("org.avatard.Agent.Upload", #"{"path":"/tmp/a.png"}"#), ("org.avatard.Agent.Forget", #"{"name":"a.png"}"#),
        ("org.avatard.Agent.Dismiss", #"{"name":"a.png"}"#),
        ("org.avatard.Agent.Pause", #"{"direction":"up"}"#), ("org.avatard.Agent.Resume", "null"),
        ("org.avatard.Agent.Login", #"{"server":{"host":"h","port":9090},"uid":7,"token":"t"}"#),
        ("org.avatard.Agent.Logout", "{}"), ("org.avatard.Agent.Status", "{}"),
        ("org.avatard.Agent.Explain", #"{"name":"a.png"}"#), ("org.varlink.service.GetInfo", "{}"),
        ("org.varlink.service.GetInterfaceDescription", #"{"interface":"org.avatard.Agent"}"#),
    ]

    private static let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "\\udc00", "null", "true", "false", "0", "-1",
        "1e999",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "0.1", "1e400", "01", "\"more\":true",
        "\"oneway\":true", "\"upgrade\":true", "\"method\":\"x\"", "\"org.example.x\":[]", "\"error\":\"a.B\"",
        "\"continues\":true", "[[[[[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "\u{0}", "\u{7F}", "é", "😀", " ", "\n",
        "\"name\":null", "\"label\":\"\"",
    ]

    private mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }

    /// One message without its NUL, more often right than one would think.
    mutating func message() -> [UInt8] {
        let (method, parameters) = Self.parameters[below(Self.parameters.count)]
        let flags = ["", "", "", #","more":true"#, #","oneway":true"#, #","upgrade":true"#][below(6)]
        var bytes = Array(#"{"method":"\#(method)","parameters":\#(parameters)\#(flags)}"#.utf8)
        for _ in 0..<below(5) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = below(bytes.count + 1)
        switch below(7) {
        case 0: bytes.insert(contentsOf: Array(Self.pieces[below(Self.pieces.count)].utf8), at: place)
        case 1: if place < bytes.count { bytes[place] = UInt8(below(256)) }
        case 2: if place < bytes.count { bytes[place] ^= 1 << UInt8(below(8)) }
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + below(12)))
        case 4: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + below(40))], at: place)
        case 5:
            bytes.insert(
                contentsOf: Array(repeating: bytes.randomElement(using: &random) ?? 0x5B, count: below(60)), at: place)
        default:
            bytes.replaceSubrange(
                place..<min(bytes.count, place + 3), with: Array(Self.pieces[below(Self.pieces.count)].utf8))
        }
    }

    /// A few messages, each with its NUL.
    mutating func stream() -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<(1 + below(8)) { bytes += message() + [0] }
        return bytes
    }

    /// The same bytes in pieces.
    mutating func split(_ bytes: [UInt8]) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + below(below(2) == 0 ? 4 : 400))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
