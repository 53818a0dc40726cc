internal import AvatarCore
internal import DequeModule

/// Files of the upload folder that are to be looked at, one after the other in the order in which they were closed: a look gives a crop its
/// place in the line, and one that fails must not let those behind it go before.
struct ExamineLine: Sendable {
    private struct Waiting: Sendable {
        let name: AvatarName
        var mode: ExamineMode
    }

    private var waiting = Deque<Waiting>()
    private var names: Set<AvatarName> = []
    /// The look that has not come back.
    private(set) var current: AvatarName?
    /// How to look once more at the current one.
    private var again: ExamineMode?

    /// However often a file is closed before its look is over, one more after that is enough.
    mutating func add(_ name: AvatarName, _ mode: ExamineMode) {
        if mode == .confirming, names.contains(name) || (name == current && again != nil) { return }
        if name == current {
            again = again == .forced ? .forced : mode
        } else if names.contains(name), let index = waiting.firstIndex(where: { $0.name == name }) {
            // It was closed again, behind all the others.
            let old = waiting.remove(at: index)
            waiting.append(Waiting(name: name, mode: old.mode == .forced ? .forced : mode))
        } else {
            waiting.append(Waiting(name: name, mode: mode))
            names.insert(name)
        }
    }

    /// The next look, if none is under way.
    mutating func next() -> (name: AvatarName, mode: ExamineMode)? {
        guard current == nil, let next = waiting.popFirst() else { return nil }
        current = next.name
        names.remove(next.name)
        return (next.name, next.mode)
    }

    /// The look has come back; how to look once more, if that is wanted.
    mutating func finished() -> ExamineMode? {
        defer { (current, again) = (nil, nil) }
        return again
    }

    /// Nothing more is looked at: a look through the whole folder finds it all.
    mutating func giveUp() -> [AvatarName] {
        defer { (waiting, names) = ([], []) }
        return waiting.map(\.name)
    }
}
