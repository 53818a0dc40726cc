import AvatarCore
import Testing

/// One parser for every place where an address is taken.
@Suite struct HostPortTests {
    @Test(
        arguments: [
            ("example.org", "example.org", nil), ("example.org:9090", "example.org", 9090),
            ("Example.ORG", "example.org", nil), ("example.org.", "example.org.", nil),
            ("example.org.:80", "example.org.", 80), ("localhost", "localhost", nil), ("a_b-c.d1:1", "a_b-c.d1", 1),
            ("1and1.com", "1and1.com", nil), ("xn--bcher-kva.example:65535", "xn--bcher-kva.example", 65_535),
            ("192.0.2.7", "192.0.2.7", nil), ("192.0.2.7:80", "192.0.2.7", 80), ("0.0.0.0", "0.0.0.0", nil),
            ("::1", "::1", nil), ("[::1]", "::1", nil), ("[::1]:9090", "::1", 9090), ("::", "::", nil),
            ("2001:db8::1", "2001:db8::1", nil), ("[2001:DB8:0:0:0:0:0:1]:80", "2001:db8::1", 80),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", nil), ("[1:0:0:4:0:0:0:8]", "1:0:0:4::8", nil),
            ("[1:0:3:4:5:6:7:8]", "1:0:3:4:5:6:7:8", nil), ("[1::]:7", "1::", 7),
            ("::ffff:192.0.2.7", "::ffff:192.0.2.7", nil), ("[64:ff9b::192.0.2.7]:1", "64:ff9b::c000:207", 1),
            ("fe80::1%eth0", "fe80::1%eth0", nil), ("[fe80::1%wlp2s0]:9090", "fe80::1%wlp2s0", 9090),
            ("fe80::ab%2", "fe80::ab%2", nil),
        ] as [(String, String, Int?)])
    func isRead(_ text: String, _ host: String, _ port: Int?) throws {
        let read = try HostPort(text)
        #expect(read.host == host)
        #expect(read.port == port)
    }

    @Test(arguments: [
        ("", "is empty"), (" ", "a blank"), (" example.org", "a blank"), ("example.org\n", "a blank"),
        ("example .org", "a blank"), ("\u{A0}example.org", "a blank"), ("ex\u{7}ample", "control character"),
        ("http://example.org", "more than a host"), ("example.org/x", "more than a host"),
        ("me@example.org", "more than a host"), (":9090", "no host"), ("[]:9090", "no host"),
        ("example.org:", "no port"), ("[::1]:", "no port"), ("example.org:0", "from 1 to 65535"),
        ("example.org:65536", "from 1 to 65535"), ("example.org:http", "\"http\""), ("example.org:-1", "\"-1\""),
        ("example.org:+80", "\"+80\""), ("example.org:٣", "\"٣\""), ("example.org:99999999999999999999", "from 1"),
        ("example.org:80:90", "twice"), ("example.org:80:80", "twice"), ("192.0.2.7:80:80", "twice"),
        ("[::1]:80:80", "twice"), ("[::1", "without its ]"), ("[::1]80", "behind its ]"), ("[::1]]", "behind its ]"),
        ("[example.org]:80", "no IPv6 address"), ("[192.0.2.7]", "no IPv6 address"), ("1:2:3", "no IPv6 address"),
        ("::g", "no IPv6 address"), ("1::2::3", "no IPv6 address"), (":::", "no IPv6 address"),
        ("12345::", "no IPv6 address"), ("1:2:3:4:5:6:7::8", "no IPv6 address"), ("::192.0.2.256", "no IPv6 address"),
        ("1:2:3:4:5:6:7:8:9090", "[1:2:3:4:5:6:7:8]:9090"), ("::1:9090", "[::1]:9090"), ("::1:9090", "[::1:9090]"),
        ("2001:db8::5:80", "two ways"), ("::1:99999", "needs brackets"), ("fe80::1", "fe80::1%eth0"),
        ("[fe80::1]:80", "link-local"), ("::1%eth0", "only a link-local"), ("example.org%eth0", "only a link-local"),
        ("fe80::1%", "no IPv6 address"), ("fe80::1%averyverylonginterface", "longer than"),
        ("256.1.1.1", "ends in a number"), ("1.2.3", "ends in a number"), ("127.0.0.01", "ends in a number"),
        ("12", "ends in a number"), ("example.12", "ends in a number"), ("bücher.example", "xn--"),
        ("пример.рф:80", "xn--"), ("exam!ple", "\"!\""), ("*", "\"*\""), ("a..b", "its dots"), (".a", "its dots"),
        (".", "its dots"), ("a..", "its dots"), ("-a.example", "hyphen"), ("a-", "hyphen"),
        (String(repeating: "a", count: 64), "63 bytes"),
        (Array(repeating: String(repeating: "a", count: 60), count: 5).joined(separator: "."), "253 bytes"),
    ])
    func isRefusedInWords(_ text: String, _ words: String) {
        #expect { try HostPort(text) } throws: { "\($0)".contains(words) }
    }

    @Test func whoListensMayLeaveThePortToTheKernel() throws {
        #expect(try HostPort("[::]:0", ports: 0...65_535).port == 0)
    }

    @Test(arguments: [("example.org", "example.org:1"), ("::1", "[::1]:1"), ("fe80::1%eth0", "[fe80::1%eth0]:1")])
    func isWrittenAsItIsRead(_ host: String, _ text: String) throws {
        #expect(HostPort.text(host: host, port: 1) == text)
        #expect(try HostPort(text).host == host)
    }
}
