internal import AvatarCore

/// The watched folders that are gone or cannot be watched, and when they are looked for again.
struct FolderHealth: Sendable {
    /// What the rest of the machine, or the driver, has to do.
    enum Action: Hashable, Sendable {
        case attach(WatchedFolder)
        /// The folder is to be looked through.
        case rescan(WatchedFolder)
        case log(ActivityLog.Entry)
    }

    private struct Loss: Sendable {
        var retryAt: MonotonicTime?
        var backoff = Backoff(first: Limits.Storage.retryFirst, longest: Limits.Storage.retryMax)
    }

    private var lost: [WatchedFolder: Loss] = [:]

    var deadline: MonotonicTime { lost.values.reduce(.never) { min($0, $1.retryAt ?? .never) } }

    func isLost(_ folder: WatchedFolder) -> Bool { lost[folder] != nil }

    mutating func lost(
        _ folder: WatchedFolder, reason: String, remedy: String?, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        var loss = lost[folder] ?? Loss()
        loss.retryAt = now + loss.backoff.next(using: &random)
        lost[folder] = loss
        let note = Note(.warning, "a folder is not watched", detail: "\(folder.rawValue): \(reason)")
        return [
            .log(
                .problem(
                    key: Self.key(folder), what: "the \(folder.rawValue) folder is not watched: \(reason)",
                    remedy: remedy ?? "put it back where the configuration says", note: note))
        ]
    }

    mutating func back(_ folder: WatchedFolder) -> [Action] {
        lost[folder] = nil
        let note = Note(.info, "a folder is watched again", detail: folder.rawValue)
        return [.log(.solved(key: Self.key(folder))), .log(.note(note)), .rescan(folder)]
    }

    /// A folder that is not watched is looked for again, and looked through meanwhile.
    mutating func tick(now: MonotonicTime) -> [Action] {
        guard !lost.isEmpty else { return [] }
        var actions: [Action] = []
        for folder in [WatchedFolder.crops, .cache] {
            guard let retryAt = lost[folder]?.retryAt, retryAt <= now else { continue }
            lost[folder]?.retryAt = nil
            actions += [.attach(folder), .rescan(folder)]
        }
        return actions
    }

    private static func key(_ folder: WatchedFolder) -> ExactString { "folder \(folder.rawValue)" }
}
