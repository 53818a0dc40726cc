package import ServerRuntime

/// Where a stream of changes stands: the `id` of an event, `<epoch>.<cursor>`.
package struct ChangeID: Hashable, Sendable, CustomStringConvertible {
    /// Names the log, in letters and digits.
    package let epoch: String
    package let cursor: Int64

    package init(epoch: String, cursor: Int64) {
        self.epoch = epoch
        self.cursor = cursor
    }

    /// Reads a `Last-Event-ID`; nil for what this server cannot have sent.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let cursor = Int64(parts[1])
        else { return nil }
        self.init(epoch: String(parts[0]), cursor: cursor)
    }

    package var description: String { "\(epoch).\(cursor)" }

    /// Whether the changes behind this one can be read from a log that reaches so far. Nobody can have heard of changes behind its newest
    /// one: then the log is an older copy of itself.
    package func canGoOn(in log: ChangeLogRange) -> Bool {
        epoch == log.epoch && cursor + 1 >= log.oldest && cursor <= log.newest
    }
}
