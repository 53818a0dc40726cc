package import AvatarCore
internal import DequeModule

/// What the agent remembers of its own doings, for `Status` and `Explain`: bounded, the oldest goes first.
package struct ActivityLog: Sendable {
    /// One thing that happened to one picture.
    package struct Step: Hashable, Sendable {
        package let at: MonotonicTime
        package let name: ExactString
        package let what: String
        package let detail: String?

        init(at: MonotonicTime, name: ExactString, what: String, detail: String?) {
            self.at = at
            self.name = name
            self.what = what
            self.detail = detail
        }

        /// How a picture is at that moment.
        init(_ view: AvatarView, at now: MonotonicTime) {
            let size = view.size.map { "\($0) bytes" }
            // "is absent: absent" says nothing more.
            let reason = view.reason == view.state.rawValue ? nil : view.reason
            self.init(at: now, name: view.name ?? "", what: "is \(view.state.rawValue)", detail: reason ?? size)
        }
    }

    /// Something a person should know until it is over.
    package struct Problem: Hashable, Sendable {
        package let key: ExactString
        package let what: String
        package let remedy: String?
        package let since: MonotonicTime
    }

    /// What an owner of the machine's state wants remembered, or told to a person.
    enum Entry: Hashable, Sendable {
        /// For the log; and a step of the picture's history, where the note names one.
        case note(Note)
        /// A step of a picture's history, and nothing for the log.
        case step(name: String, what: String, detail: String? = nil)
        /// Something that a person should know until it is solved. `note` is for the log, where the problem is new in these words; `file` is the
        /// file of the upload folder that is not uploaded, which is an event of the log of changes then.
        case problem(key: ExactString, what: String, remedy: String?, note: Note? = nil, file: AvatarName? = nil)
        /// The problem is over.
        case solved(key: ExactString)
    }

    private var steps = Deque<Step>()
    /// What is wrong now, oldest first.
    package private(set) var problems: [Problem] = []
    package internal(set) var bytesDown: Int64 = 0
    package internal(set) var bytesUp: Int64 = 0
    package internal(set) var restarts = 0
    package internal(set) var strayReplies = 0
    package internal(set) var overflows = 0

    /// How many steps are kept, of all pictures.
    package var stepCount: Int { steps.count }

    /// The steps of one picture, oldest first.
    package func steps(of name: ExactString) -> [Step] { steps.filter { $0.name == name } }

    /// Takes an entry; what is to go into the log, if anything is.
    mutating func record(_ entry: Entry, now: MonotonicTime) -> Note? {
        switch entry {
        case .note(let note):
            if let name = note.name { step(name: name, what: note.what, detail: note.detail, now: now) }
            return note
        case .step(let name, let what, let detail):
            step(name: name, what: what, detail: detail, now: now)
            return nil
        case .problem(let key, let what, let remedy, let note, _):
            guard problem(key: key, what: what, remedy: remedy, now: now) else { return nil }
            if let note, let name = note.name { step(name: name, what: note.what, detail: note.detail, now: now) }
            return note
        case .solved(let key):
            problems.removeAll { $0.key == key }
            return nil
        }
    }

    private mutating func step(name: String, what: String, detail: String?, now: MonotonicTime) {
        if steps.count >= Limits.ActivityLog.stepsMax { steps.removeFirst() }
        steps.append(Step(at: now, name: ExactString(name), what: what, detail: detail))
    }

    /// Whether the problem was not known in these words before.
    private mutating func problem(key: ExactString, what: String, remedy: String?, now: MonotonicTime) -> Bool {
        if let index = problems.firstIndex(where: { $0.key == key }) {
            guard problems[index].what != what else { return false }
            problems.remove(at: index)
        }
        if problems.count >= Limits.ActivityLog.problemsMax { problems.removeFirst() }
        problems.append(Problem(key: key, what: what, remedy: remedy, since: now))
        return true
    }
}
