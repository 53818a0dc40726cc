import Foundation
import Logging
import ProgramSupport
import Testing

/// One line of the log in each of its forms.
@Suite struct LogLineTests {
    private let line = LogLine(
        level: .warning, message: "not uploaded",
        details: ["detail": "it has 5 bytes, \"all\" of them", "name": "a.png"])

    @Test func onATerminalTheMessageComesFirstAfterTimeAndLevel() {
        #expect(
            line.plain(at: "2026-01-02T03:04:05Z")
                == "2026-01-02T03:04:05Z warning  not uploaded name=a.png detail=\"it has 5 bytes, \\\"all\\\" of them\""
        )
    }

    @Test(arguments: [
        (Logger.Level.trace, "<7>"), (.debug, "<7>"), (.info, "<6>"), (.notice, "<5>"), (.warning, "<4>"),
        (.error, "<3>"), (.critical, "<2>"),
    ])
    func theJournalKnowsTheLevelAndHasATimeOfItsOwn(_ level: Logger.Level, _ prefix: String) {
        #expect(LogLine(level: level, message: "x y", details: [:]).journal == prefix + "x y")
    }

    @Test func asJSONEveryDetailIsAField() throws {
        let object = try JSONSerialization.jsonObject(with: Data(line.json(at: "T").utf8)) as? [String: String]
        #expect(
            object == [
                "time": "T", "level": "warning", "message": "not uploaded", "name": "a.png",
                "detail": "it has 5 bytes, \"all\" of them",
            ])
    }

    @Test func aDetailDoesNotTakeAFieldsPlace() throws {
        let line = LogLine(level: .info, message: "m", details: ["message": "other"])
        let object = try JSONSerialization.jsonObject(with: Data(line.json(at: nil).utf8)) as? [String: String]
        #expect(object == ["level": "info", "message": "m", "message_": "other"])
    }

    @Test func oneLineStaysOneLine() {
        let line = LogLine(level: .info, message: "a\nb", details: ["name": "c\u{1B}[2Jd"])
        #expect(line.journal == "<6>a b name=\"c [2Jd\"")
        #expect(!line.json(at: nil).contains("\n"))
    }
}
