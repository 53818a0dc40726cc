package import AvatarCore

/// A label: the subscriber's own id for a widget that shows an avatar (docs/label-bus.md, type `LabelRequest`). Label and name are
/// compared by their bytes.
public struct LabelRequest: Hashable, Sendable {
    private var exactLabel: ExactString
    private var exactName: ExactString?
    /// The subscriber's own id, at most 256 bytes.
    public var label: String {
        get { exactLabel.string }
        set { exactLabel = ExactString(newValue) }
    }
    /// The picture's name.
    public var name: String? {
        get { exactName?.string }
        set { exactName = newValue.map { ExactString($0) } }
    }
    /// The user; alone, it means whatever that user's current avatar is.
    public var owner: Int?
    /// `visible` (the default), `near` or `hidden`: what is seen is fetched first.
    public var visibility: String?

    /// A label for a picture, for a user's current picture, or both.
    public init(label: String, name: String? = nil, owner: Int? = nil, visibility: String? = nil) {
        exactLabel = ExactString(label)
        exactName = name.map { ExactString($0) }
        self.owner = owner
        self.visibility = visibility
    }
}

/// What a label shows now (docs/label-bus.md, type `LabelState`).
public struct LabelState: Hashable, Sendable {
    private var exactLabel: ExactString
    /// The subscriber's own id.
    public var label: String {
        get { exactLabel.string }
        set { exactLabel = ExactString(newValue) }
    }
    /// Its avatar.
    public var avatar: Avatar

    /// A label and its avatar.
    public init(label: String, avatar: Avatar) {
        exactLabel = ExactString(label)
        self.avatar = avatar
    }
}

extension LabelRequest: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        exactLabel = ExactString(try fields.string("label"))
        exactName = try fields.optionalString("name").map { ExactString($0) }
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
        exactLabel = ExactString(try fields.string("label"))
        avatar = try fields.object("avatar", Avatar.self)
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("label", label)
        writer.field("avatar", avatar)
    }
}
