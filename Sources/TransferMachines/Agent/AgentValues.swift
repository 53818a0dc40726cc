package import AvatarCore

/// A crop's number in the catalog, in the order in which the crops were closed.
package struct CropID: Hashable, Sendable, Comparable {
    /// The catalog's row.
    package let value: Int64

    /// A row of the catalog.
    package init(_ value: Int64) { self.value = value }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

/// One call of a subscriber, for as long as it is answered.
package struct StreamID: Hashable, Sendable, Comparable {
    /// The bus's number for it.
    package let value: UInt64

    /// A stream of the bus.
    package init(_ value: UInt64) { self.value = value }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

/// A picture that is in the cache: complete, verified, recorded.
package struct AvatarRecord: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    package var size: Int64
    package var sha256: SHA256Digest
    package var assurance: Assurance
    /// Grows with every new content of this name, from 1.
    package var generation: Int64
    /// Whether it is the user's own crop.
    package var isOwn: Bool

    /// A row of the catalog.
    package init(
        name: AvatarName, owner: UserID?, size: Int64, sha256: SHA256Digest, assurance: Assurance, generation: Int64,
        isOwn: Bool
    ) {
        self.name = name
        self.owner = owner
        self.size = size
        self.sha256 = sha256
        self.assurance = assurance
        self.generation = generation
        self.isOwn = isOwn
    }
}

/// What happened to a picture, numbered by the catalog without gaps.
package struct AvatarEvent: Hashable, Sendable {
    /// The kinds of a `Change` (docs/label-bus.md, "Types").
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case ready
        case changed
        case removed
        case failed
        case uploaded
        case icon
        case refused
    }

    package let cursor: Int64
    package let kind: Kind
    package let name: AvatarName
    package let at: UnixTime
    /// Bytes of the picture that it is about, where there is or was one.
    package let size: Int64?
    /// Why it failed, went or is not uploaded.
    package let reason: String?

    /// An event of the catalog's log.
    package init(
        cursor: Int64, kind: Kind, name: AvatarName, at: UnixTime, size: Int64? = nil, reason: String? = nil
    ) {
        self.cursor = cursor
        self.kind = kind
        self.name = name
        self.at = at
        self.size = size
        self.reason = reason
    }
}

/// A crop that is to be uploaded.
package struct Crop: Hashable, Sendable {
    package let id: CropID
    package let name: AvatarName
    package let size: Int64
    package let md5: MD5Digest
    package let sha256: SHA256Digest
    /// Whether some of it may have been sent before this run of the agent.
    package let everSent: Bool
    /// Whose crop it is, as in ``Login/account``; nil when it was closed while nobody was logged in.
    package var account: String?
    /// Where the server keeps what it has of the crop, as an earlier run heard it; nil where none was heard of.
    package var location: ExactString?

    /// A row of the catalog.
    package init(
        id: CropID, name: AvatarName, size: Int64, md5: MD5Digest, sha256: SHA256Digest, everSent: Bool,
        account: String?, location: ExactString? = nil
    ) {
        self.account = account
        self.location = location
        self.id = id
        self.name = name
        self.size = size
        self.md5 = md5
        self.sha256 = sha256
        self.everSent = everSent
    }
}

extension Crop {
    /// The same crop, of which a server may have some already.
    package var sentBefore: Crop {
        Crop(
            id: id, name: name, size: size, md5: md5, sha256: sha256, everSent: true, account: account,
            location: location)
    }
}

/// Everything the catalog knows of one name.
package struct CatalogRow: Hashable, Sendable {
    package var name: AvatarName
    package var avatar: AvatarRecord?
    package var part: Part?
    package var negative: Negative?
    /// When the server last told of the picture; nil for one that is not asked for again: the user's own, or another program's.
    package var checked: MonotonicTime?

    /// A name of which the catalog may know nothing.
    package init(
        name: AvatarName, avatar: AvatarRecord? = nil, part: Part? = nil, negative: Negative? = nil,
        checked: MonotonicTime? = nil
    ) {
        self.checked = checked
        self.name = name
        self.avatar = avatar
        self.part = part
        self.negative = negative
    }
}

/// What a server promised of a picture when its transfer began.
package struct PartPlan: Hashable, Sendable {
    /// Bytes of the whole picture.
    package let totalSize: Int64
    /// The size of the server's chunks in bytes, in a dialect that has chunks.
    package let chunkSize: Int64?
    /// The digest of the whole picture, where the server tells it.
    package let sha256: SHA256Digest?
    /// What the server calls this version of the picture, where it does.
    package let tag: String?

    /// A promise.
    package init(totalSize: Int64, chunkSize: Int64?, sha256: SHA256Digest? = nil, tag: String? = nil) {
        self.totalSize = totalSize
        self.chunkSize = chunkSize
        self.sha256 = sha256
        self.tag = tag
    }
}

/// The beginning of a picture, kept from an earlier run or connection.
package struct Part: Hashable, Sendable {
    /// What the server promised when the part was begun.
    package let plan: PartPlan
    /// Bytes that are safely there, from the first on.
    package let held: Int64
    /// When the part was begun.
    package let begun: MonotonicTime

    /// A part as the catalog knows it.
    package init(plan: PartPlan, held: Int64, begun: MonotonicTime) {
        self.plan = plan
        self.held = held
        self.begun = begun
    }
}

/// Why the server does not accept who is logged in.
package struct LoginRefusal: Hashable, Sendable, CustomStringConvertible {
    /// The server's own code.
    package let code: Int
    package let description: String
}

/// One avatar as the agent knows it now (docs/label-bus.md, type `Avatar`).
package struct AvatarView: Hashable, Sendable {
    /// The states of an `Avatar` (docs/label-bus.md, "Types").
    package enum State: String, Hashable, Sendable, CaseIterable {
        case ready
        case outgoing
        case builtin
        case absent
        case failed
        case pending
        case paused

        /// Whether a one-shot label is done with it.
        package var isFinal: Bool { self != .pending && self != .paused }
    }

    /// In which folder the file lies, if there is one to show.
    package enum Place: Hashable, Sendable {
        case nowhere
        case cache
        case crops
    }

    /// The name as it was asked for; not always a valid one (`builtin`).
    package var name: ExactString?
    package var owner: UserID?
    package var state: State
    package var place = Place.nowhere
    package var size: Int64?
    package var transferred: Int64?
    package var sha256: SHA256Digest?
    package var assurance: Assurance?
    package var generation: Int64 = 0
    package var reason: String?
    package var retryAt: MonotonicTime?

    /// A view with nothing but a name and a state.
    package init(name: String?, owner: UserID? = nil, state: State, reason: String? = nil) {
        self.name = name.map { ExactString($0) }
        self.owner = owner
        self.state = state
        self.reason = reason
    }

    /// A picture that is there.
    package init(_ record: AvatarRecord) {
        self.init(name: record.name.string, owner: record.owner, state: .ready)
        place = .cache
        size = record.size
        sha256 = record.sha256
        assurance = record.assurance
        generation = record.generation
    }
}
