internal import AvatarCore
internal import DequeModule

/// Files of the upload folder that are to be examined, one after the other in the order in which they were closed: the examination gives
/// a crop its place among the uploads, and after one that failed none of those behind it may be taken.
struct ExaminationQueue: Sendable {
    private struct Examination: Sendable {
        let name: AvatarName
        var mode: CropRule.Mode
        /// The file was closed again while an earlier examination of it was due; others may have been closed in between.
        let isAgain: Bool
    }

    private var waiting = Deque<Examination>()
    private var first: Set<AvatarName> = []
    private var again: Set<AvatarName> = []
    /// The examination that has not come back.
    private var current: (name: AvatarName, mode: CropRule.Mode)?

    /// How strictly the file under examination is taken for new.
    var mode: CropRule.Mode { current?.mode ?? .normal }

    /// The files for which a person asked, and whose examination is not over.
    var forced: [AvatarName] {
        waiting.filter { $0.mode == .forced }.map(\.name) + (current.map { $0.mode == .forced ? [$0.name] : [] } ?? [])
    }
    /// Whether nothing is examined, and nothing waits for it.
    var isEmpty: Bool { current == nil && waiting.isEmpty }

    /// Whether the file is under examination, or is to be examined.
    func contains(_ name: AvatarName) -> Bool { name == current?.name || first.contains(name) || again.contains(name) }

    /// Whether the file is to be examined once more after the examination that is under way.
    func isDueAgain(_ name: AvatarName) -> Bool { again.contains(name) }

    /// However often a file is closed before its examination is over, one more after that is enough, at the end of the queue.
    mutating func add(_ name: AvatarName, _ mode: CropRule.Mode) {
        guard name == current?.name || first.contains(name) else {
            first.insert(name)
            return waiting.append(Examination(name: name, mode: mode, isAgain: false))
        }
        // An examination that is yet to begin finds what a look would; of one that is under way nobody knows what it has seen.
        guard mode == .normal || mode == .forced || (name == current?.name && mode != .confirming) else { return }
        var mode = mode
        if mode != .normal, mode != .forced, again.contains(name) { return }
        if !again.insert(name).inserted, let index = waiting.firstIndex(where: { $0.isAgain && $0.name == name }) {
            if waiting.remove(at: index).mode == .forced { mode = .forced }
        }
        waiting.append(Examination(name: name, mode: mode, isAgain: true))
    }

    /// The next file to examine, if no examination is under way.
    mutating func next() -> AvatarName? {
        guard current == nil, let next = waiting.popFirst() else { return nil }
        if next.isAgain { again.remove(next.name) } else { first.remove(next.name) }
        current = (next.name, next.mode)
        return next.name
    }

    /// The examination has come back; whether a person asked for one more of the same file.
    mutating func finished() -> Bool {
        defer { current = nil }
        guard let current, again.contains(current.name) else { return false }
        return waiting.contains { $0.isAgain && $0.name == current.name && $0.mode == .forced }
    }

    /// Nothing more is examined: a look through the whole folder finds it all. The files that waited.
    mutating func giveUp() -> [AvatarName] {
        defer { (waiting, first, again) = ([], [], []) }
        return waiting.map(\.name)
    }
}
