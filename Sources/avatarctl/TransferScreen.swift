internal import AvatarCore
internal import LabelBus
internal import ProgramSupport
internal import Synchronization

/// The transfers of one command as they stand on the terminal: drawn over what was drawn before whenever one comes further, and when the terminal
/// gets another size.
final class TransferScreen: Sendable {
    private struct State {
        var board: TransferBoard
        /// The columns that each drawn line has; the cursor is at the end of the last one.
        var drawn: [Int] = []
    }

    private let state: Mutex<State>
    private let start = ContinuousClock.now

    /// - Parameter total: how many pictures the command is about.
    init(total: Int) {
        state = Mutex(State(board: TransferBoard(total: total)))
        Resizes.tell { [weak self] in self?.draw() }
    }

    /// Takes how a picture is now; `finished` is a line that stays, above the others.
    func take(_ avatar: Avatar, finished: String?) {
        state.withLock { state in
            state.board.take(avatar, now: ContinuousClock.now - start)
            draw(&state, finished: finished)
        }
    }

    /// Takes away what is drawn.
    func clear() {
        Resizes.tell(nil)
        state.withLock { state in
            if !state.drawn.isEmpty { Output.raw(Self.eraser(state.drawn, columns: Output.terminalSize.columns)) }
            state.drawn = []
        }
    }

    private func draw() {
        state.withLock { state in if !state.drawn.isEmpty { draw(&state, finished: nil) } }
    }

    /// The size is asked for each time, so that a terminal that has become another one is drawn as it is now.
    private func draw(_ state: inout State, finished: String?) {
        let size = Output.terminalSize
        let lines = state.board.lines(columns: size.columns, rows: size.rows, now: ContinuousClock.now - start)
        Output.raw(
            Self.eraser(state.drawn, columns: size.columns) + (finished.map { $0 + "\n" } ?? "")
                + lines.joined(separator: "\n"))
        state.drawn = lines.map(\.count)
    }

    /// Takes away drawn lines, from the last one upwards (ECMA-48: EL, CUU). One that is wider than the terminal has become stands in several
    /// rows of it by now.
    static func eraser(_ drawn: [Int], columns: Int) -> String {
        guard !drawn.isEmpty else { return "" }
        let rows = drawn.reduce(0) { $0 + max(1, ($1 + columns - 1) / columns) }
        return "\r\u{1B}[K" + String(repeating: "\u{1B}[A\u{1B}[K", count: rows - 1)
    }
}

/// Who draws anew when the terminal gets another size.
private enum Resizes {
    private static let drawer = Mutex<(@Sendable () -> Void)?>(nil)
    private static let task = Task.detached {
        for await _ in WindowSignal.occurrences() { drawer.withLock { $0 }?() }
    }

    /// From now on this is called; nil for nobody.
    static func tell(_ draw: (@Sendable () -> Void)?) {
        drawer.withLock { $0 = draw }
        _ = task
    }
}
