internal import AvatarCore
package import TransferMachines

/// Reads the server's stream of changes out of the bytes of a WHATWG event stream, however they are cut.
package struct ChangeDecoder {
    private var line: [UInt8] = []
    private var afterCR = false
    private var kind = ""
    private var data = ""
    private var position: ExactString?
    private var isFirstLine = true

    /// At the beginning of a stream.
    package init() {}

    /// The changes that these bytes complete; nil where a line or an event has more than ``Limits/HTTPWay/eventBytesMax`` bytes.
    package mutating func decode(_ bytes: [UInt8]) -> [ServerChange]? {
        var changes: [ServerChange] = []
        for byte in bytes {
            defer { afterCR = byte == UInt8(ascii: "\r") }
            switch byte {
            case UInt8(ascii: "\n") where afterCR: continue
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let change = endLine() { changes.append(change) }
            default: line.append(byte)
            }
            guard line.count + data.utf8.count <= Limits.HTTPWay.eventBytesMax else { return nil }
        }
        return changes
    }

    private mutating func endLine() -> ServerChange? {
        defer { line.removeAll(keepingCapacity: true) }
        var text = String(decoding: line, as: UTF8.self)[...]
        if isFirstLine, text.hasPrefix("\u{feff}") { text.removeFirst() }
        isFirstLine = false
        if text.isEmpty { return endEvent() }
        let field = text.prefix { $0 != ":" }
        var value = text.dropFirst(field.count + 1)
        if value.hasPrefix(" ") { value.removeFirst() }
        switch field {
        case "event": kind = String(value)
        case "data": data += (data.isEmpty ? "" : "\n") + value
        case "id" where !value.contains("\0"): position = ExactString(String(value))
        default: break
        }
        return nil
    }

    /// An empty line: the event is complete. One without data is only a sign of life.
    private mutating func endEvent() -> ServerChange? {
        defer { (kind, data) = ("", "") }
        guard !data.isEmpty else { return position.map { ServerChange(.alive, position: $0) } }
        switch kind {
        case "ready": return ServerChange(.ready, position: position)
        case "reset": return ServerChange(.reset, position: position)
        case "avatar": return avatar().map { ServerChange($0, position: position) }
        default: return nil
        }
    }

    private func avatar() -> ServerChange.Kind? {
        guard case .object(let members)? = try? JSON.parse(Array(data.utf8)) else { return nil }
        func member(_ name: String) -> JSON? { members.first { $0.name == ExactString(name) }?.value }
        guard let user = member("user")?.wholeNumber.flatMap({ UserID(Int64($0)) }) else { return nil }
        if member("removed") == .bool(true) { return .removed(user) }
        guard case .string(let text)? = member("name"), let name = try? AvatarName(text.string),
            case .string(let hex)? = member("sha256"), let digest = SHA256Digest(hex: hex.string)
        else { return nil }
        return .avatar(user, name, digest)
    }
}
