internal import AvatarCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PosixFiles
internal import ServerRuntime
internal import Synchronization
internal import TransferMachines

// Pictures up in pieces: tus 1.0.0. A `Location` names all that the server need not keep: the upload, its picture's name and its digest.
extension FrontResponder {
    /// Answers whatever is asked of uploads.
    func uploads(_ route: Route, _ request: Request, _ context: FrontContext) async throws -> Response {
        do {
            var response = try await upload(route, request, context)
            response.headers[.tusResumable] = Tus.version
            return response
        } catch var problem as Problem {
            problem.fields[.tusResumable] = Tus.version
            throw problem
        }
    }

    private func upload(_ route: Route, _ request: Request, _ context: FrontContext) async throws -> Response {
        if request.method == .options { return discovery }
        guard request.headers[.tusResumable] == Tus.version else {
            throw Problem(
                .preconditionFailed, "Another version", "Tus-Resumable must be \(Tus.version)",
                fields: [.tusVersion: Tus.version])
        }
        switch (route, request.method) {
        case (.uploads(let user), .post):
            try await loginAs(user, request, context)
            return try await create(user, request, context)
        case (.upload(let user, let id, let metadata), .head), (.upload(let user, let id, let metadata), .patch),
            (.upload(let user, let id, let metadata), .delete):
            try await loginAs(user, request, context)
            guard let upload = try await service.upload(id, ResourceKey(owner: user, name: metadata.name)) else {
                throw Problem(.notFound, "Not found", "there is no such upload, or it was given up too long ago")
            }
            return switch request.method {
            case .patch: try await goOn(upload, user, metadata, request, context)
            case .delete: try await end(upload)
            default: try await tell(upload, user, metadata)
            }
        default: throw Self.notAllowed(route)
        }
    }

    private var discovery: Response {
        let fields: HTTPFields = [
            .tusVersion: Tus.version, .tusExtension: Tus.extensions,
            .tusMaxSize: "\(service.limits.bytesMax)", .tusChecksumAlgorithm: "sha256",
        ]
        return Response(status: .noContent, headers: fields.secured)
    }

    private func create(_ user: UserID, _ request: Request, _ context: FrontContext) async throws -> Response {
        let size = try uploadLength(request)
        let metadata: Tus.Metadata
        do {
            metadata = try Tus.Metadata(request.headers[.uploadMetadata] ?? "")
        } catch {
            throw Problem(.badRequest, "Bad metadata", error.detail)
        }
        let key = ResourceKey(owner: user, name: metadata.name)
        var upload = try await refusing { try await service.beginUpload(key, of: user, size: size) }
        var fields: HTTPFields = [.location: Route.path(of: upload.id, user, metadata), .uploadExpires: expiry]
        if request.headers[.contentType] == Tus.mediaType {
            upload = try await take(upload, user, metadata, request, context, &fields)
            fields[.uploadOffset] = "\(upload.held)"
        }
        return Response(status: .created, headers: fields.secured)
    }

    private func uploadLength(_ request: Request) throws -> Int64 {
        guard let field = request.headers[.uploadLength], let size = Tus.bytes(field) else {
            throw Problem(.badRequest, "How long?", "Upload-Length must be the picture's bytes")
        }
        let most = service.limits.bytesMax
        guard size <= most else {
            throw Problem(
                .contentTooLarge, "Too large", "a picture may have \(most) bytes", code: .writePermission,
                reason: .tooLarge)
        }
        guard size > 0 else { throw Problem(AvatarService.Refusal.notAPicture(.empty), limits: service.limits) }
        return size
    }

    private func tell(
        _ upload: AvatarService.PiecewiseUpload, _ user: UserID, _ metadata: Tus.Metadata
    ) async throws -> Response {
        var fields: HTTPFields = [:]
        // The server may have died behind the last byte: who hears that all is there asks for nothing more.
        try await finishIfWhole(upload, user, metadata, &fields)
        fields[.uploadOffset] = "\(upload.held)"
        fields[.uploadLength] = "\(upload.size)"
        fields[.uploadMetadata] = metadata.field
        fields[.cacheControl] = "no-store"
        fields[.uploadExpires] = expiry
        return Response(status: .ok, headers: fields.secured)
    }

    private func goOn(
        _ upload: AvatarService.PiecewiseUpload, _ user: UserID, _ metadata: Tus.Metadata, _ request: Request,
        _ context: FrontContext
    ) async throws -> Response {
        guard request.headers[.contentType] == Tus.mediaType else {
            throw Problem(.unsupportedMediaType, "No piece", "Content-Type must be \(Tus.mediaType)")
        }
        guard let offset = request.headers[.uploadOffset].flatMap(Tus.bytes) else {
            throw Problem(.badRequest, "From where?", "Upload-Offset must be a number of bytes")
        }
        guard offset == upload.held else {
            throw Problem(
                .conflict, "Another offset", "the server has \(upload.held) bytes",
                fields: [.uploadOffset: "\(upload.held)"])
        }
        var fields: HTTPFields = [.uploadExpires: expiry]
        let now = try await take(upload, user, metadata, request, context, &fields)
        fields[.uploadOffset] = "\(now.held)"
        return Response(status: .noContent, headers: fields.secured)
    }

    private func end(_ upload: AvatarService.PiecewiseUpload) async throws -> Response {
        try uploadGate.enter(upload.id)
        defer { uploadGate.leave(upload.id) }
        try await service.endUpload(upload)
        return Response(status: .noContent, headers: HTTPFields().secured)
    }

    /// Tus shows a time after which an upload is gone; the stores renew theirs only now and then.
    private var expiry: String {
        HTTPDate.text(
            secondsSince1970: SystemClock().wall.milliseconds / 1000 + Int64(Limits.Server.uploadLifeSeconds)
                - Limits.HTTP.uploadLifeMarginSeconds)
    }
}

// The bytes.
extension FrontResponder {
    /// Takes the request's body, and finishes the upload when it is whole.
    private func take(
        _ upload: AvatarService.PiecewiseUpload, _ user: UserID, _ metadata: Tus.Metadata, _ request: Request,
        _ context: FrontContext, _ fields: inout HTTPFields
    ) async throws -> AvatarService.PiecewiseUpload {
        let room = upload.size - upload.held
        let tooMuch = Problem(.contentTooLarge, "Too much", "\(room) bytes are missing, and more would come")
        if let length = request.headers[.contentLength].flatMap(Tus.bytes), length > room { throw tooMuch }
        try uploadGate.enter(upload.id)
        defer { uploadGate.leave(upload.id) }
        // Whoever wrote until now may have written more since the offset was looked up.
        guard let current = try await service.upload(upload.id, upload.key), current.held == upload.held else {
            throw Problem(.conflict, "Another offset", "the upload has gone on meanwhile")
        }
        try await goAhead(request, context)
        var now = upload
        if let field = request.headers[.uploadChecksum] {
            let bytes = try await checkedBody(request, field, room, tooMuch)
            var rest = bytes.isEmpty ? nil : bytes
            now = try await service.append(to: upload) {
                defer { rest = nil }
                return rest
            }
        } else {
            var (body, left) = (request.body.makeAsyncIterator(), room)
            now = try await service.append(to: upload) {
                guard let piece = try await body.nextPiece() else { return nil }
                guard piece.count <= left else { throw tooMuch }
                left -= Int64(piece.count)
                return piece
            }
        }
        try await finishIfWhole(now, user, metadata, &fields)
        return now
    }

    /// A piece that shall be thrown away when its digest differs waits in memory, one at a time of each upload and few of all.
    private func checkedBody(
        _ request: Request, _ field: String, _ room: Int64, _ tooMuch: Problem
    ) async throws -> [UInt8] {
        guard let expected = Tus.checksum(field) else {
            throw Problem(.badRequest, "Bad checksum", "Upload-Checksum must have the form sha256 <base64>")
        }
        try uploadGate.enterChecked()
        defer { uploadGate.leaveChecked() }
        let bytes: [UInt8]
        do {
            bytes = Array(try await request.body.collect(upTo: Int(room)).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw tooMuch
        }
        guard try SHA256Digest(of: bytes.span.bytes) == expected else {
            throw Problem(
                .init(code: 460, reasonPhrase: "Checksum Mismatch"), "Another digest",
                "the piece differs from its Upload-Checksum")
        }
        return bytes
    }

    private func finishIfWhole(
        _ upload: AvatarService.PiecewiseUpload, _ user: UserID, _ metadata: Tus.Metadata, _ fields: inout HTTPFields
    ) async throws {
        guard upload.held == upload.size, !upload.isComplete else { return }
        let avatar = try await refusing {
            try await service.finishUpload(upload, of: user, expected: metadata.sha256)
        }
        fields[.eTag] = "\"\(avatar.sha256.hex)\""
        fields[.avatarGeneration] = "\(avatar.generation)"
    }

    private func refusing<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let refusal as AvatarService.Refusal {
            throw Problem(refusal, limits: service.limits)
        }
    }
}

/// Lets one writer at a time into an upload, and bounds the pieces that wait in memory for their digest.
final class UploadGate: Sendable {
    private let state = Mutex((writing: Set<UploadID>(), checked: 0))

    /// Errors: ``Problem`` when somebody writes already.
    func enter(_ id: UploadID) throws {
        guard state.withLock({ $0.writing.insert(id).inserted }) else {
            throw Problem(
                .init(code: 423, reasonPhrase: "Locked"), "Somebody writes", "another request writes to this upload",
                fields: [.retryAfter: "1"])
        }
    }

    func leave(_ id: UploadID) { _ = state.withLock { $0.writing.remove(id) } }

    /// Errors: ``Problem`` when too many pieces wait.
    func enterChecked() throws {
        let isIn = state.withLock { state in
            guard state.checked < Limits.HTTP.checkedPiecesMax else { return false }
            state.checked += 1
            return true
        }
        guard isIn else {
            throw Problem(
                .serviceUnavailable, "Not now", "too many pieces with a checksum come at once",
                fields: [.retryAfter: "1"])
        }
    }

    func leaveChecked() { state.withLock { $0.checked -= 1 } }
}
