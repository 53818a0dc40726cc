import AvatarCore
import ServerRuntime
import ServerStores

/// What `avatar-server user list` prints.
struct UserTable {
    /// One user.
    struct Row {
        let uid: String
        let name: String
        let icon: String
        let token: String
        /// Of the icon's file; nil where there is none.
        let pictureBytes: Int64?
        let usage: UserFiles.Usage

        init(_ user: ListedUser, _ files: UserFiles) throws(StoreError) {
            uid = "\(user.uid)"
            name = Self.harmless(user.name)
            icon = user.icon.map(Self.harmless) ?? "-"
            token = user.hasToken ? "token" : "no token"
            // An icon such as :/res/head_1.jpg is no file of the server's.
            if let text = user.icon, let name = try? AvatarName(text) {
                pictureBytes = try files.bytes(of: name, of: user.uid)
            } else {
                pictureBytes = nil
            }
            usage = try files.usage(of: user.uid)
        }

        /// A line for programs: sizes in bytes, columns parted by tabs.
        var tabbed: String {
            [uid, name, icon, token, pictureBytes.map { "\($0)" } ?? "-", "\(usage.files)", "\(usage.bytes)"]
                .joined(separator: "\t")
        }

        fileprivate var cells: [String] {
            [
                uid, name, icon, token, pictureBytes.map { "\(ByteCount(Int($0)))" } ?? "-", "\(usage.files)",
                "\(ByteCount(Int(usage.bytes)))",
            ]
        }

        /// Names come from outside: a tab would make a column, an escape would steer the terminal.
        private static func harmless(_ text: String) -> String {
            String(
                String.UnicodeScalarView(
                    text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
        }
    }

    var rows: [Row] = []

    private static let titles = ["UID", "NAME", "ICON", "TOKEN", "PICTURE", "FILES", "ALL FILES"]

    /// A table for people, with a line of titles.
    var lines: [String] {
        let cells = [Self.titles] + rows.map(\.cells)
        let widths = Self.titles.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { row in
            let padded = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            return String(padded.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }
}
