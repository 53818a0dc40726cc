package import AvatarCore
internal import Foundation
package import NIOHTTP1
package import TransferMachines

/// Between what the machine means and what stands in HTTP (`docs/http.md`, "Resources").
///
/// Nothing is decided here; the simulation uses the same mapping, so that its two sides exchange real heads.
package enum HTTPMapping {
    /// A request before it has a body.
    package struct Message: Sendable {
        package var method: HTTPMethod
        /// Below the server's origin, with the base URL's prefix.
        package var path: String
        package var fields: HTTPHeaders = [:]
        /// Bytes of the body that follow; nil for none.
        package var bodyBytes: Int64?
        /// The body, where it is at hand.
        package var body: [UInt8]?
    }

    /// The request that asks who the login is.
    package static func greeting(_ url: ServerURL) -> Message { Message(method: .GET, path: url.prefix + "/v1/me") }

    package static func message(for call: HTTPCall, uid: UserID, at url: ServerURL) -> Message {
        switch call {
        case .picture(let name, let from, let tag, let known):
            var message = Message(method: .GET, path: "\(url.prefix)/v1/avatars/\(encode(name))")
            if from > 0, let tag {
                message.fields.add(name: "Range", value: "bytes=\(from)-")
                message.fields.add(name: "If-Range", value: tag)
            }
            if let known { message.fields.add(name: "If-None-Match", value: "\"\(known.hex)\"") }
            return message
        case .changes(let users, let position):
            let json = "{\"users\":[" + users.map { "\($0)" }.joined(separator: ",") + "]}"
            var message = Message(method: .POST, path: "\(url.prefix)/v1/changes", body: Array(json.utf8))
            message.fields.add(name: "Accept", value: "text/event-stream")
            message.fields.add(name: "Content-Type", value: "application/json")
            if let position { message.fields.add(name: "Last-Event-ID", value: position.string) }
            return message
        case .avatar(let user): return Message(method: .HEAD, path: "\(url.prefix)/v1/users/\(user)/avatar")
        case .put(let crop):
            var message = Message(
                method: .PUT, path: "\(url.prefix)/v1/users/\(uid)/avatars/\(encode(crop.name))", bodyBytes: crop.size)
            message.fields.add(name: "Repr-Digest", value: "sha-256=:\(base64(crop.sha256)):")
            return message
        case .createUpload(let crop):
            var message = Message(method: .POST, path: "\(url.prefix)/v1/users/\(uid)/uploads")
            message.fields.add(name: "Tus-Resumable", value: "1.0.0")
            message.fields.add(name: "Upload-Length", value: "\(crop.size)")
            message.fields.add(name: "Upload-Metadata", value: metadata(of: crop))
            message.body = []
            return message
        case .askOffset(let location):
            return Message(method: .HEAD, path: location, fields: ["Tus-Resumable": "1.0.0"])
        case .continueUpload(let crop, let location, let offset):
            var message = Message(method: .PATCH, path: location, bodyBytes: crop.size - offset)
            message.fields.add(name: "Tus-Resumable", value: "1.0.0")
            message.fields.add(name: "Upload-Offset", value: "\(offset)")
            message.fields.add(name: "Content-Type", value: "application/offset+octet-stream")
            return message
        }
    }

    /// What a response's head says.
    package static func head(_ head: HTTPResponseHead, at url: ServerURL) -> HTTPHead {
        let fields = head.headers
        let range = fields.first(name: "Content-Range").flatMap(contentRange)
        let place = fields.first(name: "Content-Location").flatMap(place)
        return HTTPHead(
            status: Int(head.status.code), length: fields.first(name: "Content-Length").flatMap(number),
            range: range?.bytes, totalSize: range?.total, tag: fields.first(name: "ETag").flatMap(strongTag),
            sha256: fields[canonicalForm: "Repr-Digest"].lazy.compactMap(digest).first,
            owner: place?.owner, name: place?.name,
            isEncoded: fields[canonicalForm: "Content-Encoding"].contains { $0.lowercased() != "identity" },
            retryAfter: fields.first(name: "Retry-After").flatMap(number).map { .seconds($0) },
            location: fields.first(name: "Location").flatMap { location($0, at: url) },
            uploadOffset: fields.first(name: "Upload-Offset").flatMap(number), isMultiplexed: head.version.major >= 2)
    }

    /// What the body of an error says: for a person `detail` or `title` of a problem (RFC 9457), and our server's `reason`.
    package static func problem(_ bytes: [UInt8]) -> (detail: String?, reason: UploadRefusalReason?) {
        guard case .object(let members)? = try? JSON.parse(bytes) else { return (nil, nil) }
        func text(_ member: String) -> String? {
            guard case .string(let text)? = members.first(where: { $0.name == ExactString(member) })?.value,
                !text.string.isEmpty
            else { return nil }
            return text.string
        }
        return (
            (text("detail") ?? text("title")).map(shown), text("reason").flatMap { UploadRefusalReason(rawValue: $0) }
        )
    }

    /// A server's text as a person is shown it: in one line, and not longer than a sentence.
    static func shown(_ text: String) -> String {
        let harmless = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : Character($0) }
        return String(harmless.prefix(Limits.HTTPWay.detailCharactersMax))
    }

    // MARK: Fields

    /// Digits only.
    private static func number(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    /// `bytes 10-19/20`.
    private static func contentRange(_ text: String) -> (bytes: Range<Int64>, total: Int64)? {
        guard text.lowercased().hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let total = number(parts[1]) else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = number(ends[0]), let last = number(ends[1]), first <= last, last < total
        else { return nil }
        return (first..<(last + 1), total)
    }

    /// A tag whose equality means equal bytes (RFC 9110, 8.8.3).
    private static func strongTag(_ text: String) -> String? {
        text.hasPrefix("\"") && text.hasSuffix("\"") && text.utf8.count >= 2 ? text : nil
    }

    /// `sha-256=:<base64>:` of a list of digests (RFC 9530).
    private static func digest(_ text: some StringProtocol) -> SHA256Digest? {
        for item in text.split(separator: ",") {
            let item = item.trimmingCharacters(in: .whitespaces)
            guard item.lowercased().hasPrefix("sha-256=:"), item.hasSuffix(":") else { continue }
            let value = item.dropFirst(9).dropLast()
            guard let data = Data(base64Encoded: String(value)) else { continue }
            return SHA256Digest(hex: data.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined())
        }
        return nil
    }

    /// User and name in `…/v1/users/{uid}/avatars/{name}`.
    private static func place(_ text: String) -> (owner: UserID, name: AvatarName)? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 5, parts[parts.count - 2] == "avatars", parts[parts.count - 4] == "users",
            let owner = number(parts[parts.count - 3]).flatMap({ UserID($0) }),
            let name = parts[parts.count - 1].removingPercentEncoding.flatMap({ try? AvatarName($0) })
        else { return nil }
        return (owner, name)
    }

    /// The path of a place at the same origin; nil for one elsewhere.
    static func location(_ text: String, at url: ServerURL) -> String? {
        if text.hasPrefix("/"), !text.hasPrefix("//") { return text }
        guard let there = try? ServerURL(text.split(separator: "?").first.map(String.init) ?? text),
            there.isSecure == url.isSecure, there.host == url.host, there.port == url.port
        else { return nil }
        let path = text.drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" }
        return path.isEmpty ? "/" : String(path)
    }

    /// What tus servers are told of a crop. Ours looks at the name and the digest; others want a type, and believe it (tusd, tuspyserver).
    private static func metadata(of crop: Crop) -> String {
        let name = crop.name.string.lowercased()
        let format = ImageFormat.allCases.first {
            name.hasSuffix(".\($0.rawValue)") || name.hasSuffix(".\($0.fileExtension)")
        }
        return [
            ("filename", crop.name.string),
            ("filetype", format.map { "image/\($0.rawValue)" } ?? "application/octet-stream"),
            ("sha256", crop.sha256.hex),
        ].map { "\($0) \(base64(text: $1))" }.joined(separator: ",")
    }

    private static func base64(_ digest: SHA256Digest) -> String {
        var bytes: [UInt8] = []
        var rest = digest.hex[...]
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return Data(bytes).base64EncodedString()
    }

    private static func base64(text: String) -> String { Data(text.utf8).base64EncodedString() }

    /// The name as one component of a path (RFC 3986, 2.3).
    static func encode(_ name: AvatarName) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        return name.string.utf8.map { byte in
            plain.contains(byte)
                ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
