/// A label: the subscriber's own id for a widget that shows an avatar (IPC.md, type `LabelRequest`).
public struct LabelRequest: Hashable, Sendable {
    /// The subscriber's own id, at most 256 bytes.
    public var label: String
    /// The picture's name.
    public var name: String?
    /// The user; alone, it means whatever that user's current avatar is.
    public var owner: Int?
    /// `visible` (the default), `near` or `hidden`: what is seen is fetched first.
    public var visibility: String?

    /// A label for a picture, for a user's current picture, or both.
    public init(label: String, name: String? = nil, owner: Int? = nil, visibility: String? = nil) {
        self.label = label
        self.name = name
        self.owner = owner
        self.visibility = visibility
    }
}

/// What a label shows now (IPC.md, type `LabelState`).
public struct LabelState: Hashable, Sendable {
    /// The subscriber's own id.
    public var label: String
    /// Its avatar.
    public var avatar: Avatar

    /// A label and its avatar.
    public init(label: String, avatar: Avatar) {
        self.label = label
        self.avatar = avatar
    }
}

extension LabelRequest: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        label = try fields.string("label")
        name = try fields.optionalString("name")
        owner = try fields.optionalInt("owner")
        visibility = try fields.optionalString("visibility")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("label", label)
        writer.field("name", name)
        writer.field("owner", owner)
        writer.field("visibility", visibility)
    }
}

extension LabelState: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        label = try fields.string("label")
        avatar = try fields.object("avatar", Avatar.self)
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("label", label)
        writer.field("avatar", avatar)
    }
}
