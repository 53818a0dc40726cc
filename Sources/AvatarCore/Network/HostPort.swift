/// A host, and perhaps a port, as a person writes them: `example.org`, `example.org:9090`, `192.0.2.7:9090`, `::1`, `[::1]:9090`.
///
/// The same host has one spelling: names are in lower case, IPv6 addresses as RFC 5952 writes them, without brackets.
package struct HostPort: Hashable, Sendable {
    /// A host name or an address, without brackets.
    package let host: String
    /// Nil where the text names none.
    package let port: Int?

    /// Reads a text.
    ///
    /// - Parameter ports: what may be a port; 0 stands for any free one where somebody listens.
    package init(_ text: String, ports: ClosedRange<Int> = 1...65_535) throws(HostPortError) {
        guard !text.isEmpty else { throw .empty }
        guard !text.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0.value < 0x20 }) else {
            throw .blank
        }
        guard !text.contains("/"), !text.contains("@") else { throw .notOnlyHost }
        let (host, port) = try Self.split(text)
        self.host = try Self.host(host, isBracketed: text.hasPrefix("["))
        self.port = try port.map { digits throws(HostPortError) in try Self.port(digits, in: ports) }
    }

    /// The text that reads as this host and this port: an IPv6 address has brackets.
    package static func text(host: String, port: Int) -> String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    // MARK: Host and port apart

    private static func split(_ text: String) throws(HostPortError) -> (host: Substring, port: Substring?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .openBracket }
            let rest = text[text.index(after: end)...]
            let host = text[text.index(after: text.startIndex)..<end]
            if rest.isEmpty { return (host, nil) }
            guard rest.hasPrefix(":") else { throw .afterBracket(String(rest)) }
            let port = rest.dropFirst()
            guard !port.contains(":") else { throw .twoPorts }
            return (host, port)
        }
        let colons = text.filter { $0 == ":" }.count
        guard colons > 0, let last = text.lastIndex(of: ":") else { return (text[...], nil) }
        let (before, after) = (text[..<last], text[text.index(after: last)...])
        if colons == 1 { return (before, after) }
        return (try unbracketed(text, before: before, after: after), nil)
    }

    /// A text with more than one colon and no bracket: an IPv6 address, if it can be read in no other way.
    private static func unbracketed(
        _ text: String, before: Substring, after: Substring
    ) throws(HostPortError) -> Substring {
        let endsLikePort = !after.isEmpty && after.utf8.allSatisfy(\.isDigit)
        if IPv6Address(before) != nil, endsLikePort {
            guard IPv6Address(text[...]) != nil else { throw .needsBrackets(String(before), port: String(after)) }
            throw .ambiguous(text, address: String(before), port: String(after))
        }
        guard IPv6Address(text[...]) == nil else { return text[...] }
        // example.org:9090:9090
        let first = text.prefix { $0 != ":" }
        let others = text.dropFirst(first.count).split(separator: ":")
        if !first.isEmpty, first.utf8.contains(where: { !$0.isHexDigit }) || first.contains("."),
            others.allSatisfy({ $0.utf8.allSatisfy(\.isDigit) })
        {
            throw .twoPorts
        }
        throw .notIPv6(text)
    }

    private static func port(_ digits: Substring, in range: ClosedRange<Int>) throws(HostPortError) -> Int {
        guard !digits.isEmpty else { throw .noPort }
        guard digits.utf8.allSatisfy(\.isDigit), digits.utf8.count <= 5, let port = Int(digits), range.contains(port)
        else { throw .badPort(String(digits), range: range) }
        return port
    }

    // MARK: The host

    private static func host(_ text: Substring, isBracketed: Bool) throws(HostPortError) -> String {
        guard !text.isEmpty else { throw .noHost }
        if isBracketed || text.contains(":") {
            guard let address = IPv6Address(text) else {
                throw isBracketed ? .bracketsForNoIPv6(String(text)) : .notIPv6(String(text))
            }
            if let zone = address.zone {
                guard address.isLinkLocal else { throw .needlessZone(String(text)) }
                guard zone.utf8.count <= Limits.Network.interfaceNameBytesMax else { throw .badZone(zone) }
            } else if address.isLinkLocal {
                throw .noZone(String(text))
            }
            return address.description
        }
        guard text.unicodeScalars.allSatisfy(\.isASCII) else { throw .notASCII }
        guard !text.contains("%") else { throw .needlessZone(String(text)) }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        // A last label of digits only is an address's, never a name's (RFC 3696, section 2).
        if let last = labels.last, !last.isEmpty, last.utf8.allSatisfy(\.isDigit) {
            guard isIPv4(text) else { throw .notIPv4(String(text)) }
            return String(text)
        }
        return try name(text, labels)
    }

    private static func name(_ text: Substring, _ labels: [Substring]) throws(HostPortError) -> String {
        // A dot at the end says that the name is whole (RFC 1034, section 3.1); it counts for nothing.
        let ends = labels.count > 1 && labels.last?.isEmpty == true
        let said = ends ? labels.dropLast() : labels[...]
        guard text.utf8.count - (ends ? 1 : 0) <= Limits.Network.hostNameBytesMax else { throw .longName }
        for label in said {
            guard !label.isEmpty else { throw .emptyLabel }
            guard label.utf8.count <= Limits.Network.hostLabelBytesMax else { throw .longLabel(String(label)) }
            if let odd = label.unicodeScalars.first(where: { !isNameScalar($0) }) { throw .badCharacter(odd) }
            guard !label.hasPrefix("-"), !label.hasSuffix("-") else { throw .hyphen(String(label)) }
        }
        return text.lowercased()
    }

    /// Letters, digits and hyphens (RFC 1123, section 2.1), and the underscore that some private networks use.
    private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            || scalar == "-" || scalar == "_"
    }

    /// Four numbers from 0 to 255, and no zero before another digit, which some programs read as octal.
    static func isIPv4(_ text: Substring) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.utf8.count) && part.utf8.allSatisfy(\.isDigit)
                    && (part.utf8.count == 1 || !part.hasPrefix("0")) && UInt8(part) != nil
            }
    }
}

extension UInt8 {
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    var isHexDigit: Bool {
        isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20)
    }
}
