internal import AvatarCore
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import PosixFiles
internal import ServerRuntime
internal import Synchronization
internal import TransferMachines

/// What Hummingbird knows of a request beside its head and body.
struct FrontContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// Answers requests: who asks, what for, and then whatever ``AvatarService`` says.
struct FrontResponder: HTTPResponder {
    let service: AvatarService
    let settings: ServerSettings.HTTP
    let version: String
    let gate: LoginGate
    let feed: ChangeFeed
    let uploadGate: UploadGate
    let logger: Logger

    func respond(to request: Request, context: FrontContext) async throws -> Response {
        let cors = CrossOrigin(settings.corsOrigins, request.headers[.origin])
        var response: Response
        do {
            // HTTP/1.1's decoder has refused such a head before it was whole, and HTTP/2's one with too many bytes.
            guard request.headers.count <= Limits.HTTP.headFieldsMax else { throw Problem.headTooLarge }
            guard request.namesOneHost else {
                throw Problem(.badRequest, "Which host?", "the request names more than one host")
            }
            if let preflight = cors.preflight(request) {
                response = preflight
            } else {
                response = try await answer(request, context)
            }
        } catch let problem as Problem {
            response = problem.response
        } catch let error as StoreError {
            logger.debug("a store failed", metadata: ["cause": "\(error.cause)"])
            response = Problem.store(error.code).response
        }
        cors.addFields(to: &response.headers)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func answer(_ request: Request, _ context: FrontContext) async throws -> Response {
        switch (try route(request), request.method) {
        case (.health, .get), (.health, .head): return Response(status: .noContent, headers: HTTPFields().secured)
        case (.ready, .get), (.ready, .head):
            let down = service.health.filter { !$0.isUp }.map(\.service)
            guard down.isEmpty else { throw Problem.store(.unavailable) }
            return Response(status: .noContent, headers: HTTPFields().secured)
        case (.me, .get), (.me, .head): return me(try await login(request, context).user)
        case (.changes, .get), (.changes, .post): return try await changes(request, context)
        case (.avatar(let user), .get), (.avatar(let user), .head):
            if !settings.publicAvatars { _ = try await login(request, context) }
            guard let found = try await service.avatar(of: user) else { throw Problem.notFound }
            var response = try await show(found, request, isPublic: settings.publicAvatars)
            response.headers[.contentLocation] = "/v1/users/\(user)/avatars/\(Route.encode(found.name))"
            return response
        case (.file(let user, let name), .get), (.file(let user, let name), .head):
            let isKnown = !settings.publicAvatars || request.headers[.authorization] != nil
            let asker = isKnown ? try await login(request, context).user : nil
            guard let found = try await service.file(name, of: user, for: asker) else { throw Problem.notFound }
            return try await show(found, request, isPublic: asker == nil)
        case (.name(let name), .get), (.name(let name), .head):
            let asker = try await login(request, context).user
            guard let (owner, found) = try await service.file(name, for: asker) else { throw Problem.notFound }
            var response = try await show(found, request, isPublic: false)
            response.headers[.contentLocation] = "/v1/users/\(owner)/avatars/\(Route.encode(name))"
            return response
        case (.file(let user, let name), .put):
            try await loginAs(user, request, context)
            return try await put(ResourceKey(owner: user, name: name), user, request, context)
        case (.avatar(let user), .delete):
            try await loginAs(user, request, context)
            guard try await service.removeAvatar(of: user) else { throw Problem.notFound }
            return Response(status: .noContent, headers: HTTPFields().secured)
        case (.uploads, _), (.upload, _): return try await uploads(try route(request), request, context)
        case (let route, _): throw Self.notAllowed(route)
        }
    }

    private func route(_ request: Request) throws -> Route {
        do {
            return try Route(request.head.path ?? "")
        } catch {
            switch error {
            case .unknown: throw Problem(.notFound, "Not found", "no resource has this path")
            case .badUser: throw Problem(.badRequest, "Bad user", "a user is a number from 1 on", code: .uidInvalid)
            case .badName(let why): throw Problem(.badRequest, "Bad name", "the name \(why)", code: .writePermission)
            }
        }
    }

    static func notAllowed(_ route: Route) -> Problem {
        let allowed =
            switch route {
            case .avatar: "GET, HEAD, DELETE"
            case .file: "GET, HEAD, PUT"
            case .name, .me, .health, .ready: "GET, HEAD"
            case .changes: "GET, POST"
            case .uploads: "POST, OPTIONS"
            case .upload: "HEAD, PATCH, DELETE, OPTIONS"
            }
        return Problem(
            .methodNotAllowed, "Not that way", "this resource knows \(allowed)", fields: [.allow: allowed])
    }
}

extension Request {
    /// Two that differ are a sign that somebody in between has taken one request for another.
    fileprivate var namesOneHost: Bool {
        guard let authority = head.authority, let name = HTTPField.Name("Host"), let host = headers[name] else {
            return true
        }
        return ExactString(host) == ExactString(authority)
    }
}

// Who asks.
extension FrontResponder {
    func loginAs(_ user: UserID, _ request: Request, _ context: FrontContext) async throws {
        guard try await login(request, context).user == user else { throw Problem.notFound }
    }

    func login(_ request: Request, _ context: FrontContext) async throws -> Credentials {
        guard let field = request.headers[.authorization] else {
            throw Problem.unauthorized("log in with the user id as name and the token as password")
        }
        guard let credentials = Credentials(authorization: field) else {
            throw Problem.unauthorized(
                "Authorization must be Basic, with the user id as name and the token as password")
        }
        let keys = LoginLimiter.keys(address: address(request, context), user: credentials.user)
        if let wait = gate.wait(keys) {
            throw Problem(
                .tooManyRequests, "Too many wrong logins", "wait before you try again",
                fields: [.retryAfter: "\(max(1, wait.components.seconds))"])
        }
        guard try await service.checkToken(credentials.token.string, of: credentials.user) == .valid else {
            gate.failed(keys, credentials)
            throw Problem.unauthorized("no user has this id with this token")
        }
        return credentials
    }

    /// Where the request came from; the proxy in front says so where there is one.
    func address(_ request: Request, _ context: FrontContext) -> String {
        if settings.isPlaintext, let last = request.headers[.forwardedFor]?.split(separator: ",").last {
            return last.trimmingCharacters(in: .whitespaces)
        }
        return context.channel.remoteAddress?.ipAddress ?? ""
    }

    private func me(_ user: UserID) -> Response {
        let limits = service.limits
        var json = JSONWriter()
        json.object { json in
            json.field("user", user.value)
            json.field("version", version)
            json.field("uploadBytesMax", limits.bytesMax)
            json.field("quotaBytes", limits.quotaBytes)
        }
        return Response(
            status: .ok, headers: ([.contentType: "application/json"] as HTTPFields).secured,
            body: .init(byteBuffer: ByteBuffer(bytes: json.bytes)))
    }
}

// Pictures down.
extension FrontResponder {
    private func show(
        _ found: AvatarService.Found, _ request: Request, isPublic: Bool
    ) async throws(StoreError) -> Response {
        let size = found.file.size
        let tag = "\"\(found.content.sha256.hex)\""
        var fields: HTTPFields = [
            .eTag: tag, .acceptRanges: "bytes", .reprDigest: ReprDigest.field(found.content.sha256),
            .lastModified: HTTPDate.text(secondsSince1970: found.content.stamp.modified / 1_000_000_000),
            .cacheControl: isPublic ? "public, max-age=60, stale-while-revalidate=600" : "private, no-cache",
        ]
        if let generation = found.generation { fields[.avatarGeneration] = "\(generation)" }
        let answer = Conditions.answer(
            tag: tag, size: size, ifMatch: request.headers[.ifMatch], ifNoneMatch: request.headers[.ifNoneMatch],
            ifRange: request.headers[.ifRange], range: request.method == .get ? request.headers[.range] : nil)
        let bytes: Range<Int64>
        var status = HTTPResponse.Status.ok
        switch answer {
        case .notModified: return Response(status: .notModified, headers: fields.secured)
        case .failed:
            return Problem(.preconditionFailed, "Another version", "no tag of If-Match is that of the picture").response
        case .unsatisfiable:
            return Problem(
                .rangeNotSatisfiable, "No such range", "the picture has \(size) bytes",
                fields: [.contentRange: "bytes */\(size)"]
            ).response
        case .whole: bytes = 0..<size
        case .part(let range):
            bytes = range
            status = .partialContent
            fields[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
        }
        fields[.contentType] = mediaType(found.content.format)
        let isHead = request.method == .head
        let body = isHead ? ResponseBody(contentLength: bytes.count) { _ in } : try await body(found.file, bytes)
        return Response(status: status, headers: fields.secured, body: body)
    }

    private func body(_ file: any StoredFile, _ bytes: Range<Int64>) async throws(StoreError) -> ResponseBody {
        // What fits one piece goes out with its head, in one write.
        if bytes.count <= Limits.HTTP.pieceBytes {
            let whole = try await service.read(file, at: bytes.lowerBound, count: bytes.count)
            guard whole.count == bytes.count else {
                throw StoreError(.missing, "a picture became shorter while it was read")
            }
            return ResponseBody(byteBuffer: ByteBuffer(bytes: whole))
        }
        let service = service
        return ResponseBody(contentLength: bytes.count) { writer in
            var offset = bytes.lowerBound
            while offset < bytes.upperBound {
                let count = Int(min(bytes.upperBound - offset, Int64(Limits.HTTP.pieceBytes)))
                let piece = try await service.read(file, at: offset, count: count)
                // The promised length cannot be kept any more: the connection ends, so that the client sees that it lacks bytes.
                guard piece.count == count else {
                    throw StoreError(.missing, "a picture became shorter while it was sent")
                }
                try await writer.write(ByteBuffer(bytes: piece))
                offset += Int64(count)
            }
            try await writer.finish(nil)
        }
    }
}

/// ``LoginLimiter`` for all connections.
final class LoginGate: Sendable {
    private let limiter = Mutex(LoginLimiter())

    func wait(_ keys: [LoginLimiter.Key]) -> Duration? { limiter.withLock { $0.wait(keys, now: SystemClock().now) } }

    func failed(_ keys: [LoginLimiter.Key], _ login: Credentials) {
        limiter.withLock { $0.failed(keys, login, now: SystemClock().now) }
    }
}
