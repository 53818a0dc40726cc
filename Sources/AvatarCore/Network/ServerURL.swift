/// The base URL of a resource server that speaks HTTP: `https://avatars.example.org`, `https://192.0.2.7:9443/chat`.
package struct ServerURL: Hashable, Sendable, CustomStringConvertible {
    /// Whether the connection is encrypted.
    package let isSecure: Bool
    /// A host name or an address, without brackets, as ``HostPort`` has it.
    package let host: String
    package let port: Int
    /// What stands before `/v1`: empty, or with a slash in front and none at the end.
    package let prefix: String

    /// Why a text is no base URL, in words that follow the text itself.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// Reads a text as a person writes it.
    package init(_ text: String) throws(Fault) {
        let rest: Substring
        if text.lowercased().hasPrefix("https://") {
            (isSecure, rest) = (true, text.dropFirst(8))
        } else if text.lowercased().hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst(7))
        } else {
            throw Fault(description: "must begin with https://, or with http:// for a server that is not far")
        }
        guard !rest.contains(where: { $0 == "?" || $0 == "#" || $0 == "@" || $0 == "\\" }) else {
            throw Fault(description: "must be no more than https://host:port/path: no user, no query")
        }
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        let address: HostPort
        do throws(HostPortError) { address = try HostPort(String(authority)) } catch {
            throw Fault(description: error.description)
        }
        host = address.host
        port = address.port ?? (isSecure ? 443 : 80)
        var prefix = String(path)
        while prefix.hasSuffix("/") { prefix.removeLast() }
        guard prefix.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !prefix.contains("//"), prefix.utf8.count <= 1024
        else { throw Fault(description: "has a path that is none: percent-encode it") }
        self.prefix = prefix
    }

    /// What tells this server from others: one spelling for each.
    package var description: String { "\(isSecure ? "https" : "http")://\(authority)\(prefix)" }

    /// Host and port, with brackets around an IPv6 address.
    package var authority: String { HostPort.text(host: host, port: port) }
}

/// How far away a host can be, by its name or address alone.
package enum HostReach: Hashable, Sendable {
    /// This machine.
    case loopback
    /// An address that no packet from the internet comes from (RFC 1918, 4193, 3927, 4291).
    case privateNetwork
    /// Anywhere: every other address, and every name, since it may lead to one.
    case anywhere

    /// - Parameter host: as ``HostPort`` has it.
    package init(host: String) {
        self = Self.reach(host)
    }

    private static func reach(_ host: String) -> HostReach {
        if host == "localhost" || host.hasSuffix(".localhost") { return .loopback }
        if HostPort.isIPv4(host[...]) {
            let bytes = host.split(separator: ".").compactMap { UInt8($0) }
            guard bytes.count == 4 else { return .anywhere }
            switch (bytes[0], bytes[1]) {
            case (127, _): return .loopback
            case (10, _), (192, 168), (169, 254), (172, 16...31): return .privateNetwork
            default: return .anywhere
            }
        }
        guard host.contains(":") else { return .anywhere }
        if host == "::1" { return .loopback }
        guard let first = host.split(separator: ":", omittingEmptySubsequences: false).first,
            let group = UInt16(first, radix: 16)
        else { return .anywhere }
        return group & 0xfe00 == 0xfc00 || group & 0xffc0 == 0xfe80 ? .privateNetwork : .anywhere
    }
}
