/// An IPv6 address in text (RFC 4291, section 2.2), perhaps with a zone (`fe80::1%eth0`, RFC 4007).
struct IPv6Address: Hashable, Sendable, CustomStringConvertible {
    private let groups: [UInt16]
    /// Which of this machine's links a link-local address is on.
    let zone: String?

    /// Nil for what is no address.
    init?(_ text: Substring) {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first else { return nil }
        zone = parts.count == 2 ? String(parts[1]) : nil
        if let zone,
            zone.isEmpty || zone.contains(where: { "%[]:/".contains($0) })
                || !zone.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        {
            return nil
        }
        guard let groups = Self.groups(address) else { return nil }
        self.groups = groups
    }

    /// fe80::/10.
    var isLinkLocal: Bool { groups[0] & 0xFFC0 == 0xFE80 }

    /// As RFC 5952 writes it: lower case, the longest run of zeros as `::`, and an IPv4 address inside in its own notation.
    var description: String {
        let zone = zone.map { "%\($0)" } ?? ""
        if groups[..<5].allSatisfy({ $0 == 0 }), groups[5] == 0xFFFF {
            let bytes = groups[6...].flatMap { [$0 >> 8, $0 & 0xFF] }
            return "::ffff:" + bytes.map(String.init).joined(separator: ".") + zone
        }
        let hex = groups.map { String($0, radix: 16) }
        guard let run = longestZeros() else { return hex.joined(separator: ":") + zone }
        return hex[..<run.lowerBound].joined(separator: ":") + "::" + hex[run.upperBound...].joined(separator: ":")
            + zone
    }

    /// The first of the longest runs of two or more groups that are zero.
    private func longestZeros() -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start >= 2, end - start > best?.count ?? 0 { best = start..<end }
            start = max(end, start) + 1
        }
        return best
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        guard let gap = text.firstRange(of: "::") else {
            guard let groups = run(text, mayEndInIPv4: true), groups.count == 8 else { return nil }
            return groups
        }
        let (left, right) = (text[..<gap.lowerBound], text[gap.upperBound...])
        guard !right.contains("::"), !right.hasPrefix(":"),
            let head = left.isEmpty ? [] : run(left, mayEndInIPv4: false),
            let tail = right.isEmpty ? [] : run(right, mayEndInIPv4: true), head.count + tail.count <= 7
        else { return nil }
        return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    /// Groups between colons; nil where one of them is none.
    private static func run(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
        var groups: [UInt16] = []
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, word) in words.enumerated() {
            if mayEndInIPv4, index == words.count - 1, word.contains(".") {
                guard HostPort.isIPv4(word) else { return nil }
                let bytes = word.split(separator: ".").compactMap { UInt16($0) }
                groups += [bytes[0] << 8 | bytes[1], bytes[2] << 8 | bytes[3]]
                continue
            }
            guard (1...4).contains(word.utf8.count), word.utf8.allSatisfy(\.isHexDigit),
                let group = UInt16(word, radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups
    }
}
