package import AvatarCore

/// One reply to `Register`.
public struct RegisterReply: Hashable, Sendable {
    /// The subscription's id, for `Adjust`; in the first reply of a stream.
    public var subscription: String?
    /// Labels whose state is told, at most ``Limits/Labels/perReplyMax``.
    public var labels: [LabelState]
    /// True in the last reply of the snapshot.
    public var synced: Bool?

    /// Each field as it goes over the wire.
    public init(subscription: String? = nil, labels: [LabelState], synced: Bool? = nil) {
        self.subscription = subscription
        self.labels = labels
        self.synced = synced
    }
}

extension RegisterReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        subscription = try fields.optionalString("subscription")
        labels = try fields.objects("labels", LabelState.self)
        synced = try fields.optionalBool("synced")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("subscription", subscription)
        writer.field("labels", labels)
        writer.field("synced", synced)
    }
}

/// One reply to `Watch`.
public struct WatchReply: Hashable, Sendable {
    /// The log's epoch; another one means that cursors start again.
    public var epoch: String
    /// The cursor of the last change that has been told.
    public var cursor: Int
    /// True when the log does not reach back to `since`: read again with `List`.
    public var reset: Bool?
    /// The changes, in order.
    public var changes: [Change]

    /// Each field as it goes over the wire.
    public init(epoch: String, cursor: Int, reset: Bool? = nil, changes: [Change]) {
        self.epoch = epoch
        self.cursor = cursor
        self.reset = reset
        self.changes = changes
    }
}

extension WatchReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        epoch = try fields.string("epoch")
        cursor = try fields.int("cursor")
        reset = try fields.optionalBool("reset")
        changes = try fields.objects("changes", Change.self)
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("epoch", epoch)
        writer.field("cursor", cursor)
        writer.field("reset", reset)
        writer.field("changes", changes)
    }
}

/// One page of `List`.
public struct ListReply: Hashable, Sendable {
    /// The avatars, in the order of their names.
    public var avatars: [Avatar]
    /// What to give as `after` for the next page; nil on the last.
    public var next: String?

    /// Each field as it goes over the wire.
    public init(avatars: [Avatar], next: String? = nil) {
        self.avatars = avatars
        self.next = next
    }
}

extension ListReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        avatars = try fields.objects("avatars", Avatar.self)
        next = try fields.optionalString("next")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("avatars", avatars)
        writer.field("next", next)
    }
}

/// One reply to `Fetch`.
public struct FetchReply: Hashable, Sendable {
    /// How many of the names are fetched or there.
    public var accepted: Int
    /// The picture that has come further; nil in the first reply.
    public var avatar: Avatar?

    /// Each field as it goes over the wire.
    public init(accepted: Int, avatar: Avatar? = nil) {
        self.accepted = accepted
        self.avatar = avatar
    }
}

extension FetchReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        accepted = try fields.int("accepted")
        avatar = try fields.optionalObject("avatar", Avatar.self)
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("accepted", accepted)
        writer.field("avatar", avatar)
    }
}

/// The reply to `Status`.
public struct StatusReply: Hashable, Sendable {
    /// The agent's version.
    public var version: String
    /// `online`, `connecting`, `waiting`, `offline` or `refused`.
    public var connection: String
    /// Since when, RFC 3339, in UTC.
    public var since: String
    /// The resource server, when one is configured.
    public var server: Server?
    /// The user who is logged in.
    public var uid: Int?
    /// `classic` or `stream`, once connected.
    public var dialect: String?
    /// The user's own avatar.
    public var icon: Avatar?
    /// Downloads under way or waiting.
    public var downloads: Int
    /// Uploads under way or waiting.
    public var uploads: Int
    /// Labels that are registered.
    public var labels: Int
    /// Pictures in the cache.
    public var cached: Int
    /// Bytes in the cache.
    public var bytes: Int
    /// What a person should know about.
    public var problems: [Problem]
    /// Counters and gauges by name.
    public var figures: [String: Double]

    /// Each field as it goes over the wire.
    public init(
        version: String, connection: String, since: String, server: Server? = nil, uid: Int? = nil,
        dialect: String? = nil,
        icon: Avatar? = nil, downloads: Int, uploads: Int, labels: Int, cached: Int, bytes: Int,
        problems: [Problem] = [], figures: [String: Double] = [:]
    ) {
        self.version = version
        self.connection = connection
        self.since = since
        self.server = server
        self.uid = uid
        self.dialect = dialect
        self.icon = icon
        self.downloads = downloads
        self.uploads = uploads
        self.labels = labels
        self.cached = cached
        self.bytes = bytes
        self.problems = problems
        self.figures = figures
    }
}

extension StatusReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        version = try fields.string("version")
        connection = try fields.string("connection")
        since = try fields.string("since")
        server = try fields.optionalObject("server", Server.self)
        uid = try fields.optionalInt("uid")
        dialect = try fields.optionalString("dialect")
        icon = try fields.optionalObject("icon", Avatar.self)
        downloads = try fields.int("downloads")
        uploads = try fields.int("uploads")
        labels = try fields.int("labels")
        cached = try fields.int("cached")
        bytes = try fields.int("bytes")
        problems = try fields.objects("problems", Problem.self)
        figures = try fields.numbers("figures")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("version", version)
        writer.field("connection", connection)
        writer.field("since", since)
        writer.field("server", server)
        writer.field("uid", uid)
        writer.field("dialect", dialect)
        writer.field("icon", icon)
        writer.field("downloads", downloads)
        writer.field("uploads", uploads)
        writer.field("labels", labels)
        writer.field("cached", cached)
        writer.field("bytes", bytes)
        writer.field("problems", problems)
        writer.field("figures", figures)
    }
}

/// The reply to `Verify`: the server took this user and the user's token.
public struct VerifyReply: Hashable, Sendable {
    /// The resource server that answered.
    public var server: Server
    /// The user whom it took.
    public var uid: Int
    /// `classic`, `http` or `https`: what it speaks.
    public var dialect: String
    /// What version the server says it is; nil where it does not, as in the classic dialect.
    public var version: String?
    /// What time the server says it is, RFC 3339, in UTC; nil where it does not.
    public var date: String?
    /// `TLS 1.3`: what encrypts the connection; nil where nothing does.
    public var tls: String?
    /// The certificate that the server is trusted by; nil where its key is that of `server.pin`, or nothing is encrypted.
    public var certificate: Certificate?

    /// Each field as it goes over the wire.
    public init(
        server: Server, uid: Int, dialect: String, version: String? = nil, date: String? = nil, tls: String? = nil,
        certificate: Certificate? = nil
    ) {
        self.server = server
        self.uid = uid
        self.dialect = dialect
        self.version = version
        self.date = date
        self.tls = tls
        self.certificate = certificate
    }
}

extension VerifyReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        server = try fields.object("server", Server.self)
        uid = try fields.int("uid")
        dialect = try fields.string("dialect")
        version = try fields.optionalString("version")
        date = try fields.optionalString("date")
        tls = try fields.optionalString("tls")
        certificate = try fields.optionalObject("certificate", Certificate.self)
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("server", server)
        writer.field("uid", uid)
        writer.field("dialect", dialect)
        writer.field("version", version)
        writer.field("date", date)
        writer.field("tls", tls)
        writer.field("certificate", certificate)
    }
}

/// A server's certificate (RFC 5280), as far as a person looks after it.
public struct Certificate: Hashable, Sendable {
    /// Who issued it, by the common name and the organization.
    public var issuer: String
    /// The last moment at which it is valid, RFC 3339, in UTC.
    public var until: String

    /// A certificate.
    public init(issuer: String, until: String) {
        self.issuer = issuer
        self.until = until
    }
}

extension Certificate: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        issuer = try fields.string("issuer")
        until = try fields.string("until")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("issuer", issuer)
        writer.field("until", until)
    }
}
