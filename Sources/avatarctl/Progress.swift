internal import AvatarCore
internal import LabelBus

/// Shows how transfers go on: lines that are drawn again and again on a terminal, plain lines at every tenth in a pipe,
/// every step as JSON.
struct Progress {
    /// Where it is shown.
    private enum Style {
        case terminal(TransferScreen)
        case plain
        case json
    }

    private let style: Style
    private var shown: [ExactString: (tenth: Int, state: AvatarState, words: String)] = [:]

    /// - Parameters:
    ///   - total: how many pictures the command is about.
    ///   - onInterrupt: what Ctrl-C on a terminal says about what goes on.
    init(json: Bool, total: Int, onInterrupt: String) {
        style = json ? .json : Output.isTerminal ? .terminal(TransferScreen(total: total)) : .plain
        if case .terminal = style { Interruption.say(onInterrupt) }
    }

    /// Shows one avatar as it is now; nothing where that would say nothing new.
    mutating func show(_ avatar: Avatar) {
        let tenth = avatar.tenth
        let key = ExactString(avatar.name ?? "")
        let known = shown[key]
        let words = Progress.sentence(avatar)
        shown[key] = (tenth, avatar.state, words)
        switch style {
        case .json: Output.line(avatar)
        case .plain:
            // An upload goes on by tenths, and its sentence may stay the same meanwhile.
            guard known.map({ $0.tenth != tenth || $0.state != avatar.state }) ?? true, known?.words != words else {
                return
            }
            Output.line(words)
        case .terminal(let screen):
            guard !avatar.state.isFinal || known?.state != avatar.state else { return }
            screen.take(avatar, finished: avatar.state.isFinal ? words : nil)
        }
    }

    /// Ends the lines that are drawn, if any.
    func end() {
        guard case .terminal(let screen) = style else { return }
        screen.clear()
        Interruption.sayNothing()
    }

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
}

extension Avatar {
    /// Tenths of the picture that are there, 0…10.
    fileprivate var tenth: Int {
        guard let size, size > 0 else { return 0 }
        return min(10, (transferred ?? 0) * 10 / size)
    }
}
