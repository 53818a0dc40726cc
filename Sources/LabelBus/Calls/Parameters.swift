package import AvatarCore

/// What `Get` takes.
package struct GetParameters: Hashable, Sendable {
    /// The picture's name.
    package var name: String
    /// Its user.
    package var owner: Int?

    /// Each field as it goes over the wire.
    package init(name: String, owner: Int? = nil) {
        self.name = name
        self.owner = owner
    }
}

extension GetParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        name = try fields.string("name")
        owner = try fields.optionalInt("owner")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("name", name)
        writer.field("owner", owner)
    }
}

/// What `List` takes.
package struct ListParameters: Hashable, Sendable {
    /// Only avatars in this state.
    package var state: String?
    /// What the reply before gave as `next`.
    package var after: String?
    /// At most so many avatars.
    package var limit: Int?

    /// Each field as it goes over the wire.
    package init(state: String? = nil, after: String? = nil, limit: Int? = nil) {
        self.state = state
        self.after = after
        self.limit = limit
    }
}

extension ListParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        state = try fields.optionalString("state")
        after = try fields.optionalString("after")
        limit = try fields.optionalInt("limit")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("state", state)
        writer.field("after", after)
        writer.field("limit", limit)
    }
}

/// What `Fetch` takes.
package struct FetchParameters: Hashable, Sendable {
    /// The pictures, at most ``Limits/Labels/fetchNamesMax``.
    package var names: [String]
    /// `visible`, `near` or `hidden`.
    package var visibility: String?
    /// Whether the server is to be asked also for pictures that are there.
    package var again: Bool?

    /// Each field as it goes over the wire.
    package init(names: [String], visibility: String? = nil, again: Bool? = nil) {
        self.names = names
        self.visibility = visibility
        self.again = again
    }
}

extension FetchParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        names = try fields.strings("names")
        visibility = try fields.optionalString("visibility")
        again = try fields.optionalBool("again")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("names", names)
        writer.field("visibility", visibility)
        writer.field("again", again)
    }
}

/// What `Upload` takes.
package struct UploadParameters: Hashable, Sendable {
    /// The file, an absolute path.
    package var path: String

    /// Each field as it goes over the wire.
    package init(path: String) {
        self.path = path
    }
}

extension UploadParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        path = try fields.string("path")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("path", path)
    }
}

/// What `Forget` takes.
package struct ForgetParameters: Hashable, Sendable {
    /// The picture's name.
    package var name: String

    /// Each field as it goes over the wire.
    package init(name: String) {
        self.name = name
    }
}

extension ForgetParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        name = try fields.string("name")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("name", name)
    }
}

/// What `Dismiss` takes.
package struct DismissParameters: Hashable, Sendable {
    /// The file's name in the upload folder.
    package var name: String

    /// Each field as it goes over the wire.
    package init(name: String) {
        self.name = name
    }
}

extension DismissParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        name = try fields.string("name")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("name", name)
    }
}

/// What `Pause` takes.
package struct PauseParameters: Hashable, Sendable {
    /// `down`, `up`, or both when absent.
    package var direction: String?

    /// Each field as it goes over the wire.
    package init(direction: String? = nil) {
        self.direction = direction
    }
}

extension PauseParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        direction = try fields.optionalString("direction")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("direction", direction)
    }
}

/// What `Resume` takes.
package struct ResumeParameters: Hashable, Sendable {
    /// `down`, `up`, or both when absent.
    package var direction: String?

    /// Each field as it goes over the wire.
    package init(direction: String? = nil) {
        self.direction = direction
    }
}

extension ResumeParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        direction = try fields.optionalString("direction")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("direction", direction)
    }
}

/// What `Login` takes.
package struct LoginParameters: Hashable, Sendable {
    /// The resource server.
    package var server: Server
    /// The user's number.
    package var uid: Int
    /// The user's token; it never comes back.
    package var token: String

    /// Each field as it goes over the wire.
    package init(server: Server, uid: Int, token: String) {
        self.server = server
        self.uid = uid
        self.token = token
    }
}

extension LoginParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        server = try fields.object("server", Server.self)
        uid = try fields.int("uid")
        token = try fields.string("token")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("server", server)
        writer.field("uid", uid)
        writer.field("token", token)
    }
}

/// What `Explain` takes.
package struct ExplainParameters: Hashable, Sendable {
    /// The picture's name.
    package var name: String

    /// Each field as it goes over the wire.
    package init(name: String) {
        self.name = name
    }
}

extension ExplainParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        name = try fields.string("name")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("name", name)
    }
}
