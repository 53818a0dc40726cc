import LabelBus
import Testing

@testable import avatarctl

/// How transfers are drawn, from what is known of them to the lines.
@Suite("The board of transfers")
struct TransferBoardTests {
    private static let mib = 1024 * 1024

    /// Two of three pictures under way after two seconds, one of them from the middle on.
    private func board() -> TransferBoard {
        var board = TransferBoard(total: 3)
        board.take(Avatar(name: "a.png", state: .pending, size: 4 * Self.mib, transferred: 0), now: .zero)
        board.take(
            Avatar(
                name: "a-long-name-of-a-picture.png", state: .pending, size: 8 * Self.mib, transferred: 4 * Self.mib),
            now: .zero)
        board.take(
            Avatar(name: "a.png", state: .pending, size: 4 * Self.mib, transferred: 2 * Self.mib), now: .seconds(2))
        return board
    }

    @Test(
        "as wide as the terminal lets it be",
        arguments: [
            (
                200, 24,
                [
                    "a.png                         [####################....................]  50 %  2.0 MiB of 4.0 MiB  1.0 MiB/s  2 s left",
                    "a-long-name-of-a-picture.png  [####################....................]  50 %  4.0 MiB of 8.0 MiB",
                    "0 of 3 done, 2 under way, 6.0 MiB of 12.0 MiB, 1.0 MiB/s, 6 s left",
                ]
            ),
            (
                80, 24,
                [
                    "a.png                    [###...]  50 %  2.0 MiB of 4.0 MiB  1.0 MiB/s  2 s left",
                    "a-long-name-of-a-pictu…  [############............]  50 %  4.0 MiB of 8.0 MiB",
                    "0 of 3 done, 2 under way, 6.0 MiB of 12.0 MiB, 1.0 MiB/s, 6 s left",
                ]
            ),
            (
                40, 24,
                [
                    "a.png        50 %  2.0 MiB of 4.0 MiB", "a-long-nam…  50 %  4.0 MiB of 8.0 MiB",
                    "0 of 3 done, 2 under way, 6.0 MiB of 12",
                ]
            ),
            (
                80, 3,
                [
                    "a.png  [########################]  50 %  2.0 MiB of 4.0 MiB  1.0 MiB/s  2 s left",
                    "0 of 3 done, 2 under way, 6.0 MiB of 12.0 MiB, 1.0 MiB/s, 6 s left",
                ]
            ),
        ])
    func widths(columns: Int, rows: Int, lines: [String]) {
        let drawn = board().lines(columns: columns, rows: rows, now: .seconds(2))
        #expect(drawn.count == lines.count)
        for (drawn, line) in zip(drawn, lines) {
            #expect(drawn.count < columns, "\(drawn)")
            // How wide a bar is follows from the rest.
            #expect(Self.withoutBar(drawn) == Self.withoutBar(line))
        }
    }

    private static func withoutBar(_ line: String) -> String { line.replacing(/\[[#.]+\]/, with: "[]") }

    @Test("a bar is filled as far as the picture is there")
    func bar() {
        var board = TransferBoard(total: 1)
        board.take(Avatar(name: "a", state: .pending, size: 100, transferred: 25), now: .zero)
        #expect(
            board.lines(columns: 80, rows: 24, now: .zero).first
                == "a  [##########..............................]  25 %  25 bytes of 100 bytes")
    }

    @Test("what is done counts in the total, and is drawn no more")
    func finished() {
        var board = board()
        board.take(Avatar(name: "a.png", state: .ready, size: 4 * Self.mib), now: .seconds(4))
        let lines = board.lines(columns: 200, rows: 24, now: .seconds(4))
        #expect(lines.count == 2)
        #expect(lines.last == "1 of 3 done, 1 under way, 8.0 MiB of 12.0 MiB, 1.0 MiB/s, 4 s left")
        board.take(Avatar(name: "a-long-name-of-a-picture.png", state: .failed, reason: "corrupt"), now: .seconds(5))
        #expect(board.lines(columns: 200, rows: 24, now: .seconds(5)) == [])
    }

    @Test("a picture of which nothing has come says how it is; a name that steers the terminal does not")
    func pending() {
        var board = TransferBoard(total: 1)
        board.take(Avatar(name: "a\u{1B}[2J.png", state: .pending), now: .zero)
        #expect(board.lines(columns: 80, rows: 24, now: .zero) == ["a?[2J.png  pending", "0 of 1 done, 1 under way"])
    }
}
