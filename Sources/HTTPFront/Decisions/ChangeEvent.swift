internal import AvatarCore
package import ServerRuntime

/// What a stream of changes says, as bytes of the WHATWG event stream (`text/event-stream`).
package enum ChangeEvent {
    /// Somebody's avatar is another, or is gone.
    package static func avatar(_ change: LoggedChange, epoch: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("user", change.user.value)
            if let avatar = change.avatar {
                json.field("name", avatar.name.string)
                json.field("sha256", avatar.sha256.hex)
                json.field("size", avatar.size)
                json.field("type", mediaType(avatar.format))
            } else {
                json.field("removed", true)
            }
            json.field("generation", change.generation)
        }
        return event("avatar", ChangeID(epoch: epoch, cursor: change.cursor), json.bytes)
    }

    /// Everything up to `id` has been told; from here on changes come as they happen.
    package static func ready(_ id: ChangeID) -> [UInt8] { event("ready", id, Array("{}".utf8)) }

    /// What happened before `id` cannot be told: the client reads what it follows anew.
    package static func reset(_ id: ChangeID) -> [UInt8] { event("reset", id, Array("{}".utf8)) }

    /// A sign of life. A client keeps the id without seeing an event, since there is no data.
    package static func heartbeat(_ id: ChangeID) -> [UInt8] { Array(":\nid: \(id)\n\n".utf8) }

    /// When a browser comes back after the stream has ended.
    package static func comeBack(afterMilliseconds milliseconds: Int) -> [UInt8] {
        Array("retry: \(milliseconds)\n\n".utf8)
    }

    /// JSON has no line breaks outside of strings, and escapes them in strings.
    private static func event(_ name: String, _ id: ChangeID, _ data: [UInt8]) -> [UInt8] {
        Array("id: \(id)\nevent: \(name)\ndata: ".utf8) + data + Array("\n\n".utf8)
    }
}

/// The media type of a picture by its content.
func mediaType(_ format: ImageFormat?) -> String {
    format.map { "image/\($0.rawValue)" } ?? "application/octet-stream"
}
