/// Why our server refuses a chunk of an upload, more exactly than the codes of the classic dialect tell: `reason` in 1004 and 1032
/// (docs/protocol.md, "Why an upload is refused"). Servers of other kinds do not send it.
package enum UploadRefusalReason: String, Hashable, Sendable, CaseIterable {
    /// The name is none that the server keeps.
    case name
    /// The file is larger than the server takes.
    case tooLarge = "too-large"
    /// The user's files would have more bytes together than the user may have.
    case quota
    /// The user has too many unfinished uploads.
    case tooManyUploads = "too-many-uploads"
    /// The server's disk has no room.
    case noRoom = "no-room"
    /// The system does not let the server write there.
    case notWritable = "not-writable"
    /// A store of the server does not answer or has failed.
    case unavailable
    /// The server takes no files of 1003.
    case closed
}
