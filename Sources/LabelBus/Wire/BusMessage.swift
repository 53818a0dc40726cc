package import AvatarCore
package import NIOCore

/// The messages of Varlink (UAPI.20): one JSON object each, then a NUL.
package enum BusMessage {
    /// A call, as it came.
    package struct Call: Hashable, Sendable {
        package let method: String
        /// An object, or null for none.
        package let parameters: JSON
        package let more: Bool
        package let oneway: Bool
        package let upgrade: Bool
    }

    /// Reads a call from one message, without its NUL.
    package static func parseCall(_ bytes: [UInt8]) throws(BusMessageError) -> Call {
        var method: String?
        var parameters = JSON.null
        var flags: (more: Bool, oneway: Bool, upgrade: Bool) = (false, false, false)
        for member in try members(of: bytes) {
            switch member.name.string {
            case "method":
                guard case .string(let name) = member.value else { throw BusMessageError(.wrongType, "method") }
                method = name.string
            case "parameters":
                switch member.value {
                case .object, .null: parameters = member.value
                default: throw BusMessageError(.wrongType, "parameters")
                }
            case "more": flags.more = try flag(member)
            case "oneway": flags.oneway = try flag(member)
            case "upgrade": flags.upgrade = try flag(member)
            default:
                guard isReverseDomain(member.name.string) else {
                    throw BusMessageError(.unknownMember)
                }
            }
        }
        guard let method else { throw BusMessageError(.methodMissing) }
        let set = [flags.more, flags.oneway, flags.upgrade].count { $0 }
        if set > 1 { throw BusMessageError(.twoFlags) }
        return Call(
            method: method, parameters: parameters, more: flags.more, oneway: flags.oneway, upgrade: flags.upgrade)
    }

    private static func members(of bytes: [UInt8]) throws(BusMessageError) -> [JSON.Member] {
        do throws(JSONError) {
            if case .object(let members) = try JSON.parse(bytes) { return members }
        } catch {
            throw BusMessageError(.notJSON, error.description)
        }
        throw BusMessageError(.notAnObject)
    }

    private static func flag(_ member: JSON.Member) throws(BusMessageError) -> Bool {
        guard case .bool(let value) = member.value else { throw BusMessageError(.wrongType, member.name.string) }
        return value
    }

    /// `org.example.trace`: others may add members under a name that is theirs.
    private static func isReverseDomain(_ name: String) -> Bool {
        let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count > 1 && parts.allSatisfy { !$0.isEmpty }
    }
}

// MARK: - Replies

extension BusMessage {
    /// A reply, its NUL included.
    package static func reply(
        continues: Bool = false, capacity: Int = 512, _ parameters: (inout JSONWriter) -> Void
    ) -> ByteBuffer {
        message(capacity: capacity) { writer in
            writer.name("parameters")
            writer.object(parameters)
            if continues { writer.field("continues", true) }
        }
    }

    /// An error, its NUL included.
    package static func error(_ error: AgentError) -> ByteBuffer {
        message { writer in
            writer.field("error", error.name)
            writer.name("parameters")
            writer.object { error.write(to: &$0) }
        }
    }

    /// A call, its NUL included.
    package static func call(
        _ method: String, more: Bool = false, oneway: Bool = false, _ parameters: (inout JSONWriter) -> Void
    ) -> ByteBuffer {
        message { writer in
            writer.field("method", method)
            writer.name("parameters")
            writer.object(parameters)
            if more { writer.field("more", true) }
            if oneway { writer.field("oneway", true) }
        }
    }

    /// Most messages fit into the capacity that is not given: an avatar with its path is some 400 bytes.
    private static func message(capacity: Int = 512, _ body: (inout JSONWriter) -> Void) -> ByteBuffer {
        var writer = JSONWriter(capacity: capacity)
        writer.object(body)
        writer.endMessage()
        return ByteBuffer(bytes: writer.bytes)
    }

    /// What came back: a reply's parameters, or an error.
    package enum Reply: Sendable {
        case parameters(JSON, continues: Bool)
        case error(AgentError)
    }

    /// Reads a reply from one message, without its NUL. Members that are not known are ignored.
    package static func parseReply(_ bytes: [UInt8]) throws(BusMessageError) -> Reply {
        var parameters = JSON.null
        var name: String?
        var continues = false
        for member in try members(of: bytes) {
            switch (member.name.string, member.value) {
            case ("parameters", let value): parameters = value
            case ("error", .string(let error)): name = error.string
            case ("error", .null): break
            case ("continues", .bool(let flag)): continues = flag
            case ("error", _), ("continues", _): throw BusMessageError(.wrongType, member.name.string)
            default: break
            }
        }
        guard let name else { return .parameters(parameters, continues: continues) }
        do throws(FieldError) {
            var fields = try ObjectReader(parameters, unknown: .ignored)
            return .error(try AgentError(name: name, from: &fields))
        } catch {
            return .error(.other(name: name))
        }
    }
}
