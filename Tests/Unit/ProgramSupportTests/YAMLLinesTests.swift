import ProgramSupport
import Testing

/// In which line of a configuration a key stands.
@Suite struct YAMLLinesTests {
    private static let text = """
        # server: not this one
        server:
          # host: nor this
          host: example.org   # a remark
          "port": 9090

        cache: {bytesMax: 1GB, directory: /a}
        log:
            level:
            format: json
        log.level: info
        bus:\tnothing
        upload:
          ignore: "host: in a text"
          ignore: "twice"
        """

    @Test(arguments: [
        ("server", 2), ("server.host", 4), ("server.port", 5), ("cache.bytesMax", 7), ("cache.directory", 7),
        ("log.level", 11),
        ("log.format", 10), ("bus", 12), ("upload.ignore", 15),
    ])
    func aKeyIsFound(key: String, line: Int) {
        #expect(YAMLLines(Self.text).line(of: key) == line)
    }

    @Test(arguments: ["host", "server.hos", "server.host.x", "log.host", "upload.host", ""])
    func whatIsNotThereHasNoLine(key: String) {
        #expect(YAMLLines(Self.text).line(of: key) == nil)
    }

    @Test func linesMayEndAsOnOtherSystems() {
        #expect(YAMLLines("server:\r\n  host: a\r\n").line(of: "server.host") == 2)
    }
}
