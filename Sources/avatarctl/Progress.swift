internal import AvatarCore
internal import LabelBus

/// Shows how transfers go on: lines that are drawn again and again on a terminal, plain lines at every tenth in a pipe,
/// every step as JSON.
struct Progress {
    /// Where it is shown.
    private enum Style {
        case terminal
        case plain
        case json
    }

    private let style: Style
    private var shown: [ExactString: (tenth: Int, state: AvatarState, words: String)] = [:]
    private var board: TransferBoard
    private let start = ContinuousClock.now
    /// Lines that stand drawn; the cursor is at the end of the last one.
    private var drawn = 0

    /// - Parameters:
    ///   - total: how many pictures the command is about.
    ///   - onInterrupt: what Ctrl-C on a terminal says about what goes on.
    init(json: Bool, total: Int, onInterrupt: String) {
        style = json ? .json : Output.isTerminal ? .terminal : .plain
        board = TransferBoard(total: total)
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
        case .terminal:
            guard !avatar.state.isFinal || known?.state != avatar.state else { return }
            let now = ContinuousClock.now - start
            board.take(avatar, now: now)
            draw(avatar.state.isFinal ? words : nil, now: now)
        }
    }

    /// Draws the board anew, with a finished line above it where there is one. The size is asked for each time, so that a terminal that
    /// has become another one is drawn as it is now.
    private mutating func draw(_ finished: String?, now: Duration) {
        let size = Output.terminalSize
        let lines = board.lines(columns: size.columns, rows: size.rows, now: now)
        Output.raw(eraser + (finished.map { $0 + "\n" } ?? "") + lines.joined(separator: "\n"))
        drawn = lines.count
    }

    /// Takes away what is drawn, from the last line upwards (ECMA-48: EL, CUU).
    private var eraser: String {
        drawn == 0 ? "" : "\r\u{1B}[K" + String(repeating: "\u{1B}[A\u{1B}[K", count: drawn - 1)
    }

    /// Ends the lines that are drawn, if any.
    mutating func end() {
        if drawn > 0 { Output.raw(eraser) }
        drawn = 0
        if case .terminal = style { Interruption.sayNothing() }
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
