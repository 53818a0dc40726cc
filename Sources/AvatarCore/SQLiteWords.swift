/// What SQLite's refusals mean to a person, and what to do about them (SQLite, "Result and Error Codes").
package enum SQLiteWords {
    /// - Parameters:
    ///   - code: the primary result code, such as 14, SQLITE_CANTOPEN.
    ///   - message: SQLite's own words, used for the codes that say little by themselves.
    package static func text(code: Int32, message: String?) -> String {
        switch code {
        case 3, 23: "this user may not use it"
        case 5, 6: "another program has it locked; try again when that is done"
        case 7: "there is not enough memory"
        case 8: "it cannot be written: see the modes of the file and of its folder"
        case 10: "the disk failed to read or write it"
        case 11, 26: "the file is damaged, or is no SQLite database; move it away, or put a copy of it back"
        case 13: "there is no space left on its disk"
        case 14: "the file cannot be opened: see whether its folder is there, and belongs to this user"
        default: message ?? "SQLite refused it (\(code))"
        }
    }
}
