internal import GRDB

/// The catalog's tables. Migrations are only ever added at the end; a file of every earlier version is kept under
/// `Tests/Support/Fixtures/catalogs`.
enum CatalogSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("v1", migrate: version1)
        migrator.registerMigration("v2", migrate: version2)
        migrator.registerMigration("crops that the server refused come back", migrate: refusedCropsComeBack)
        migrator.registerMigration("crops of other folders", migrate: cropsElsewhere)
        migrator.registerMigration("ctime of crops", migrate: cropsChanged)
        migrator.registerMigration("when avatars were checked", migrate: avatarsChecked)
        migrator.registerMigration("whose avatars are followed", migrate: usersFollowed)
        migrator.registerMigration("what followed avatars are", migrate: avatarsFollowed)
        migrator.registerMigration("where crops go up in pieces", migrate: cropsPlaced)
        return migrator
    }

    private static func version1(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

                CREATE TABLE avatars (
                    name TEXT PRIMARY KEY, owner INTEGER, device INTEGER NOT NULL, inode INTEGER NOT NULL,
                    size INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 TEXT NOT NULL, assurance TEXT NOT NULL,
                    format TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, origin TEXT NOT NULL,
                    generation INTEGER NOT NULL, last_wanted INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX avatars_by_last_wanted ON avatars (last_wanted, name);
                CREATE INDEX avatars_by_owner ON avatars (owner) WHERE owner IS NOT NULL;

                CREATE TABLE parts (
                    name TEXT PRIMARY KEY, owner INTEGER, total_size INTEGER NOT NULL, chunk_size INTEGER NOT NULL,
                    held INTEGER NOT NULL, boot_id TEXT NOT NULL, started_at INTEGER NOT NULL, server_key TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE intents (
                    name TEXT PRIMARY KEY, owner INTEGER, device INTEGER NOT NULL, inode INTEGER NOT NULL,
                    size INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 TEXT NOT NULL, assurance TEXT NOT NULL,
                    format TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, origin TEXT NOT NULL,
                    last_wanted INTEGER NOT NULL, replaced_device INTEGER, replaced_inode INTEGER,
                    replaced_size INTEGER, replaced_modified INTEGER
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE crops (
                    name TEXT PRIMARY KEY, device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL,
                    modified INTEGER NOT NULL, md5 TEXT, sha256 TEXT, state TEXT NOT NULL, reason TEXT,
                    closed_order INTEGER NOT NULL UNIQUE, uploaded_to TEXT, incomplete_closes INTEGER NOT NULL DEFAULT 0
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX crops_by_state ON crops (state, closed_order);

                CREATE TABLE negatives (
                    name TEXT PRIMARY KEY, owner INTEGER, reason TEXT NOT NULL, until INTEGER NOT NULL,
                    token_epoch INTEGER NOT NULL, generation INTEGER, attempts INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX negatives_by_until ON negatives (until, name);

                CREATE TABLE events (
                    cursor INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL,
                    owner INTEGER, size INTEGER, sha256 TEXT, assurance TEXT, generation INTEGER NOT NULL, reason TEXT
                ) STRICT;
                """)
    }

    /// Earlier versions set a crop aside for good after eight refusals, whatever they were about. Without its row such a file is a new crop
    /// to the next look through the folder; one that was written before another crop stays, since it would become the icon.
    private static func refusedCropsComeBack(_ db: Database) throws {
        try db.execute(
            sql: """
                DELETE FROM crops WHERE state = 'rejected' AND reason LIKE 'the server refused it 8 times:%'
                    AND NOT EXISTS (SELECT 1 FROM crops AS later
                        WHERE later.state IN ('pending', 'done') AND later.modified > crops.modified)
                """)
    }

    /// Crops and icons belong to accounts, and a part knows the digest and the tag that its server promised.
    ///
    /// `parts` is made anew, copied and renamed, since SQLite cannot take NOT NULL off a column (SQLite, "ALTER TABLE", "Making Other
    /// Kinds Of Table Schema Changes"); no index, trigger, view or foreign key names it.
    private static func version2(_ db: Database) throws {
        try db.execute(
            sql: """
                ALTER TABLE crops ADD COLUMN account TEXT;
                UPDATE crops SET account = uploaded_to WHERE state = 'done';

                CREATE TABLE icons (account TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
                INSERT INTO icons SELECT crops.uploaded_to, crops.name FROM crops
                    JOIN settings ON settings.key = 'icon' AND settings.value = crops.name
                    WHERE crops.state = 'done' AND crops.uploaded_to IS NOT NULL;
                DELETE FROM settings WHERE key = 'icon' AND EXISTS (SELECT 1 FROM icons);
                UPDATE settings SET key = 'unclaimed_icon' WHERE key = 'icon';

                CREATE TABLE new_parts (
                    name TEXT PRIMARY KEY, owner INTEGER, total_size INTEGER NOT NULL, chunk_size INTEGER,
                    held INTEGER NOT NULL, boot_id TEXT NOT NULL, started_at INTEGER NOT NULL, server_key TEXT NOT NULL,
                    sha256 TEXT, tag TEXT
                ) STRICT, WITHOUT ROWID;
                INSERT INTO new_parts (name, owner, total_size, chunk_size, held, boot_id, started_at, server_key)
                    SELECT name, owner, total_size, chunk_size, held, boot_id, started_at, server_key FROM parts;
                DROP TABLE parts;
                ALTER TABLE new_parts RENAME TO parts;
                """)
    }

    /// What is known of crops in folders that another folder has taken the path of: the columns of `crops` as they are, which is why a later
    /// migration that adds one to `crops` need not add it here (``Catalog/cropsLie(in:)`` copies the columns that both have).
    private static func cropsElsewhere(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE crops_elsewhere AS SELECT '' AS folder, crops.* FROM crops WHERE 0;
                CREATE UNIQUE INDEX crops_elsewhere_by_folder ON crops_elsewhere (folder, name);
                """)
    }

    /// A crop's ctime, which shows a change of the bytes that put the mtime back; NULL for rows of before, where it is unknown.
    private static func cropsChanged(_ db: Database) throws {
        try db.execute(
            sql: """
                ALTER TABLE crops ADD COLUMN changed INTEGER;
                ALTER TABLE crops_elsewhere ADD COLUMN changed INTEGER;
                """)
    }

    /// The users whose avatars each account follows by its server's stream of changes, and the place up to which all is known of them.
    private static func usersFollowed(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE followed (account TEXT NOT NULL, user INTEGER NOT NULL, PRIMARY KEY (account, user))
                    STRICT, WITHOUT ROWID;
                CREATE TABLE positions (account TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
                """)
    }

    /// What the avatars of followed users are, where `known` is 1: the file's name, NULL for a user without an avatar, and the digest of its
    /// bytes. Of users of before nothing is known. `noted` says when a place was kept last: the accounts used last keep theirs.
    private static func avatarsFollowed(_ db: Database) throws {
        try db.execute(
            sql: """
                ALTER TABLE followed ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE followed ADD COLUMN name TEXT;
                ALTER TABLE followed ADD COLUMN sha256 TEXT;
                ALTER TABLE positions ADD COLUMN noted INTEGER NOT NULL DEFAULT 0;
                """)
    }

    /// Where the server keeps what it has of a crop that goes up in pieces; NULL where it was asked for no such place.
    private static func cropsPlaced(_ db: Database) throws {
        try db.execute(sql: "ALTER TABLE crops ADD COLUMN location TEXT")
    }

    /// When the server last told of a picture; NULL for rows of before, which are asked for again when a label shows them.
    private static func avatarsChecked(_ db: Database) throws {
        try db.execute(sql: "ALTER TABLE avatars ADD COLUMN checked INTEGER")
    }
}
