extension Limits {
    /// Names and addresses of hosts.
    package enum Network {
        /// Bytes of a host name in text, the dot at its end not counted (RFC 1035, section 2.3.4, less the lengths that the text has not).
        package static let hostNameBytesMax = 253
        /// Bytes between two dots (RFC 1035, section 2.3.4).
        package static let hostLabelBytesMax = 63
        /// Bytes of an interface's name: IFNAMSIZ of linux/if.h less its NUL.
        package static let interfaceNameBytesMax = 15
    }
}
