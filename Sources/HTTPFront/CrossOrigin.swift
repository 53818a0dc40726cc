internal import AvatarCore
internal import HTTPTypes
internal import Hummingbird

/// What browsers are told about scripts of other origins (CORS, in the WHATWG's Fetch).
struct CrossOrigin {
    private let isConfigured: Bool
    /// The request's, when it is one of those that may read answers.
    private let origin: String?

    init(_ origins: Set<ExactString>, _ origin: String?) {
        isConfigured = !origins.isEmpty
        self.origin = origin.flatMap { origins.contains(ExactString($0)) ? $0 : nil }
    }

    /// The answer to a browser that asks whether a script may send a request; nil for everything else.
    func preflight(_ request: Request) -> Response? {
        guard origin != nil, request.method == .options, request.headers[.accessControlRequestMethod] != nil else {
            return nil
        }
        let fields: HTTPFields = [
            .accessControlAllowMethods: "GET, HEAD, POST, PUT, PATCH, DELETE",
            .accessControlAllowHeaders: Self.asked, .accessControlMaxAge: "600",
        ]
        return Response(status: .noContent, headers: fields.secured)
    }

    /// An answer that another origin may read is another answer, which caches have to know.
    func addFields(to fields: inout HTTPFields) {
        if isConfigured { fields[.vary] = "Origin" }
        guard let origin else { return }
        fields[.accessControlAllowOrigin] = origin
        fields[.accessControlAllowCredentials] = "true"
        fields[.accessControlExposeHeaders] = Self.told
    }

    private static let asked = [
        "Authorization", "Content-Type", "If-Match", "If-None-Match", "If-Range", "Last-Event-ID", "Range",
        "Repr-Digest", "Tus-Resumable", "Upload-Checksum", "Upload-Length", "Upload-Metadata", "Upload-Offset",
    ].joined(separator: ", ")

    private static let told = [
        "Accept-Ranges", "Avatar-Generation", "Content-Location", "Content-Range", "ETag", "Location", "Repr-Digest",
        "Retry-After", "Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version",
        "Upload-Expires", "Upload-Length", "Upload-Metadata", "Upload-Offset", "WWW-Authenticate",
    ].joined(separator: ", ")
}
