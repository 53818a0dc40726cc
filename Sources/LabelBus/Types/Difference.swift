package import AvatarCore

/// Where a folder is not as the agent knows it (docs/label-bus.md, type `Difference`).
public struct Difference: Hashable, Sendable {
    /// `crops` or `cache`.
    public var folder: String
    /// The file's name, as a person is shown it.
    public var name: String
    /// `new`, `changed`, `gone`, `refused` or `waiting`.
    public var what: String
    /// Why it is refused; for whom it waits.
    public var reason: String?

    /// A difference.
    public init(folder: String, name: String, what: String, reason: String? = nil) {
        self.folder = folder
        self.name = name
        self.what = what
        self.reason = reason
    }
}

extension Difference: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        folder = try fields.string("folder")
        name = try fields.string("name")
        what = try fields.string("what")
        reason = try fields.optionalString("reason")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("folder", folder)
        writer.field("name", name)
        writer.field("what", what)
        writer.field("reason", reason)
    }
}

/// What `Check` takes.
package struct CheckParameters: Hashable, Sendable {
    /// Whether the agent looks through the folders first.
    package var look: Bool?

    /// Each field as it goes over the wire.
    package init(look: Bool? = nil) { self.look = look }
}

extension CheckParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) { look = try fields.optionalBool("look") }
    package func write(to writer: inout JSONWriter) { writer.field("look", look) }
}

/// The reply to `Check`.
public struct CheckReply: Hashable, Sendable {
    /// What differs, the upload folder first.
    public var differences: [Difference]
    /// How many differences there are.
    public var total: Int

    /// Each field as it goes over the wire.
    public init(differences: [Difference], total: Int) {
        self.differences = differences
        self.total = total
    }
}

extension CheckReply: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        differences = try fields.objects("differences", Difference.self)
        total = try fields.int("total")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("differences", differences)
        writer.field("total", total)
    }
}
