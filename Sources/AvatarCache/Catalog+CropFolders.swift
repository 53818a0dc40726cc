package import AvatarCore
internal import GRDB

// Another folder may take the path of the upload folder, and the first one may come back: a file system that is mounted over it and
// unmounted again, a symlink that points now here, now there.
extension Catalog {
    /// Notes which folder lies at the upload folder's path (``UploadFolder/lastingKey()``). Where it is another than before, what is known
    /// of the crops in the one before is kept aside, and what was kept of this one is known again: so no crop is sent a second time when its
    /// folder comes back. The rows stay beside that, since a folder may also be a copy of the one before.
    ///
    /// Returns crops that wait and are known again.
    package func cropsLie(in folder: String) throws(CacheError) -> [AvatarName] {
        try write("noting the upload folder") { db in
            let before = try Self.setting("crops_folder", db)
            guard before != folder else { return [] }
            try Self.set("crops_folder", folder, db)
            guard let before else { return [] }
            let own = try db.columns(in: "crops").map { ExactString($0.name) }
            let kept = try db.columns(in: "crops_elsewhere").map { ExactString($0.name) }
            let columns = own.filter { kept.contains($0) }.map(\.string).joined(separator: ", ")
            try db.execute(sql: "DELETE FROM crops_elsewhere WHERE folder = ?", arguments: [before])
            try db.execute(
                sql: "INSERT INTO crops_elsewhere (folder, \(columns)) SELECT ?, \(columns) FROM crops",
                arguments: [before])
            let names = try String.fetchAll(
                db, sql: "SELECT name FROM crops_elsewhere WHERE folder = ? AND state = 'pending'", arguments: [folder])
            // A number that two rows would have belongs to the one that comes back.
            try db.execute(
                sql: """
                    DELETE FROM crops WHERE closed_order IN (SELECT closed_order FROM crops_elsewhere WHERE folder = ?)
                    """, arguments: [folder])
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO crops (\(columns))
                        SELECT \(columns) FROM crops_elsewhere WHERE folder = ?
                    """, arguments: [folder])
            try Self.forgetOldCropFolders(db)
            return try names.map { try AvatarName($0) }
        }
    }

    /// Keeps the folders that were put aside last.
    private static func forgetOldCropFolders(_ db: Database) throws {
        try db.execute(
            sql: """
                DELETE FROM crops_elsewhere WHERE folder NOT IN (
                    SELECT folder FROM crops_elsewhere GROUP BY folder ORDER BY max(rowid) DESC LIMIT ?)
                """, arguments: [Limits.Paths.cropFoldersMax])
    }
}
