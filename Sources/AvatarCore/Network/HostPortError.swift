/// Why a text names no host: what is wrong with it, and how it would be right. It reads on after the text itself.
package enum HostPortError: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    /// White space or a control character.
    case blank
    /// A URL, a path, or a user's name before the host.
    case notOnlyHost
    case noHost
    case noPort
    case badPort(String, range: ClosedRange<Int>)
    case twoPorts
    /// The port in the text is not the one that stands beside it.
    case otherPort(Int, beside: Int)
    case openBracket
    case afterBracket(String)
    case bracketsForNoIPv6(String)
    case notIPv6(String)
    /// An IPv6 address without brackets, and a port behind it.
    case needsBrackets(String, port: String)
    /// It is an IPv6 address as it stands, and also one with a port behind it.
    case ambiguous(String, address: String, port: String)
    case noZone(String)
    case needlessZone(String)
    case badZone(String)
    case notIPv4(String)
    case notASCII
    case badCharacter(Unicode.Scalar)
    case emptyLabel
    case longLabel(String)
    case hyphen(String)
    case longName

    package var description: String {
        switch self {
        case .empty: "is empty: write a host name or an address, such as example.org, 192.0.2.7 or [::1]:9090"
        case .blank: "has a blank or a control character in it, or around it: leave it out"
        case .notOnlyHost:
            "is more than a host and a port: leave out what stands before the host (http://, user@) and any path"
        case .noHost: "has no host before the port"
        case .noPort: "ends with a colon and no port: leave the colon out, or write the port behind it"
        case .badPort(let port, let range):
            "has the port \"\(port)\", which must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .twoPorts: "names a port twice"
        case .otherPort(let port, let beside):
            "names the port \(port), but the port is given as \(beside), too: leave one of them out"
        case .openBracket: "has a [ without its ]: write [::1]:9090"
        case .afterBracket(let rest):
            "has \"\(rest)\" behind its ], where only a colon and a port may stand: write [::1]:9090"
        case .bracketsForNoIPv6(let text):
            "has brackets around \"\(text)\", which is no IPv6 address: only those have brackets"
        case .notIPv6: "is no IPv6 address, and a host name has no colon but the one before its port"
        case .needsBrackets(let address, let port):
            "is an IPv6 address with a port, which needs brackets: [\(address)]:\(port)"
        case .ambiguous(let text, let address, let port):
            "can be read in two ways: write [\(address)]:\(port) for the port \(port), or [\(text)] for an address without a port"
        case .noZone(let address):
            "is a link-local address, which says nothing without its link: write \(address)%eth0, with the name of the interface"
        case .needlessZone: "has a zone (%…), which only a link-local IPv6 address has (fe80::1%eth0)"
        case .badZone(let zone): "has the zone \"\(zone)\", which is longer than an interface's name can be"
        case .notIPv4:
            "ends in a number as an IPv4 address does, and is none: four numbers from 0 to 255, without zeros before them"
        case .notASCII: "has characters that are not ASCII: write the name in its xn-- form (such as idn2 prints)"
        case .badCharacter(let scalar): "has the character \"\(scalar)\", which no host name has"
        case .emptyLabel: "has nothing before, between or behind its dots"
        case .longLabel(let label):
            "has \"\(label)\" in it, which is longer than the \(Limits.Network.hostLabelBytesMax) bytes that may stand between two dots"
        case .hyphen(let label): "has \"\(label)\" in it, which begins or ends with a hyphen"
        case .longName: "is longer than the \(Limits.Network.hostNameBytesMax) bytes that a host name may have"
        }
    }
}
