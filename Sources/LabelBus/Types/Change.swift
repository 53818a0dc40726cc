package import AvatarCore

/// One entry of the agent's log of changes (docs/label-bus.md, type `Change`).
public struct Change: Hashable, Sendable {
    /// Its number within the epoch: no gaps, never back.
    public var cursor: Int
    /// When it happened, RFC 3339, in UTC; nil from an earlier agent.
    public var at: String?
    /// What happened.
    public var kind: ChangeKind
    /// Bytes of the picture that came, went or was sent.
    public var size: Int?
    /// Why it failed, went or is not uploaded.
    public var reason: String?
    /// The avatar as it is when the change is told.
    public var avatar: Avatar

    /// A change.
    public init(
        cursor: Int, at: String? = nil, kind: ChangeKind, size: Int? = nil, reason: String? = nil, avatar: Avatar
    ) {
        self.cursor = cursor
        self.at = at
        self.kind = kind
        self.size = size
        self.reason = reason
        self.avatar = avatar
    }
}

/// What happened to an avatar: a word, because there may be more of them some day.
public struct ChangeKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The word on the wire.
    public let rawValue: String

    /// The kind with that word.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A picture is there.
    public static let ready = ChangeKind(rawValue: "ready")
    /// A picture that was there has other bytes now.
    public static let changed = ChangeKind(rawValue: "changed")
    /// A picture is gone.
    public static let removed = ChangeKind(rawValue: "removed")
    /// A picture cannot be had.
    public static let failed = ChangeKind(rawValue: "failed")
    /// A crop is on the server.
    public static let uploaded = ChangeKind(rawValue: "uploaded")
    /// The user's own avatar is now this one.
    public static let icon = ChangeKind(rawValue: "icon")

    /// A file of the upload folder is not uploaded.
    public static let refused = ChangeKind(rawValue: "refused")

    /// The word on the wire.
    public var description: String { rawValue }
}

/// One step of what the agent did about a name (docs/label-bus.md, type `Step`).
public struct Step: Hashable, Sendable {
    /// When, RFC 3339, in UTC.
    public var at: String
    /// What, as a person reads it.
    public var what: String
    /// More about it.
    public var detail: String?

    /// A step.
    public init(at: String, what: String, detail: String? = nil) {
        self.at = at
        self.what = what
        self.detail = detail
    }
}

/// A resource server (docs/label-bus.md, type `Server`).
public struct Server: Hashable, Sendable {
    /// Its host name or address.
    public var host: String
    /// Its TCP port.
    public var port: Int
    /// Its base URL, where it is spoken to in HTTP; host and port are the URL's then.
    public var url: String?

    /// A server.
    public init(host: String, port: Int, url: String? = nil) {
        self.host = host
        self.port = port
        self.url = url
    }
}

/// Something that a person should know about (docs/label-bus.md, type `Problem`).
public struct Problem: Hashable, Sendable {
    /// What is wrong.
    public var what: String
    /// Since when, RFC 3339, in UTC.
    public var since: String
    /// What to do about it.
    public var remedy: String?

    /// A problem.
    public init(what: String, since: String, remedy: String? = nil) {
        self.what = what
        self.since = since
        self.remedy = remedy
    }
}

extension Change: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        cursor = try fields.int("cursor")
        at = try fields.optionalString("at")
        kind = ChangeKind(rawValue: try fields.string("kind"))
        size = try fields.optionalInt("size")
        reason = try fields.optionalString("reason")
        avatar = try fields.object("avatar", Avatar.self)
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("cursor", cursor)
        writer.field("at", at)
        writer.field("kind", kind.rawValue)
        writer.field("size", size)
        writer.field("reason", reason)
        writer.field("avatar", avatar)
    }
}

extension Step: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        at = try fields.string("at")
        what = try fields.string("what")
        detail = try fields.optionalString("detail")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("at", at)
        writer.field("what", what)
        writer.field("detail", detail)
    }
}

extension Server: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        host = try fields.string("host")
        port = try fields.int("port")
        url = try fields.optionalString("url")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("host", host)
        writer.field("port", port)
        writer.field("url", url)
    }
}

extension Problem: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        what = try fields.string("what")
        since = try fields.string("since")
        remedy = try fields.optionalString("remedy")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("what", what)
        writer.field("since", since)
        writer.field("remedy", remedy)
    }
}
