package import AvatarCore

/// What the agent sends to its server; the driver adds uid and token, and encodes.
package enum ServerRequest: Hashable, Sendable {
    /// 1033: one chunk of a picture, counted in chunks of so many bytes where the server lets the agent choose.
    case download(name: AvatarName, seq: Int64, chunkBytes: Int64)
    /// 1031: one chunk of a crop.
    case upload(Crop, ClassicUpload.Chunk)
    /// 1005: how much of a crop the server has.
    case askProgress(Crop)
    /// A request of the HTTP way.
    case http(HTTPCallID, HTTPCall)
    /// The next bytes of the crop for a request of the HTTP way.
    case body(HTTPCallID, Crop, bytes: [UInt8], isLast: Bool)
    /// Nobody waits for this request of the HTTP way any more.
    case cancel(HTTPCallID)
}

/// What the server sends, decoded. `connection` is the one that it came on.
package struct ServerReply: Hashable, Sendable {
    /// The reply's kind.
    package enum Kind: Hashable, Sendable {
        /// 1034; `name` is nil where an error holds none.
        case download(name: String?, ClassicDownload.Reply)
        /// 1032.
        case upload(UploadReply)
        /// 1006.
        case progress(name: ExactString?, ClassicUpload.Progress)
        /// What came for a request of the HTTP way.
        case http(HTTPCallID, HTTPReply)
        /// The answer to a ``ServerQuestion`` of the HTTP way.
        case greeting(HTTPHead)
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

/// A 1032: the answer to a chunk of an upload. All but `error` may be missing in an error to a first chunk.
package struct UploadReply: Hashable, Sendable {
    /// 0, or a ``AvatarCore/ClassicError``'s code.
    package let error: Int
    package let name: ExactString?
    package let md5: String?
    package let seq: Int64?
    /// Why our server refuses the chunk.
    package let reason: UploadRefusalReason?
    /// Whether the server sets icons in the order in which the last chunks of one connection come.
    package let setsIconsInOrder: Bool
    /// The largest chunk of an upload that the server takes, in bytes; nil where it does not say.
    package let chunkBytes: Int64?

    package init(
        error: Int, name: ExactString?, md5: String?, seq: Int64?, reason: UploadRefusalReason? = nil,
        setsIconsInOrder: Bool = false, chunkBytes: Int64? = nil
    ) {
        self.chunkBytes = chunkBytes
        self.error = error
        self.name = name
        self.md5 = md5
        self.seq = seq
        self.reason = reason
        self.setsIconsInOrder = setsIconsInOrder
    }
}

extension ServerRequest {
    /// The crop whose upload begins with the request.
    var begins: Crop? {
        switch self {
        case .upload(let crop, let chunk) where chunk.seq == 1: crop
        case .http(_, .put(let crop)), .http(_, .createUpload(let crop)): crop
        default: nil
        }
    }

    /// The crop of which the request carries bytes, and how many.
    var carries: (Crop, Int)? {
        switch self {
        case .upload(let crop, let chunk): (crop, chunk.data.count)
        case .body(_, let crop, let bytes, _): (crop, bytes.count)
        default: nil
        }
    }
}
