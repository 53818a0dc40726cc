internal import AvatarCore
internal import Foundation
internal import LabelBus
internal import PosixFiles

/// `avatarctl list --long`: one line for each avatar; aligned, with a heading and colours on a terminal, and with tabs between the fields
/// elsewhere. Names come last, since they may be long.
struct LongList {
    private enum Column: String, CaseIterable {
        case state, size, type, age
        case sha256 = "sha-256"
        case origin, assurance, name

        /// Characters that its longest usual value has.
        var width: Int {
            switch self {
            case .state: 8
            case .size: 10
            case .type: 7
            case .age: 10
            case .sha256: 12
            case .origin: 12
            case .assurance: 10
            case .name: 0
            }
        }
    }

    private let isTable: Bool
    /// The user who is logged in.
    private let uid: Int?
    private let now: Date

    init(isTable: Bool, uid: Int?, now: Date) {
        self.isTable = isTable
        self.uid = uid
        self.now = now
    }

    /// The line above a table; nil where there is none.
    var heading: String? {
        guard isTable else { return nil }
        return Terminal.styled(
            Column.allCases.map { padded($0.rawValue.uppercased(), $0) }.joined(separator: "  "), .bold)
    }

    /// One avatar's line.
    func line(_ avatar: LabelBus.Avatar) -> String {
        let file = avatar.path.flatMap { FileGlance(path: $0) }
        let cells = Column.allCases.map { column in
            let value: String? =
                switch column {
                case .state: avatar.state.rawValue
                case .size: avatar.size.map { isTable ? "\(ByteCount($0))" : "\($0)" }
                case .type: file?.type
                case .age: file.map { Age.text(seconds: max(0, Int(now.timeIntervalSince($0.modified)))) }
                case .sha256: avatar.sha256.map { String($0.prefix(12)) }
                case .origin: origin(avatar)
                case .assurance: avatar.assurance
                case .name: avatar.name
                }
            return (column, Output.harmless(value ?? "-"))
        }
        // A tab in a name would be another field; names hold no control characters.
        guard isTable else { return cells.map(\.1).joined(separator: "\t") }
        return cells.map { column, value in
            let cell = padded(value, column)
            return column == .state ? Terminal.styled(cell, Self.style(avatar.state)) : cell
        }.joined(separator: "  ")
    }

    private func padded(_ value: String, _ column: Column) -> String {
        let blanks = String(repeating: " ", count: max(0, column.width - value.count))
        return column == .size ? blanks + value : value + blanks
    }

    /// Whose picture it is: the user's own crop, or the server's word, which the classic dialect gives without an owner.
    private func origin(_ avatar: LabelBus.Avatar) -> String? {
        switch avatar.state {
        case .builtin: return "default head"
        case .outgoing: return "own"
        case .ready:
            guard let owner = avatar.owner else { return "server" }
            return owner == uid ? "own" : "user \(owner)"
        default: return nil
        }
    }

    private static func style(_ state: AvatarState) -> Terminal.Style? {
        switch state {
        case .ready: .green
        case .failed, .absent: .red
        case .pending, .paused: .yellow
        default: nil
        }
    }
}

/// What a picture's file shows at a glance.
private struct FileGlance {
    let type: String?
    /// When its bytes came.
    let modified: Date

    init?(path: String) {
        do throws(PosixError) {
            let file = try OpenFile.open(path: path)
            let facts = try file.facts()
            modified = Date(timeIntervalSince1970: Double(facts.modified) / 1e9)
            let beginning = try file.read(at: 0, count: 64)
            type = ImageFormat(firstBytes: beginning.span.bytes)?.name
        } catch {
            return nil
        }
    }
}
