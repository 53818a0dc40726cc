internal import AvatarCore
internal import GRDB

/// A value in the catalog that this program never writes: the row is damaged.
private func damaged(_ column: String, _ row: Row) -> CacheError {
    CacheError(.catalogDamaged, "the catalog's column \(column) holds what it cannot", detail: "\(row)")
}

extension Row {
    func avatarName(_ column: String = "name") throws -> AvatarName {
        let text: String = self[column]
        do { return try AvatarName(text) } catch { throw damaged(column, self) }
    }

    func userID(_ column: String = "owner") -> UserID? {
        let value: Int64? = self[column]
        return value.flatMap { UserID($0) }
    }

    func value<T: RawRepresentable>(_ column: String, _: T.Type = T.self) throws -> T where T.RawValue == String {
        let text: String = self[column]
        guard let value = T(rawValue: text) else { throw damaged(column, self) }
        return value
    }

    func sha256(_ column: String = "sha256") throws -> SHA256Digest {
        let text: String = self[column]
        guard let digest = SHA256Digest(hex: text) else { throw damaged(column, self) }
        return digest
    }

    /// A digest that may be missing; one that is no digest is damage all the same.
    func sha256IfAny(_ column: String = "sha256") throws -> SHA256Digest? {
        let text: String? = self[column]
        return try text.map { _ in try sha256(column) }
    }

    func identity() -> FileIdentity {
        FileIdentity(
            device: UInt64(bitPattern: self["device"]), inode: UInt64(bitPattern: self["inode"]), size: self["size"],
            modified: self["modified"])
    }

    func imageFacts() throws -> ImageFacts {
        ImageFacts(format: try value("format"), width: self["width"], height: self["height"])
    }

    func time(_ column: String) -> UnixTime { UnixTime(milliseconds: self[column]) }
}

extension AvatarRow {
    /// What ``init(_:)`` reads, in this order: a page of a list has hundreds of these rows, and finding columns by name takes longer than
    /// reading them.
    static let columns = """
        name, owner, device, inode, size, modified, sha256, assurance, format, width, height, origin, generation, last_wanted, checked
        """

    /// A row of ``columns``.
    init(_ row: Row) throws {
        let (name, owner, digest): (String, Int64?, String) = (row[0], row[1], row[6])
        let (device, inode): (Int64, Int64) = (row[2], row[3])
        let (assurance, format, origin): (String, String, String) = (row[7], row[8], row[11])
        let checked: Int64? = row[14]
        guard let name = try? AvatarName(name), let sha256 = SHA256Digest(hex: digest),
            let assurance = Assurance(rawValue: assurance), let format = ImageFormat(rawValue: format),
            let origin = Origin(rawValue: origin)
        else { throw damaged("of avatars", row) }
        self.init(
            name: name, owner: owner.flatMap { UserID($0) },
            identity: FileIdentity(
                device: UInt64(bitPattern: device), inode: UInt64(bitPattern: inode), size: row[4], modified: row[5]),
            sha256: sha256, assurance: assurance,
            image: ImageFacts(format: format, width: row[9], height: row[10]), origin: origin, generation: row[12],
            lastWanted: UnixTime(milliseconds: row[13]), checked: checked.map { UnixTime(milliseconds: $0) })
    }

    func upsert(_ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO avatars (name, owner, device, inode, size, modified, sha256, assurance, format,
                    width, height, origin, generation, last_wanted, checked)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            name.string, owner?.value, Int64(bitPattern: identity.device), Int64(bitPattern: identity.inode),
            identity.size, identity.modified, sha256.hex, assurance.rawValue, image.format.rawValue, image.width,
            image.height, origin.rawValue, generation, lastWanted.milliseconds, checked?.milliseconds,
        ])
    }
}

extension IntentRow {
    init(_ row: Row) throws {
        let replacedInode: Int64? = row["replaced_inode"]
        self.init(
            candidate: CommitCandidate(
                name: try row.avatarName(), owner: row.userID(), origin: try row.value("origin"),
                part: VerifiedPart(
                    identity: row.identity(), sha256: try row.sha256(), image: try row.imageFacts(),
                    assurance: try row.value("assurance")), lastWanted: row.time("last_wanted")),
            replaces: replacedInode.map { inode in
                FileIdentity(
                    device: UInt64(bitPattern: row["replaced_device"]), inode: UInt64(bitPattern: inode),
                    size: row["replaced_size"], modified: row["replaced_modified"])
            })
    }

    func upsert(_ db: Database) throws {
        let part = candidate.part
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO intents (name, owner, device, inode, size, modified, sha256, assurance, format,
                    width, height, origin, last_wanted, replaced_device, replaced_inode, replaced_size, replaced_modified)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            candidate.name.string, candidate.owner?.value, Int64(bitPattern: part.identity.device),
            Int64(bitPattern: part.identity.inode), part.identity.size, part.identity.modified, part.sha256.hex,
            part.assurance.rawValue, part.image.format.rawValue, part.image.width, part.image.height,
            candidate.origin.rawValue, candidate.lastWanted.milliseconds, replaces.map { Int64(bitPattern: $0.device) },
            replaces.map { Int64(bitPattern: $0.inode) }, replaces?.size, replaces?.modified,
        ])
    }
}

extension PartRow {
    init(_ row: Row) throws {
        self.init(
            name: try row.avatarName(), owner: row.userID(), totalSize: row["total_size"], chunkSize: row["chunk_size"],
            offset: row["held"], bootID: row["boot_id"], startedAt: MonotonicTime(nanoseconds: row["started_at"]),
            serverKey: row["server_key"], sha256: try row.sha256IfAny(), tag: row["tag"])
    }

    func upsert(_ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO parts (name, owner, total_size, chunk_size, held, boot_id, started_at, server_key,
                    sha256, tag) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            name.string, owner?.value, totalSize, chunkSize, offset, bootID, startedAt.nanoseconds, serverKey,
            sha256?.hex, tag,
        ])
    }
}

extension CropRow {
    init(_ row: Row) throws {
        let md5: String? = row["md5"]
        let state: State
        switch row["state"] as String {
        case "pending": state = .pending
        case "done": state = .done
        case "baseline": state = .baseline
        case "rejected": state = .rejected(row["reason"] ?? "")
        default: throw damaged("state", row)
        }
        self.init(
            name: try row.avatarName(), identity: row.identity(), changed: row["changed"],
            md5: md5.flatMap { MD5Digest(hex: $0) },
            sha256: try row.sha256IfAny(), state: state, closedOrder: row["closed_order"], account: row["account"],
            uploadedTo: row["uploaded_to"], location: row["location"], incompleteCloses: row["incomplete_closes"])
    }

    func upsert(_ db: Database) throws {
        let (text, reason): (String, String?) =
            switch state {
            case .pending: ("pending", nil)
            case .done: ("done", nil)
            case .baseline: ("baseline", nil)
            case .rejected(let reason): ("rejected", reason)
            }
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO crops (name, device, inode, size, modified, changed, md5, sha256, state, reason,
                    closed_order, account, uploaded_to, location, incomplete_closes)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            name.string, Int64(bitPattern: identity.device), Int64(bitPattern: identity.inode), identity.size,
            identity.modified, changed, md5?.hex, sha256?.hex, text, reason, closedOrder, account, uploadedTo, location,
            incompleteCloses,
        ])
    }
}

extension NegativeRow {
    init(_ row: Row) throws {
        self.init(
            name: try row.avatarName(), owner: row.userID(), reason: try row.value("reason"), until: row.time("until"),
            tokenEpoch: row["token_epoch"], generation: row["generation"], attempts: row["attempts"])
    }

    func upsert(_ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO negatives (name, owner, reason, until, token_epoch, generation, attempts)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            name.string, owner?.value, reason.rawValue, until.milliseconds, tokenEpoch, generation, attempts,
        ])
    }
}

extension EventRow {
    init(_ row: Row) throws {
        let sha256: String? = row["sha256"]
        let assurance: String? = row["assurance"]
        self.init(
            cursor: row["cursor"], kind: try row.value("kind"), name: try row.avatarName(), at: row.time("at"),
            facts: EventFacts(
                owner: row.userID(), size: row["size"], sha256: sha256.flatMap { SHA256Digest(hex: $0) },
                assurance: assurance.flatMap { Assurance(rawValue: $0) }, generation: row["generation"],
                reason: row["reason"]))
    }
}
