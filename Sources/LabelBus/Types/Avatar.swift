package import AvatarCore

/// One avatar as the agent knows it (docs/label-bus.md, type `Avatar`). Two are equal only when the bytes of their names are.
public struct Avatar: Hashable, Sendable {
    private var exactName: ExactString?
    /// The file's name in the cache; nil for a label by owner whose avatar's name is not known yet.
    public var name: String? {
        get { exactName?.string }
        set { exactName = newValue.map { ExactString($0) } }
    }
    /// The user whose avatar it is, where that is known.
    public var owner: Int?
    /// How far it is.
    public var state: AvatarState
    /// A complete, verified file; never a partial one.
    public var path: String?
    /// A picture to show until then.
    public var fallback: String?
    /// Bytes of the whole picture, once the server has said so.
    public var size: Int?
    /// Bytes that are here (or, of an upload, there) by now.
    public var transferred: Int?
    /// 64 hexadecimal digits.
    public var sha256: String?
    /// How far the bytes are proven: `digest` or `structural`.
    public var assurance: String?
    /// Counts the contents that this name has had.
    public var generation: Int
    /// Why it is absent or failed.
    public var reason: String?
    /// When it is asked for again, RFC 3339, in UTC.
    public var retryAt: String?

    /// An avatar with what is known of it.
    public init(
        name: String?, owner: Int? = nil, state: AvatarState, path: String? = nil, fallback: String? = nil,
        size: Int? = nil, transferred: Int? = nil, sha256: String? = nil, assurance: String? = nil,
        generation: Int = 0, reason: String? = nil, retryAt: String? = nil
    ) {
        exactName = name.map { ExactString($0) }
        self.owner = owner
        self.state = state
        self.path = path
        self.fallback = fallback
        self.size = size
        self.transferred = transferred
        self.sha256 = sha256
        self.assurance = assurance
        self.generation = generation
        self.reason = reason
        self.retryAt = retryAt
    }
}

/// An avatar's state: a word, because there may be more of them some day.
public struct AvatarState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The word on the wire.
    public let rawValue: String

    /// The state with that word.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The picture is there.
    public static let ready = AvatarState(rawValue: "ready")
    /// The user's own crop, not uploaded yet; the picture is there.
    public static let outgoing = AvatarState(rawValue: "outgoing")
    /// One of the seed's default heads: never asked of a server, a local picture stands for it.
    public static let builtin = AvatarState(rawValue: "builtin")
    /// The server does not have it, or does not give it.
    public static let absent = AvatarState(rawValue: "absent")
    /// It cannot be had, and `reason` says why.
    public static let failed = AvatarState(rawValue: "failed")
    /// On its way, or waiting for its turn.
    public static let pending = AvatarState(rawValue: "pending")
    /// Held by a person's `Pause`.
    public static let paused = AvatarState(rawValue: "paused")

    /// Whether the state stays until something changes; of a word that is not known here, no.
    public var isFinal: Bool {
        switch self {
        case .ready, .outgoing, .builtin, .absent, .failed: true
        default: false
        }
    }

    /// The word on the wire.
    public var description: String { rawValue }
}

extension Avatar: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        exactName = try fields.optionalString("name").map { ExactString($0) }
        owner = try fields.optionalInt("owner")
        state = AvatarState(rawValue: try fields.string("state"))
        path = try fields.optionalString("path")
        fallback = try fields.optionalString("fallback")
        size = try fields.optionalInt("size")
        transferred = try fields.optionalInt("transferred")
        sha256 = try fields.optionalString("sha256")
        assurance = try fields.optionalString("assurance")
        generation = try fields.int("generation")
        reason = try fields.optionalString("reason")
        retryAt = try fields.optionalString("retry_at")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("name", name)
        writer.field("owner", owner)
        writer.field("state", state.rawValue)
        writer.field("path", path)
        writer.field("fallback", fallback)
        writer.field("size", size)
        writer.field("transferred", transferred)
        writer.field("sha256", sha256)
        writer.field("assurance", assurance)
        writer.field("generation", generation)
        writer.field("reason", reason)
        writer.field("retry_at", retryAt)
    }
}
