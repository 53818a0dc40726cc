internal import AvatarCore

/// One thing that `doctor` has looked at.
struct Finding {
    /// How it is.
    enum Level: Int, Comparable {
        case ok
        /// Nothing fails yet, or one file alone.
        case warning
        case bad

        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    let what: String
    /// How bad it is where there is a problem.
    private var severity: Level
    /// More about what is well.
    var detail: String?
    var problem: String?
    var remedy: String?

    init(what: String, level: Level = .bad, detail: String? = nil, problem: String? = nil, remedy: String? = nil) {
        self.what = what
        severity = level
        self.detail = detail
        self.problem = problem
        self.remedy = remedy
    }

    /// Ok without a problem, whatever one would be.
    var level: Level {
        get { problem == nil ? .ok : severity }
        set { severity = newValue }
    }

    /// As a person reads it, in the manner of `avatar-server check`.
    var text: String {
        guard let problem else { return "ok    \(what)" + (detail.map { " (\($0))" } ?? "") }
        return "\(level == .bad ? "FAIL" : "warn")  \(what): \(problem)" + (remedy.map { "; try: \($0)" } ?? "")
    }

    /// As a program reads it.
    var json: String {
        Output.json { writer in
            writer.field("check", what)
            writer.field("ok", problem == nil)
            writer.field("level", level == .ok ? "ok" : level == .warning ? "warning" : "bad")
            writer.field("detail", detail)
            writer.field("problem", problem)
            writer.field("remedy", remedy)
        }
    }
}
