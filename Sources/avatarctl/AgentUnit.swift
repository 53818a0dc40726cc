internal import Glibc

/// What systemd knows of the agent where it runs as a service.
enum AgentUnit {
    /// How many lines of its log say why it ended.
    static let lastWordsMax = 5

    /// The last lines that the agent itself wrote into the user's journal, when its unit has failed; none where the unit is well, or where
    /// there is no systemd or no journal.
    static func lastWords() -> [String] {
        // Each question ends by itself, whatever the service manager does.
        let asksUnit = "timeout 3 systemctl --user is-failed --quiet avatard.service"
        let asksJournal = "timeout 3 journalctl --user --unit avatard.service --identifier avatard"
        let form = "--lines \(lastWordsMax) --output cat --quiet --no-pager"
        guard let pipe = popen("{ \(asksUnit) && \(asksJournal) \(form); } 2>/dev/null", "r") else { return [] }
        defer { pclose(pipe) }
        var lines: [String] = []
        var buffer = [CChar](repeating: 0, count: 4096)
        while lines.count < lastWordsMax, fgets(&buffer, Int32(buffer.count), pipe) != nil {
            let line = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            lines.append(String(decoding: line, as: UTF8.self).filter { !$0.isNewline })
        }
        return lines
    }

    /// What a person is told below the error when the agent did not answer.
    ///
    /// - Parameter hungUp: whether somebody took the call, and then hung up.
    static func advice(lastWords: [String], hungUp: Bool) -> [String] {
        guard lastWords.isEmpty else {
            return ["It could not start, or ended. Its last words:"] + lastWords.map { "  " + $0 }
                + ["When that is mended: systemctl --user restart avatard"]
        }
        guard hungUp else { return ["Start it with: systemctl --user start avatard"] }
        return ["It ended, or could not start. Its log says why: journalctl --user --unit avatard"]
    }
}
