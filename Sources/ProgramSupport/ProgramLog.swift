internal import AvatarCore
internal import Glibc
package import Logging
internal import Synchronization

/// Where and how a program writes its log; level and form may change while it runs.
package final class ProgramLog: Sendable {
    /// How a line looks (`log.format`).
    package enum Form: String, CaseIterable, Sendable {
        /// For people: time, level, message, details. Under systemd the journal has time and level of its own.
        case text
        /// One JSON object for each line.
        case json
    }

    /// The words of `log.level`.
    package static let levels = Logger.Level.allCases.map(\.rawValue)

    private let settings: Mutex<(level: Logger.Level, form: Form)>
    private let isJournal: Bool

    /// A log on standard error. JOURNAL_STREAM says whether that leads to systemd's journal (systemd.exec(5)).
    package init(level: String, form: Form, environment: ProcessEnvironment) {
        settings = Mutex((Logger.Level(rawValue: level) ?? .info, form))
        isJournal = Self.leadsToJournal(environment.variables["JOURNAL_STREAM"])
    }

    /// From here on this level and this form are in force.
    package func set(level: String, form: Form) {
        settings.withLock { $0 = (Logger.Level(rawValue: level) ?? .info, form) }
    }

    /// A logger that writes here.
    package func logger(_ label: String) -> Logger {
        Logger(label: label, factory: { _ in Handler(log: self) })
    }

    /// Whether standard error is the stream whose device and inode the variable names.
    private static func leadsToJournal(_ stream: String?) -> Bool {
        var facts = stat()
        guard let stream, fstat(STDERR_FILENO, &facts) == 0 else { return false }
        return stream == "\(facts.st_dev):\(facts.st_ino)"
    }

    private func write(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
        let form = settings.withLock { $0.form }
        let line = LogLine(level: level, message: message, details: metadata.mapValues(\.description))
        let text =
            switch (form, isJournal) {
            case (.text, true): line.journal
            case (.text, false): line.plain(at: Self.now)
            case (.json, true): line.priority + line.json(at: nil)
            case (.json, false): line.json(at: Self.now)
            }
        var bytes = Array((text + "\n").utf8)[...]
        // One write for one line: lines of several threads do not mix.
        while !bytes.isEmpty {
            let put = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if put > 0 { bytes = bytes.dropFirst(put) } else if errno != EINTR { return }
        }
    }

    /// RFC 3339, UTC.
    private static var now: String {
        var time = Glibc.time(nil)
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: text[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private struct Handler: LogHandler {
        let log: ProgramLog
        var metadata: Logger.Metadata = [:]
        /// A level of this logger alone is never set: the log's own is in force.
        var logLevel: Logger.Level {
            get { log.settings.withLock { $0.level } }
            set {}
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            var all = metadata
            if let more = event.metadata { all.merge(more) { $1 } }
            log.write(event.level, event.message.description, all)
        }
    }
}

/// One line of a log, in each of its forms.
package struct LogLine: Sendable {
    private let level: Logger.Level
    private let message: String
    private let details: [(key: String, value: String)]

    /// A message with its details, which are shown in the order of their names, the name of a picture first.
    package init(level: Logger.Level, message: String, details: [String: String]) {
        self.level = level
        self.message = message
        self.details = details.sorted { left, right in
            (left.key == "name" ? 0 : 1, left.key) < (right.key == "name" ? 0 : 1, right.key)
        }.map { ($0.key, $0.value) }
    }

    /// The prefix by which the journal knows the level (sd-daemon(3)).
    package var priority: String {
        switch level {
        case .trace, .debug: "<7>"
        case .info: "<6>"
        case .notice: "<5>"
        case .warning: "<4>"
        case .error: "<3>"
        case .critical: "<2>"
        }
    }

    /// For the journal, which has a time of its own.
    package var journal: String { priority + sentence }

    /// For a terminal or a file.
    package func plain(at time: String) -> String {
        let word = level.rawValue
        return "\(time) \(word)\(String(repeating: " ", count: max(1, 9 - word.utf8.count)))\(sentence)"
    }

    /// The message, then `name=value` for each detail, in quotes where it has blanks. Without control characters, so that one line stays one
    /// line and no name steers a terminal.
    private var sentence: String {
        details.reduce(into: Self.harmless(message)) { line, detail in
            let value = Self.harmless(detail.value)
            let isPlain = !value.isEmpty && !value.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            line += " \(detail.key)=" + (isPlain ? value : "\"\(value.replacing("\"", with: "\\\""))\"")
        }
    }

    /// One object: `time`, `level`, `message`, then the details under their names.
    package func json(at time: String?) -> String {
        var fields: [(String, String)] = time.map { [("time", $0)] } ?? []
        fields += [("level", level.rawValue), ("message", message)]
        let taken = ["time", "level", "message"]
        fields += details.map { (taken.contains($0.key) ? $0.key + "_" : $0.key, $0.value) }
        var writer = JSONWriter()
        writer.object { writer in
            for (name, value) in fields {
                writer.name(name)
                writer.value(value)
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func harmless(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
