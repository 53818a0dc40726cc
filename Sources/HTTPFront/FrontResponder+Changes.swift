internal import AvatarCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ServerRuntime

// Who has a new avatar.
extension FrontResponder {
    func changes(_ request: Request, _ context: FrontContext) async throws -> Response {
        let isKnown = !settings.publicAvatars || request.headers[.authorization] != nil
        let login = isKnown ? try await login(request, context) : nil
        var users = try await followed(request)
        if let login { users.insert(login.user) }
        guard !users.isEmpty else {
            throw Problem(.badRequest, "Nobody to follow", "without a login name whom to follow: ?user=1001")
        }
        let channel = context.channel
        let stream = ChangeStream(login: login) { channel.close(promise: nil) }
        let joined = try await join(users, login, stream, request, context)
        channel.closeFuture.whenComplete { [feed] _ in feed.leave(joined.id) }
        let missed = request.headers[.lastEventID].map { ChangeID($0) }
        let fields: HTTPFields = [
            .contentType: "text/event-stream", .cacheControl: "no-store", .accelBuffering: "no",
        ]
        return Response(status: .ok, headers: fields.secured, body: body(joined, missed, users))
    }

    private func followed(_ request: Request) async throws -> Set<UserID> {
        do {
            var users = try FollowedUsers.inQuery(request.head.path ?? "")
            guard request.method == .post else { return users }
            let body: ByteBuffer
            do {
                body = try await request.body.collect(upTo: Limits.Changes.bodyBytesMax)
            } catch is NIOTooManyBytesError {
                throw Problem(
                    .contentTooLarge, "Too large", "a list of users may have \(Limits.Changes.bodyBytesMax) bytes")
            }
            users.formUnion(try FollowedUsers.inBody(Array(body.readableBytesView)))
            return users
        } catch let fault as FollowedUsers.Fault {
            throw Problem(.badRequest, "Whom to follow?", fault.detail)
        }
    }

    private func join(
        _ users: Set<UserID>, _ login: Credentials?, _ stream: ChangeStream, _ request: Request, _ context: FrontContext
    ) async throws -> ChangeFeed.Joined {
        let owner =
            login.map { ChangeFollowers.Owner.user($0.user) } ?? .address(ExactString(address(request, context)))
        do {
            return try await feed.join(users, of: owner, stream)
        } catch let refusal as ChangeFollowers.Refusal {
            let wait: HTTPFields = [.retryAfter: "\(Limits.HTTP.retryAfterSeconds)"]
            switch refusal {
            case .tooManyOfOwner(let most):
                throw Problem(
                    .tooManyRequests, "Too many streams", "\(most) streams are open already; end one of them",
                    fields: wait)
            case .tooMany:
                throw Problem(
                    .serviceUnavailable, "Not now", "the server has as many streams as it may have", fields: wait)
            }
        }
    }

    /// - Parameter missed: what the client has heard last; nil for a client that comes anew, and nil inside for an id of somebody else.
    private func body(_ joined: ChangeFeed.Joined, _ missed: ChangeID??, _ users: Set<UserID>) -> ResponseBody {
        let (feed, service) = (feed, service)
        return ResponseBody { writer in
            defer { feed.leave(joined.id) }
            let comeBack = Int.random(in: Limits.Changes.comeBackMilliseconds)
            try await writer.write(ByteBuffer(bytes: ChangeEvent.comeBack(afterMilliseconds: comeBack)))
            if let missed {
                var isWhole = missed?.canGoOn(in: joined.log) ?? false
                var cursor = missed?.cursor ?? 0
                while isWhole, cursor < joined.position.cursor {
                    let page = try await service.changes(after: cursor, limit: Limits.Changes.pageMax)
                    // The log may be cut while it is read.
                    isWhole = page.first?.cursor == cursor + 1
                    let told = page.prefix { $0.cursor <= joined.position.cursor }.filter { users.contains($0.user) }
                    let bytes = told.flatMap { ChangeEvent.avatar($0, epoch: joined.position.epoch) }
                    if isWhole, !bytes.isEmpty { try await writer.write(ByteBuffer(bytes: bytes)) }
                    cursor = page.last?.cursor ?? cursor
                }
                if !isWhole { try await writer.write(ByteBuffer(bytes: ChangeEvent.reset(joined.position))) }
            }
            try await writer.write(ByteBuffer(bytes: ChangeEvent.ready(joined.position)))
            try await withTaskCancellationHandler {
                while let pieces = await joined.stream.next() { try await writer.write(contentsOf: pieces) }
            } onCancel: {
                joined.stream.end()
            }
            try await writer.finish(nil)
        }
    }
}
