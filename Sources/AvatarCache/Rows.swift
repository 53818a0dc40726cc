package import AvatarCore

/// How much a commit waits for the disk (`storage.sync`).
package enum SyncLevel: String, Hashable, Sendable {
    /// Data, intent, rename and row are on the disk before clients are told of the picture.
    case full
    /// The order is kept, but nothing waits: a crash of the program costs nothing, a power cut may.
    case none
}

/// Where a file in the cache folder comes from.
package enum Origin: String, Hashable, Sendable {
    /// The agent fetched it.
    case downloaded
    /// The user's own crop, placed in the cache once it was uploaded.
    case own
    /// Another program put it there. The agent shows it, and never replaces or evicts it.
    case foreign
}

/// What tells one file from another without reading it.
package struct FileIdentity: Hashable, Sendable {
    /// The device. Its number may change with a reboot, so the comparison at start leaves it out.
    package let device: UInt64
    /// The inode.
    package let inode: UInt64
    /// Bytes.
    package let size: Int64
    /// Nanoseconds since 1970 of the last change of the bytes.
    package let modified: Int64

    package init(device: UInt64, inode: UInt64, size: Int64, modified: Int64) {
        self.device = device
        self.inode = inode
        self.size = size
        self.modified = modified
    }

    /// Whether inode, size and time are the same. The device may differ.
    package func isSameFile(as other: Self) -> Bool {
        inode == other.inode && size == other.size && modified == other.modified
    }
}

/// One complete, verified file in the cache folder.
package struct AvatarRow: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    package var identity: FileIdentity
    package var sha256: SHA256Digest
    package var assurance: Assurance
    package var image: ImageFacts
    package var origin: Origin
    /// Counts the contents that this name has had since it came into the cache, from 1.
    package var generation: Int64
    /// When a label, a fetch or the agent itself last wanted it.
    package var lastWanted: UnixTime
    /// When the server last told of it; nil where nobody noted that.
    package var checked: UnixTime?
}

/// A transfer that is under way in `.parts/`.
package struct PartRow: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    /// Bytes that the whole file will have.
    package var totalSize: Int64
    /// Bytes of one chunk, as the server showed it; nil on a way that knows no chunks.
    package var chunkSize: Int64?
    /// Bytes that the part holds, counted from the first.
    package var offset: Int64
    /// The boot in which it was begun; another boot starts it again.
    package var bootID: String
    /// When it was begun, on that boot's clock.
    package var startedAt: MonotonicTime
    /// The server and user that the bytes are from: `host:port/uid`.
    package var serverKey: String
    /// The digest that the server promised for the whole file; nil where it promised none.
    package var sha256: SHA256Digest?
    /// The server's tag of this version of the file (RFC 9110, 8.8.3), kept verbatim; nil where it gave none.
    package var tag: String?

    var origin: PartOrigin { PartOrigin(bootID: bootID, serverKey: serverKey, startedAt: startedAt) }
}

/// A verified part that is ready to be renamed, and the durable note of it (`docs/architecture.md`).
package struct CommitCandidate: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    package var origin: Origin
    package var part: VerifiedPart
    /// When it was last wanted, for the row that comes of it.
    package var lastWanted: UnixTime
    /// How far the bytes are proven, as ``CacheFolder/verify(_:)`` found.
    package var assurance: Assurance { part.assurance }

    package init(name: AvatarName, owner: UserID?, origin: Origin, part: VerifiedPart, lastWanted: UnixTime) {
        self.name = name
        self.owner = owner
        self.origin = origin
        self.part = part
        self.lastWanted = lastWanted
    }
}

/// An intent row as it stands in the catalog.
package struct IntentRow: Hashable, Sendable {
    package var candidate: CommitCandidate
    /// The agent's own earlier file at that name, which the rename may replace.
    package var replaces: FileIdentity?
}

/// What reading a whole part found.
package struct VerifiedPart: Hashable, Sendable {
    package let identity: FileIdentity
    package let sha256: SHA256Digest
    package let image: ImageFacts
    /// `digest` when the bytes were compared with a digest that was promised for them, `structural` otherwise.
    package let assurance: Assurance

    init(identity: FileIdentity, sha256: SHA256Digest, image: ImageFacts, assurance: Assurance) {
        self.identity = identity
        self.sha256 = sha256
        self.image = image
        self.assurance = assurance
    }

    /// The user's own crop where it lies: the server took exactly these bytes.
    package init(crop: CropFacts) {
        self.init(identity: crop.identity, sha256: crop.sha256, image: crop.image, assurance: .digest)
    }
}

/// One file of the upload folder, as far as the agent has dealt with it.
package struct CropRow: Hashable, Sendable {
    /// How far it is.
    package enum State: Hashable, Sendable {
        /// To be uploaded, in the order of `closedOrder`.
        case pending
        /// On the server that `uploadedTo` names.
        case done
        /// Found when the catalog was made anew: not sent unless a person asks.
        case baseline
        /// Not to be uploaded, and why.
        case rejected(String)
    }

    package var name: AvatarName
    package var identity: FileIdentity
    /// Nanoseconds since 1970 of the last change of the file's bytes, names or mode; nil where a row of an earlier version does not tell.
    package var changed: Int64?
    /// Nil only for a baseline, whose bytes were never read.
    package var md5: MD5Digest?
    package var sha256: SHA256Digest?
    package var state: State
    /// Counts closes: the last crop must end as the icon.
    package var closedOrder: Int64
    /// The server and user whose crop it is, `host:port/uid`: it is sent to no other. Nil for a crop that was closed while nobody was
    /// logged in; the account that is opened next takes it (``Catalog/openAccount(_:credential:)``).
    package var account: String?
    /// The server and user that have it: `host:port/uid`.
    package var uploadedTo: String?
    /// Where that server keeps what it has of the crop, which goes up in pieces; nil where it was asked for no such place.
    package var location: String?
    /// How often this inode was closed as an incomplete picture: a writer that appends chunk by chunk is no crop
    /// (`docs/architecture.md`).
    package var incompleteCloses: Int64
}

/// Why a name is not to be had for now.
package struct NegativeRow: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    package var reason: AbsenceReason
    /// When it may be asked for again without any other reason.
    package var until: UnixTime
    /// The token's epoch when it was learned: a new token lifts it.
    package var tokenEpoch: Int64
    /// The server's generation when it was learned, where there was one: a new one lifts it.
    package var generation: Int64?
    /// How often in a row it was learned, for a longer time to live.
    package var attempts: Int64

    package init(
        name: AvatarName, owner: UserID?, reason: AbsenceReason, until: UnixTime, tokenEpoch: Int64, generation: Int64?,
        attempts: Int64
    ) {
        self.name = name
        self.owner = owner
        self.reason = reason
        self.until = until
        self.tokenEpoch = tokenEpoch
        self.generation = generation
        self.attempts = attempts
    }
}

/// One line of the event log.
package struct EventRow: Hashable, Sendable {
    /// What happened (`docs/label-bus.md`).
    package enum Kind: String, Hashable, Sendable {
        case ready
        case changed
        case removed
        case failed
        case uploaded
        case icon
        case refused
    }

    /// Counts events from 1 within an epoch, without gaps.
    package var cursor: Int64
    package var kind: Kind
    package var name: AvatarName
    package var at: UnixTime
    /// What was known of the picture then.
    package var facts: EventFacts
}

/// What an event says of its picture.
package struct EventFacts: Hashable, Sendable {
    package var owner: UserID?
    package var size: Int64?
    package var sha256: SHA256Digest?
    package var assurance: Assurance?
    package var generation: Int64
    package var reason: String?

    package init(
        owner: UserID? = nil, size: Int64? = nil, sha256: SHA256Digest? = nil, assurance: Assurance? = nil,
        generation: Int64 = 0, reason: String? = nil
    ) {
        self.owner = owner
        self.size = size
        self.sha256 = sha256
        self.assurance = assurance
        self.generation = generation
        self.reason = reason
    }

    init(_ row: AvatarRow) {
        self.init(
            owner: row.owner, size: row.identity.size, sha256: row.sha256, assurance: row.assurance,
            generation: row.generation)
    }
}
