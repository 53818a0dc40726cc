internal import AvatarCore
internal import LabelBus

/// Shows how transfers go on: one line that is drawn again and again on a terminal, plain lines at every tenth in a pipe,
/// every step as JSON.
struct Progress {
    /// Where it is shown.
    enum Style {
        case terminal(columns: Int)
        case plain
        case json
    }

    private let style: Style
    private var shown: [ExactString: (tenth: Int, state: AvatarState)] = [:]
    private var isDrawn = false

    init(json: Bool) {
        style = json ? .json : Output.isTerminal ? .terminal(columns: Output.columns) : .plain
    }

    init(style: Style) { self.style = style }

    /// Shows one avatar as it is now; `summary` stands before it on a terminal (`3 of 12`).
    mutating func show(_ avatar: Avatar, summary: String = "") {
        for text in lines(for: avatar, summary: summary) { Output.raw(text) }
    }

    /// What has to be written to show it; nothing when that would say nothing new.
    mutating func lines(for avatar: Avatar, summary: String = "") -> [String] {
        let name = Output.harmless(avatar.name ?? "(unnamed)")
        let tenth = avatar.tenth
        let key = ExactString(name)
        let known = shown[key]
        let isNews = known.map { $0.tenth != tenth || $0.state != avatar.state } ?? true
        shown[key] = (tenth, avatar.state)
        switch style {
        case .json:
            return [Output.json { avatar.write(to: &$0) } + "\n"]
        case .plain:
            return isNews ? [Progress.sentence(avatar) + "\n"] : []
        case .terminal(let columns):
            if avatar.state.isFinal {
                guard known?.state != avatar.state else { return [] }
                defer { isDrawn = false }
                return [(isDrawn ? Progress.erase : "") + Progress.sentence(avatar) + "\n"]
            }
            isDrawn = true
            return [Progress.erase + Progress.bar(avatar, summary: summary, columns: columns)]
        }
    }

    /// Ends the line that is drawn, if any.
    mutating func end() {
        if isDrawn { Output.raw(Progress.erase) }
        isDrawn = false
    }

    private static let erase = "\r\u{1B}[K"

    /// `cat.png: ready, 20.0 KiB, /home/…/cat.png`
    static func sentence(_ avatar: Avatar) -> String {
        // Most reasons begin with the state, which is not said twice.
        var words = [avatar.reason ?? avatar.state.rawValue]
        if words[0].split(separator: ":").first.map(String.init) != avatar.state.rawValue {
            words.insert(avatar.state.rawValue, at: 0)
        }
        if !avatar.state.isFinal, let transferred = avatar.transferred, let size = avatar.size, size > 0 {
            words.append("\(transferred * 100 / size) % of \(ByteCount(size))")
        } else if let size = avatar.size {
            words.append("\(ByteCount(size))")
        }
        if avatar.state.isFinal, let path = avatar.path { words.append(path) }
        return Output.harmless("\(avatar.name ?? "(unnamed)"): \(words.joined(separator: ", "))")
    }

    /// `3 of 12  cat.png  [#########.....]  62 %`, as wide as the terminal at most.
    static func bar(_ avatar: Avatar, summary: String, columns: Int) -> String {
        let size = avatar.size ?? 0
        let transferred = min(avatar.transferred ?? 0, size)
        let percent = size > 0 ? "\(transferred * 100 / size) %" : avatar.state.rawValue
        let name = Output.harmless(avatar.name ?? "(unnamed)")
        let head = summary.isEmpty ? name : summary + "  " + name
        let width = max(0, min(40, columns - head.count - percent.count - 8))
        guard width >= 5, size > 0 else { return String((head + "  " + percent).prefix(max(1, columns - 1))) }
        let full = transferred * width / size
        let cells = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        return "\(head)  [\(cells)]  \(percent)"
    }
}

extension Avatar {
    /// Tenths of the picture that are there, 0…10.
    fileprivate var tenth: Int {
        guard let size, size > 0 else { return 0 }
        return min(10, (transferred ?? 0) * 10 / size)
    }
}
