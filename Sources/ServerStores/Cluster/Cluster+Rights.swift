package import ServerRuntime

/// What the server's user in MariaDB or MySQL may not do with one table, and must.
package struct MissingRights: Hashable, Sendable {
    package let table: String
    /// As GRANT names them.
    package let rights: [String]
    /// The statement that gives them.
    package let grant: String
}

extension Cluster {
    /// Asks what the user may do, and changes nothing: every statement is prepared only, which is refused to those who may not execute it.
    package func missingRights() throws(StoreError) -> [MissingRights] {
        try mysql { (mysql) throws(StoreError) in
            let who = try mysql.run("SELECT CURRENT_USER(), DATABASE()").rows.first ?? []
            let schema = Self.quoted(who.last.flatMap { $0 } ?? "", by: "`")
            let account = Self.account(who.first.flatMap { $0 } ?? "")
            var missing: [MissingRights] = []
            for (table, statements) in Self.needed {
                var rights: [String] = []
                for (right, sql) in statements where try !mysql.mayExecute(sql) { rights.append(right) }
                guard !rights.isEmpty else { continue }
                let place = "\(schema).\(Self.quoted(table, by: "`"))"
                missing.append(
                    MissingRights(
                        table: table, rights: rights,
                        grant: "GRANT \(rights.joined(separator: ", ")) ON \(place) TO \(account);"))
            }
            return missing
        }
    }

    /// For each table the rights that the server needs, each with a statement that needs it alone.
    private static let needed: [(table: String, statements: [(right: String, sql: String)])] =
        [
            (
                "user",
                [
                    ("SELECT", "SELECT uid, name, email, pwd, nick, `desc`, sex, icon FROM user"),
                    ("UPDATE", "UPDATE user SET icon = '' WHERE 0"),
                ]
            )
        ]
        + ClusterSchema.tables.map { table in
            let change =
                table.isLog
                ? ("DELETE", "DELETE FROM \(table.name) WHERE 0")
                : ("UPDATE", "UPDATE \(table.name) SET \(table.number) = 0 WHERE 0")
            return (
                table.name,
                [
                    ("CREATE", table.creation), ("SELECT", "SELECT \(table.number) FROM \(table.name)"),
                    ("INSERT", "INSERT INTO \(table.name) (\(table.number)) VALUES (0)"), change,
                ]
            )
        }

    /// `name@host` as GRANT wants it.
    private static func account(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return quoted(text, by: "'") }
        return quoted(String(text[..<at]), by: "'") + "@" + quoted(String(text[text.index(after: at)...]), by: "'")
    }

    private static func quoted(_ text: String, by mark: String) -> String {
        mark + text.replacing(mark, with: mark + mark) + mark
    }
}
