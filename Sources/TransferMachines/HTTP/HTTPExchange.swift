package import AvatarCore

/// Names one request of the HTTP way, so that what still comes for one that was given up is told from what came after it.
package struct HTTPCallID: Hashable, Sendable {
    /// What the request is for.
    package enum Purpose: Hashable, Sendable {
        case picture
        case crop
        case changes
    }

    package let purpose: Purpose
    package let number: Int

    package init(_ purpose: Purpose, _ number: Int) {
        self.purpose = purpose
        self.number = number
    }
}

/// A request of the HTTP way; the driver adds the login, and says it in HTTP (`docs/http.md`, "Resources").
package enum HTTPCall: Hashable, Sendable {
    /// GET of a picture by its name, from byte `from` on where that belongs to the version `tag` (`Range`, `If-Range`). `known` is the picture
    /// that is there: nothing comes where the server has the same (`If-None-Match`).
    case picture(AvatarName, from: Int64, tag: String?, known: SHA256Digest?)
    /// PUT of a whole crop; its bytes follow as ``ServerRequest/body(_:_:bytes:isLast:)``.
    case put(Crop)
    /// GET of the stream of changes for these users, from a place in the server's log on; nil for from now on.
    case changes([UserID], after: ExactString?)
    /// HEAD of a user's current avatar, whatever it is called.
    case avatar(of: UserID)
    /// tus: begin an upload of the crop.
    case createUpload(Crop)
    /// tus: how much of the upload at that place is there?
    case askOffset(location: String)
    /// tus: the bytes from `offset` on; they follow as ``ServerRequest/body(_:_:bytes:isLast:)``.
    case continueUpload(Crop, location: String, offset: Int64)
}

/// What comes for a request of the HTTP way, in this order: perhaps ``sent(bytes:)``, one head, bytes, the end.
package enum HTTPReply: Hashable, Sendable {
    /// So many bytes of the request's body left for the network.
    case sent(bytes: Int64)
    case head(HTTPHead)
    case bytes([UInt8])
    /// An event of the stream of changes.
    case change(ServerChange)
    case end
}

/// What the head of a response says, as far as it matters to the agent. The driver reads it, and believes nothing in it.
package struct HTTPHead: Hashable, Sendable {
    /// The three digits.
    package var status: Int
    /// `Content-Length`: bytes that follow.
    package var length: Int64?
    /// `Content-Range` of a 206: the first byte, and the size of the whole.
    package var range: Range<Int64>?
    package var totalSize: Int64?
    /// `ETag`, where it is a strong one.
    package var tag: String?
    /// The digest of the whole, by `Repr-Digest` or by our server's tag.
    package var sha256: SHA256Digest?
    /// Whose picture it is, by `Content-Location`.
    package var owner: UserID?
    /// What the picture is called, by `Content-Location`.
    package var name: AvatarName?
    /// Whether the bytes are compressed, although nobody asked for that.
    package var isEncoded: Bool
    /// `Retry-After`, in seconds.
    package var retryAfter: Duration?
    /// `Location`, where it leads to the same origin.
    package var location: String?
    /// tus: bytes of the upload that are there.
    package var uploadOffset: Int64?
    /// What the server said of an error, for a person (RFC 9457).
    package var detail: String?
    /// Whether requests go side by side on one connection (HTTP/2); without that each that is under way has a connection of its own.
    package var isMultiplexed: Bool
    /// Why our server does not take an upload, where it is one of these.
    package var reason: UploadRefusalReason?

    package init(
        status: Int, length: Int64? = nil, range: Range<Int64>? = nil, totalSize: Int64? = nil, tag: String? = nil,
        sha256: SHA256Digest? = nil, owner: UserID? = nil, name: AvatarName? = nil, isEncoded: Bool = false,
        retryAfter: Duration? = nil,
        location: String? = nil, uploadOffset: Int64? = nil, detail: String? = nil,
        isMultiplexed: Bool = true,
        reason: UploadRefusalReason? = nil
    ) {
        self.status = status
        self.length = length
        self.range = range
        self.totalSize = totalSize
        self.tag = tag
        self.sha256 = sha256
        self.owner = owner
        self.name = name
        self.isEncoded = isEncoded
        self.retryAfter = retryAfter
        self.location = location
        self.uploadOffset = uploadOffset
        self.detail = detail
        self.isMultiplexed = isMultiplexed
        self.reason = reason
    }

    /// What the status means, with the server's own words where there are some.
    package var words: String {
        let words =
            switch status {
            case 200...299: "success"
            case 304: "not modified"
            case 300...399: "a redirect to another place"
            case 400: "bad request"
            case 401: "the login is not accepted"
            case 403: "forbidden"
            case 404: "not found"
            case 405, 501: "the server takes no such request"
            case 409: "conflict"
            case 412: "another version"
            case 413: "too large"
            case 415: "not a picture that the server takes"
            case 416: "no such range"
            case 422: "the digest differs"
            case 429: "too many requests"
            case 503: "not available now"
            case 507: "no room for it"
            case 500...599: "an error of the server"
            default: "an answer that is not understood"
            }
        return detail ?? "\(status): \(words)"
    }
}

extension LoginRefusal {
    /// The server's 401.
    init(_ head: HTTPHead) { self.init(code: head.status, description: head.words) }
}

extension HTTPHead {
    /// How long to wait before a request that the server put off is tried again: what it says, within bounds.
    func pause(tries: Int) -> Duration {
        let own = Duration.seconds(1 << min(max(tries - 1, 0), 6))
        return min(max(retryAfter ?? own, .seconds(1)), Limits.HTTPWay.pauseMax)
    }
}
