internal import AvatarCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import TransferMachines

/// An answer that says what was wrong (RFC 9457).
struct Problem: Error, Sendable {
    let status: HTTPResponse.Status
    let title: String
    let detail: String
    /// The code that the classic dialect has for it.
    var code: ClassicError?
    /// Why an upload is refused, as the classic dialect tells it too.
    var reason: UploadRefusalReason?
    var fields: HTTPFields = [:]

    init(
        _ status: HTTPResponse.Status, _ title: String, _ detail: String, code: ClassicError? = nil,
        reason: UploadRefusalReason? = nil, fields: HTTPFields = [:]
    ) {
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.reason = reason
        self.fields = fields
    }

    static let notFound = Problem(
        .notFound, "Not found", "there is no such picture, or it is not yours and nobody's avatar", code: .fileNotExists
    )

    static func unauthorized(_ detail: String) -> Problem {
        Problem(
            .unauthorized, "Who are you?", detail, code: .tokenInvalid,
            fields: [.wwwAuthenticate: "Basic realm=\"avatar-server\", charset=\"UTF-8\""])
    }

    static func store(_ code: StoreErrorCode) -> Problem {
        switch code {
        case .missing: notFound
        case .full:
            Problem(
                .init(code: 507), "No room", "the server's disk is full", code: .writePermission, reason: .noRoom)
        case .forbidden, .unsynced, .unavailable:
            Problem(
                .serviceUnavailable, "Not now", "a store of the server does not answer or has failed",
                code: .saveProgressFailed, reason: .unavailable,
                fields: [.retryAfter: "\(Limits.HTTP.retryAfterSeconds)"])
        }
    }

    static let headTooLarge = Problem(
        .requestHeaderFieldsTooLarge, "Too large",
        "a request's head may have \(Limits.HTTP.headBytesMax) bytes and \(Limits.HTTP.headFieldsMax) fields")

    /// The body.
    var json: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("type", "about:blank")
            json.field("title", title)
            json.field("status", status.code)
            json.field("detail", detail)
            json.field("code", code.map { Int64($0.rawValue) })
            json.field("reason", reason?.rawValue)
        }
        return json.bytes
    }

    var response: Response {
        var fields = fields
        fields[.contentType] = "application/problem+json"
        return Response(status: status, headers: fields.secured, body: .init(byteBuffer: ByteBuffer(bytes: json)))
    }
}

extension HTTPFields {
    /// With what every answer says to browsers and caches, unless it says something else.
    var secured: HTTPFields {
        var fields = self
        fields[.xContentTypeOptions] = "nosniff"
        fields[.contentSecurityPolicy] = "default-src 'none'; sandbox"
        if fields[.cacheControl] == nil { fields[.cacheControl] = "private, no-cache" }
        return fields
    }
}

extension HTTPField.Name {
    static let reprDigest = Self.known("Repr-Digest")
    static let avatarGeneration = Self.known("Avatar-Generation")
    static let tusResumable = Self.known("Tus-Resumable")
    static let tusVersion = Self.known("Tus-Version")
    static let tusExtension = Self.known("Tus-Extension")
    static let tusMaxSize = Self.known("Tus-Max-Size")
    static let tusChecksumAlgorithm = Self.known("Tus-Checksum-Algorithm")
    static let uploadOffset = Self.known("Upload-Offset")
    static let uploadLength = Self.known("Upload-Length")
    static let uploadMetadata = Self.known("Upload-Metadata")
    static let uploadExpires = Self.known("Upload-Expires")
    static let uploadChecksum = Self.known("Upload-Checksum")
    static let lastEventID = Self.known("Last-Event-ID")
    /// Tells nginx to pass the answer on as it comes.
    static let accelBuffering = Self.known("X-Accel-Buffering")
    static let forwardedFor = Self.known("X-Forwarded-For")

    /// Each of these is a token, so that there is always a name.
    private static func known(_ text: String) -> HTTPField.Name { HTTPField.Name(text) ?? .via }
}
