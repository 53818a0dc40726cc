internal import AvatarCore
internal import DequeModule

/// Files of the upload folder that are to be looked at, one after the other in the order in which they were closed: a look gives a crop its
/// place in the line, and one that fails must not let those behind it go before.
struct ExaminationQueue: Sendable {
    private struct Look: Sendable {
        let name: AvatarName
        let mode: ExamineMode
        /// It was closed again while another look at it was due, which comes first: perhaps others were closed in between.
        let isAgain: Bool
    }

    private var waiting = Deque<Look>()
    private var first: Set<AvatarName> = []
    private var again: Set<AvatarName> = []
    /// The look that has not come back.
    private(set) var current: AvatarName?

    /// However often a file is closed before its look is over, one more after that is enough: at the end of the line.
    mutating func add(_ name: AvatarName, _ mode: ExamineMode) {
        guard name == current || first.contains(name) else {
            first.insert(name)
            return waiting.append(Look(name: name, mode: mode, isAgain: false))
        }
        guard mode != .confirming else { return }
        var mode = mode
        if !again.insert(name).inserted, let index = waiting.firstIndex(where: { $0.isAgain && $0.name == name }) {
            if waiting.remove(at: index).mode == .forced { mode = .forced }
        }
        waiting.append(Look(name: name, mode: mode, isAgain: true))
    }

    /// The next look, if none is under way.
    mutating func next() -> (name: AvatarName, mode: ExamineMode)? {
        guard current == nil, let next = waiting.popFirst() else { return nil }
        if next.isAgain { again.remove(next.name) } else { first.remove(next.name) }
        current = next.name
        return (next.name, next.mode)
    }

    /// The look has come back; whether a person asked for one more.
    mutating func finished() -> Bool {
        defer { current = nil }
        guard let current, again.contains(current) else { return false }
        return waiting.contains { $0.isAgain && $0.name == current && $0.mode == .forced }
    }

    /// Nothing more is looked at: a look through the whole folder finds it all.
    mutating func giveUp() -> [AvatarName] {
        defer { (waiting, first, again) = ([], [], []) }
        return waiting.map(\.name)
    }
}
