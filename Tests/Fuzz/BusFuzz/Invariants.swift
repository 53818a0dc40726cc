import AvatarCore
import BusTestSupport
import LabelBus
import NIOCore
import NIOEmbedded

/// What has to hold whatever comes in. That nothing crashes is the first of them.
enum Invariants {
    struct Broken: Error, CustomStringConvertible {
        let what: String
        let input: [UInt8]

        var description: String { "\(what): \(String(reflecting: String(decoding: input, as: UTF8.self)))" }
    }

    /// What is read can be written, and reads the same again.
    static func check(message: [UInt8]) throws {
        if let json = try? JSON.parse(message) {
            let written = write(json)
            guard (try? JSON.parse(written)) == json else { throw Broken(what: "JSON changed", input: message) }
        }
        _ = try? BusMessage.parseReply(message)
        guard let call = try? BusMessage.parseCall(message), let dot = call.method.lastIndex(of: ".") else { return }
        let method = String(call.method[call.method.index(after: dot)...])
        guard let parsed = try? AgentCall(method: method, parameters: call.parameters) else { return }
        let again = BusMessage.call(parsed.method) { parsed.write(to: &$0) }
        guard let second = try? BusMessage.parseCall(Array(again.readableBytesView.dropLast())),
            (try? AgentCall(method: method, parameters: second.parameters)) == parsed
        else { throw Broken(what: "a call changed", input: message) }
    }

    /// The same messages, however they are split.
    static func checkFraming(_ stream: [UInt8], splitBy mutator: inout Mutator) throws {
        let limit = 300
        func messages(_ pieces: [[UInt8]]) -> (messages: [[UInt8]], isTooLong: Bool) {
            var frames = FrameBuffer(messageBytesMax: limit)
            var found: [[UInt8]] = []
            for piece in pieces {
                var read = ByteBuffer(bytes: piece)
                frames.append(&read)
                do {
                    while let message = try frames.next() { found.append(message) }
                } catch {
                    return (found, true)
                }
                frames.compact()
            }
            return (found, false)
        }
        let whole = messages([stream])
        let split = messages(mutator.split(stream))
        guard whole == split else { throw Broken(what: "splitting changed the messages", input: stream) }
    }

    /// A connection answers every good call before the first bad one, in order, with messages that are themselves good, and
    /// then is closed or goes on; and in the end nothing is held.
    static func checkConnection(_ stream: [UInt8], splitBy mutator: inout Mutator) throws {
        let agent = ScriptedAgent()
        let budget = BusBudget()
        let handler = LabelBusHandler(
            connection: 1, dispatcher: CallDispatcher(service: agent, info: ServiceInfo(version: "1")), budget: budget,
            batches: FlushBatches())
        let channel = EmbeddedChannel(handler: handler)
        _ = try? channel.connect(to: SocketAddress(unixDomainSocketPath: "/none")).wait()
        for piece in mutator.split(stream) {
            // A violation is fired as an error; that is not what is looked for here.
            _ = try? channel.writeInbound(ByteBuffer(bytes: piece))
        }
        channel.embeddedEventLoop.run()
        var written: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { written += Array(buffer.readableBytesView) }
        let replies = written.split(separator: 0)
        for reply in replies where (try? BusMessage.parseReply(Array(reply))) == nil {
            throw Broken(what: "a reply that is none", input: stream)
        }
        if let last = written.last, last != 0 { throw Broken(what: "half a reply", input: stream) }
        _ = try? channel.finish(acceptAlreadyClosed: true)
        guard budget.usedBytes == 0 else {
            throw Broken(what: "\(budget.usedBytes) bytes are never given back", input: stream)
        }
        try checkCount(replies.count, stream)
    }

    private static func checkCount(_ count: Int, _ stream: [UInt8]) throws {
        var calls = 0
        for message in stream.split(separator: 0, omittingEmptySubsequences: false).dropLast() {
            guard let call = try? BusMessage.parseCall(Array(message)) else { break }
            // A stream goes on until it is hung up, and what is behind it waits.
            if call.more { return }
            if !call.oneway { calls += 1 }
        }
        guard count == calls else { throw Broken(what: "\(count) replies to \(calls) calls", input: stream) }
    }

    private static func write(_ json: JSON) -> [UInt8] {
        var writer = JSONWriter()
        write(json, &writer)
        return writer.bytes
    }

    private static func write(_ json: JSON, _ writer: inout JSONWriter) {
        switch json {
        case .null: writer.raw(Array("null".utf8))
        case .bool(let value): writer.value(value)
        case .int(let value): writer.value(value)
        case .double(let value): writer.value(value)
        case .string(let value): writer.value(value.string)
        case .array(let elements): writer.array { writer in for element in elements { write(element, &writer) } }
        case .object(let members):
            writer.object { writer in
                for member in members {
                    writer.name(member.name.string)
                    write(member.value, &writer)
                }
            }
        }
    }
}
