internal import AvatarCore
internal import LabelBus

/// The transfers of one command, and how they are drawn on a terminal: a line for each that is under way, and one for all together.
struct TransferBoard {
    /// One picture under way.
    private struct Transfer {
        let name: ExactString
        /// When it was first seen to move, and how much of it was there by then: an interrupted transfer goes on from there.
        let begun: Duration
        let first: Int
        var avatar: Avatar

        var size: Int { avatar.size ?? 0 }
        var transferred: Int { min(avatar.transferred ?? 0, size) }
        var moved: Int { max(0, transferred - first) }
    }

    /// How many pictures the command is about.
    let total: Int
    private var underWay: [Transfer] = []
    private var finished = 0
    private var finishedBytes = 0
    private var finishedMoved = 0
    private var began: Duration?

    init(total: Int) { self.total = total }

    /// Takes how a picture is at the moment `now`, which counts from any fixed moment on.
    mutating func take(_ avatar: Avatar, now: Duration) {
        began = began ?? now
        let name = ExactString(avatar.name ?? "")
        let index = underWay.firstIndex { $0.name == name }
        if avatar.state.isFinal {
            finished += 1
            guard let index else { return }
            let transfer = underWay.remove(at: index)
            finishedMoved += max(0, (avatar.state == .ready ? transfer.size : transfer.transferred) - transfer.first)
            finishedBytes += avatar.state == .ready ? avatar.size ?? transfer.size : 0
        } else if let index {
            underWay[index].avatar = avatar
        } else {
            underWay.append(Transfer(name: name, begun: now, first: avatar.transferred ?? 0, avatar: avatar))
        }
    }

    /// What is drawn on a terminal of that many columns and rows; nothing while nothing is under way. No line is as wide as the terminal, so
    /// that none wraps.
    func lines(columns: Int, rows: Int, now: Duration) -> [String] {
        guard !underWay.isEmpty else { return [] }
        let room = max(1, columns - 1)
        // The last row is for the total, and one for what was written before.
        let shown = underWay.prefix(max(1, rows - 2))
        let names = shown.map { Output.harmless($0.avatar.name ?? "(unnamed)") }
        let nameColumns = min(names.map(\.count).max() ?? 0, max(8, room * 3 / 10))
        let transfers = zip(shown, names).map { transfer, name in
            let cut = name.count > nameColumns ? name.prefix(nameColumns - 1) + "…" : name[...]
            let padded = cut + String(repeating: " ", count: nameColumns - cut.count)
            return Self.line(String(padded), transfer, room: room, now: now)
        }
        return transfers + [String(totalLine(now: now).prefix(room))]
    }

    private static func line(_ name: String, _ transfer: Transfer, room: Int, now: Duration) -> String {
        guard transfer.size > 0 else { return String("\(name)  \(transfer.avatar.state.rawValue)".prefix(room)) }
        let rate = rate(transfer.moved, now - transfer.begun)
        var words = [
            "\(transfer.transferred * 100 / transfer.size) %",
            "\(ByteCount(transfer.transferred)) of \(ByteCount(transfer.size))",
        ]
        words += speed(rate, left: transfer.size - transfer.transferred)
        // What has no room goes, the least important first.
        while words.count > 1, name.count + 2 + words.joined(separator: "  ").count > room { words.removeLast() }
        let text = words.joined(separator: "  ")
        let width = min(40, room - name.count - text.count - 6)
        guard width >= 5 else { return String("\(name)  \(text)".prefix(room)) }
        let full = transfer.transferred * width / transfer.size
        let cells = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        return "\(name)  [\(cells)]  \(text)"
    }

    private func totalLine(now: Duration) -> String {
        let there = finishedBytes + underWay.reduce(0) { $0 + $1.transferred }
        let all = finishedBytes + underWay.reduce(0) { $0 + $1.size }
        let moved = finishedMoved + underWay.reduce(0) { $0 + $1.moved }
        var words = ["\(finished) of \(max(total, finished + underWay.count)) done", "\(underWay.count) under way"]
        if all > 0 { words.append("\(ByteCount(there)) of \(ByteCount(all))") }
        words += Self.speed(Self.rate(moved, now - (began ?? now)), left: all - there)
        return words.joined(separator: ", ")
    }

    /// Bytes in a second; nil while too little time has passed to say.
    private static func rate(_ bytes: Int, _ time: Duration) -> Int? {
        let milliseconds = time / .milliseconds(1)
        guard milliseconds >= 500, bytes > 0 else { return nil }
        return max(1, Int(Double(bytes) * 1000 / milliseconds))
    }

    private static func speed(_ rate: Int?, left: Int) -> [String] {
        guard let rate else { return [] }
        let seconds = (left + rate - 1) / rate
        let time = seconds < 120 ? "\(seconds) s" : seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
        return ["\(ByteCount(rate))/s", "\(time) left"]
    }
}
