internal import AvatarCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import NIOHTTPTypes
internal import ServerRuntime
internal import TransferMachines

// Pictures up.
extension FrontResponder {
    /// Everything that can be refused from the head alone is refused before the body is asked for.
    func put(_ key: ResourceKey, _ user: UserID, _ request: Request, _ context: FrontContext) async throws -> Response {
        // RFC 9110, 14.5: a part must not be taken for the whole.
        guard request.headers[.contentRange] == nil else {
            throw Problem(.badRequest, "Only whole pictures", "a picture in pieces goes to /v1/users/\(user)/uploads")
        }
        if let coding = request.headers[.contentEncoding], coding.lowercased() != "identity" {
            throw Problem(.unsupportedMediaType, "No coding", "a picture comes as it is, without a Content-Encoding")
        }
        let size = try length(request)
        let expected = try digest(request)
        let current = try await service.avatar(of: user)
        if request.headers[.ifMatch] != nil || request.headers[.ifNoneMatch] != nil {
            try checkConditions(request, try await service.file(key.name, of: user, for: user))
        }
        if let expected, let current, current.name == key.name, current.content.sha256 == expected,
            current.file.size == size
        {
            // Who did not ask whether to send the body is sending it, and some clients of HTTP/2 wait for ever where nobody reads it.
            if !asksFirst(request) {
                var body = request.body.makeAsyncIterator()
                while try await body.nextPiece() != nil {}
            }
            return taken(current.content.sha256, current.generation, .noContent)
        }
        do {
            var incoming = try await service.begin(key, of: user, size: size)
            let result: (avatar: Avatar, isNew: Bool)
            do {
                try await goAhead(request, context)
                var (body, came) = (request.body.makeAsyncIterator(), Int64(0))
                while let piece = try await body.nextPiece() {
                    try await incoming.write(piece)
                    came += Int64(piece.count)
                }
                // A connection that ends in the middle can look like the end of the body.
                guard came == size else {
                    throw Problem(.badRequest, "Too short", "\(size) bytes were promised, and \(came) came")
                }
                result = try await incoming.finish(expected)
            } catch {
                await incoming.discard()
                throw error
            }
            let wasCurrent = current?.name == key.name && current?.content.sha256 == result.avatar.sha256
            var response = taken(
                result.avatar.sha256, result.avatar.generation, result.isNew || !wasCurrent ? .created : .noContent)
            response.headers[.location] = "/v1/users/\(user)/avatars/\(Route.encode(key.name))"
            return response
        } catch let refusal as AvatarService.Refusal {
            throw Problem(refusal, limits: service.limits)
        }
    }

    private func asksFirst(_ request: Request) -> Bool { request.headers[.expect]?.lowercased() == "100-continue" }

    /// Has a client send its body that waits to be asked.
    func goAhead(_ request: Request, _ context: FrontContext) async throws {
        guard asksFirst(request) else { return }
        try await context.channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)))
    }

    private func length(_ request: Request) throws -> Int64 {
        guard let text = request.headers[.contentLength] else {
            throw Problem(.lengthRequired, "How long?", "a picture needs a Content-Length")
        }
        guard let size = Int64(text), size >= 0 else {
            throw Problem(.badRequest, "Bad length", "Content-Length is no number")
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

    private func digest(_ request: Request) throws -> SHA256Digest? {
        guard let field = request.headers[.reprDigest] else { return nil }
        guard let digest = ReprDigest.sha256(in: field) else {
            throw Problem(.badRequest, "Bad digest", "Repr-Digest must have the form sha-256=:<base64>:")
        }
        return digest
    }

    private func checkConditions(_ request: Request, _ there: AvatarService.Found?) throws {
        let tag = there.map { "\"\($0.content.sha256.hex)\"" }
        let ifMatch = request.headers[.ifMatch].map { list in
            tag.map { Conditions.matches(list, $0, weakly: false) } ?? false
        }
        let ifNone = request.headers[.ifNoneMatch].map { list in
            tag.map { !Conditions.matches(list, $0, weakly: true) } ?? true
        }
        guard ifMatch ?? true, ifNone ?? true else {
            throw Problem(
                .preconditionFailed, "Another version", "the file of that name is not the one that the condition names")
        }
    }

    private func taken(_ digest: SHA256Digest, _ generation: Int64?, _ status: HTTPResponse.Status) -> Response {
        var fields: HTTPFields = [.eTag: "\"\(digest.hex)\""]
        if let generation { fields[.avatarGeneration] = "\(generation)" }
        return Response(status: status, headers: fields.secured)
    }
}

extension Problem {
    init(_ refusal: AvatarService.Refusal, limits: UploadExchange.Settings) {
        switch refusal {
        case .digestDiffers:
            self.init(
                .unprocessableContent, "Another digest", "the picture does not have the digest that was promised")
        case .notAPicture(let fault):
            self.init(.unsupportedMediaType, "No whole picture", "\(fault)", code: .writePermission)
        case .quota:
            self.init(
                .init(code: 507), "Quota", "all files of a user may have \(limits.quotaBytes ?? 0) bytes",
                code: .writePermission, reason: .quota)
        case .tooManyUploads:
            self.init(
                .tooManyRequests, "Too many uploads",
                "\(Limits.Server.uploadsPerUserMax) uploads are under way; end one of them", code: .writePermission,
                reason: .tooManyUploads, fields: [.retryAfter: "\(Limits.HTTP.retryAfterSeconds)"])
        case .noSuchUser: self.init(.notFound, "Not found", "there is no such user any more", code: .uidInvalid)
        }
    }
}

extension RequestBody.AsyncIterator {
    /// The next bytes, so many that each is worth a write to the disk; nil at the end.
    mutating func nextPiece(isolation: isolated (any Actor)? = #isolation) async throws -> [UInt8]? {
        var piece: [UInt8] = []
        while piece.count < Limits.HTTP.pieceBytes, let buffer = try await next(isolation: isolation) {
            piece.append(contentsOf: buffer.readableBytesView)
        }
        return piece.isEmpty ? nil : piece
    }
}
