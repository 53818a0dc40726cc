package import AvatarCore

/// What the agent sends in the classic dialect; the driver adds uid and token, and encodes.
package enum ServerRequest: Hashable, Sendable {
    /// 1033: one chunk of a picture.
    case download(name: AvatarName, seq: Int64)
    /// 1031: one chunk of a crop.
    case upload(Crop, ClassicUpload.Chunk)
    /// 1005: how much of a crop the server has.
    case askProgress(Crop)
}

/// What the server sends in the classic dialect, decoded. `connection` is the one that it came on.
package struct ServerReply: Hashable, Sendable {
    /// The reply's kind.
    package enum Kind: Hashable, Sendable {
        /// 1034; `name` is nil where an error holds none.
        case download(name: String?, ClassicDownload.Reply)
        /// 1032; `reason` where our server refuses a chunk.
        case upload(
            error: Int, name: ExactString?, md5: String?, seq: Int64?, reason: UploadRefusalReason? = nil)
        /// 1006.
        case progress(name: ExactString?, ClassicUpload.Progress)
        /// A frame that was understood and means nothing here.
        case other
        /// A frame that could not be understood.
        case unreadable(String)
    }

    package let connection: Int
    package let kind: Kind

    /// A reply on that connection.
    package init(connection: Int, kind: Kind) {
        self.connection = connection
        self.kind = kind
    }
}
