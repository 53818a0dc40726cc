package import AvatarCore
package import TransferMachines

/// What a request's path names.
package enum Route: Hashable, Sendable {
    case avatar(UserID)
    case file(UserID, AvatarName)
    /// A picture by its name alone.
    case name(AvatarName)
    case changes
    /// Where uploads in pieces begin.
    case uploads(UserID)
    /// One of them. Its path holds what the server need not keep.
    case upload(UserID, UploadID, Tus.Metadata)
    case me
    case health
    case ready

    /// Why a path names nothing.
    package enum Fault: Error, Hashable, Sendable {
        case unknown
        case badUser
        case badName(String)
    }

    /// - Parameter target: the request's target; its query is no part of the route.
    package init(_ target: String) throws(Fault) {
        let path = Self.origin(target).prefix { $0 != "?" }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        switch parts.count {
        case 2 where parts[1] == "healthz": self = .health
        case 2 where parts[1] == "readyz": self = .ready
        case 3 where parts[1] == "v1" && parts[2] == "me": self = .me
        case 4 where parts[1] == "v1" && parts[2] == "avatars": self = .name(try Self.name(parts[3]))
        case 3 where parts[1] == "v1" && parts[2] == "changes": self = .changes
        case 5 where parts[1] == "v1" && parts[2] == "users" && parts[4] == "avatar":
            self = .avatar(try Self.user(parts[3]))
        case 6 where parts[1] == "v1" && parts[2] == "users" && parts[4] == "avatars":
            self = .file(try Self.user(parts[3]), try Self.name(parts[5]))
        case 5 where parts[1] == "v1" && parts[2] == "users" && parts[4] == "uploads":
            self = .uploads(try Self.user(parts[3]))
        case 8 where parts[1] == "v1" && parts[2] == "users" && parts[4] == "uploads":
            let digest = SHA256Digest(hex: parts[6])
            guard let id = UploadID(hex: String(parts[5])), digest != nil || parts[6] == "-" else { throw .unknown }
            self = .upload(
                try Self.user(parts[3]), id, Tus.Metadata(name: try Self.name(parts[7]), sha256: digest))
        default: throw .unknown
        }
    }

    /// Without scheme and authority, which a client puts in front that takes the server for a proxy (RFC 9112, 3.2.2).
    private static func origin(_ target: String) -> Substring {
        guard target.utf8.first != UInt8(ascii: "/") else { return target[...] }
        for scheme in ["http://", "https://"] where target.lowercased().hasPrefix(scheme) {
            return target.dropFirst(scheme.count).drop { $0 != "/" && $0 != "?" }
        }
        return target[...]
    }

    /// The path of an upload.
    package static func path(of id: UploadID, _ user: UserID, _ metadata: Tus.Metadata) -> String {
        "/v1/users/\(user)/uploads/\(id)/\(metadata.sha256?.hex ?? "-")/\(encode(metadata.name))"
    }

    private static func user(_ text: Substring) throws(Fault) -> UserID {
        guard let user = UserID(digits: text) else { throw .badUser }
        return user
    }

    /// Decodes once: what is still encoded then is part of the name.
    private static func name(_ text: Substring) throws(Fault) -> AvatarName {
        guard let decoded = decode(text) else { throw .badName("is not percent-encoded UTF-8") }
        do {
            return try AvatarName(decoded)
        } catch {
            throw .badName("\(error.code)")
        }
    }

    private static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexValue), let low = rest.popFirst().flatMap(hexValue) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The name as one component of a path.
    package static func encode(_ name: AvatarName) -> String {
        name.string.utf8.map { byte in
            let isPlain =
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "~"):
                    true
                default: false
                }
            if isPlain { return String(UnicodeScalar(byte)) }
            return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}

func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
}

extension UserID {
    /// Nil unless there are only digits, the first of them no zero.
    init?(digits text: some StringProtocol) {
        guard text.utf8.first != UInt8(ascii: "0"), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let value = Int64(text)
        else { return nil }
        self.init(value)
    }
}
