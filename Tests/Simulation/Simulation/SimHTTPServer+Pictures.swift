internal import AvatarCore
internal import HTTPFront
internal import NIOHTTP1
internal import PosixFiles
internal import TransferMachines

// Pictures down and up.
extension SimHTTPServer {
    // MARK: Down

    /// A file by its name alone: the asker's own, else the current avatar of the one user whose avatar has that name.
    func show(_ name: AvatarName, for asker: UserID, _ exchange: Exchange) {
        let own = ResourceKey(owner: asker, name: name)
        if store.files[own] != nil { return show(own, exchange) }
        let owners = store.icons.filter { $0.value == name }.keys.sorted()
        guard owners.count == 1, let owner = owners.first else { return refuse(exchange, 404, "not found") }
        show(ResourceKey(owner: owner, name: name), exchange)
    }

    func show(_ key: ResourceKey, _ exchange: Exchange) {
        guard let bytes = store.files[key], let owner = key.owner, let sha256 = try? SHA256Digest(of: bytes.span.bytes)
        else { return refuse(exchange, 404, "not found") }
        let isGet = exchange.method == "GET"
        if isGet, lies(manners.failures, about: key.name) { return refuse(exchange, 500, "something broke") }
        let isAsked = exchange.field("If-None-Match") != nil
        if isGet, !isAsked, lies(manners.notModified, about: key.name) {
            world.log("the server says not modified of", key.name.string)
            return respond(exchange, 304)
        }
        let tag = manners.hasConstantTags ? "\"same\"" : "\"\(sha256.hex)\""
        var fields: HTTPHeaders = ["ETag": tag, "Accept-Ranges": "bytes"]
        fields.add(name: "Content-Location", value: "/v1/users/\(owner)/avatars/\(Route.encode(key.name))")
        if manners.hasConstantTags { lied(key.name) }
        if isGet, lies(manners.wrongTags, about: key.name) {
            fields.replaceOrAdd(name: "ETag", value: "\"\(random.next())\"")
        }
        if manners.hasDigests {
            let isWrong = isGet && lies(manners.wrongDigests, about: key.name)
            let said = isWrong ? (try? SHA256Digest(of: [UInt8(1)].span.bytes)) ?? sha256 : sha256
            if isWrong { world.log("the server promises another digest of", key.name.string) }
            promised(said)
            fields.add(name: "Repr-Digest", value: ReprDigest.field(said))
        }
        let ignoresRange = random.happens(manners.wholes)
        let answer = Conditions.answer(
            tag: tag, size: Int64(bytes.count), ifMatch: exchange.field("If-Match"),
            ifNoneMatch: exchange.field("If-None-Match"), ifRange: exchange.field("If-Range"),
            range: isGet && !ignoresRange ? exchange.field("Range") : nil)
        switch answer {
        case .whole: sendPicture(exchange, 200, fields, bytes[...])
        case .part(let range):
            fields.add(
                name: "Content-Range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(bytes.count)")
            sendPicture(exchange, 206, fields, bytes[Int(range.lowerBound)..<Int(range.upperBound)])
        case .notModified: respond(exchange, 304, fields)
        case .failed: refuse(exchange, 412, "another version")
        case .unsatisfiable: refuse(exchange, 416, "no such range")
        }
    }

    // MARK: Up

    func put(_ key: ResourceKey, _ exchange: Exchange) {
        let expected = exchange.field("Repr-Digest").flatMap { ReprDigest.sha256(in: $0) }
        whenWhole(exchange) { [self] in
            took(key, 0, exchange.body, expected)
            later { [self] in
                guard !exchange.isOver else { return }
                let body = exchange.body
                guard "\(body.count)" == exchange.field("Content-Length") else {
                    return refuse(exchange, 400, "too few bytes")
                }
                if let owner = key.owner, store.icons[owner] == key.name, store.files[key] == body {
                    return answer(exchange, 204)
                }
                if let status = finish(key, body, expected) { return refuse(exchange, status, "not taken") }
                answer(exchange, 201)
            }
        }
    }

    /// The answer to an upload, which is lost now and then.
    private func answer(_ exchange: Exchange, _ status: Int, _ fields: HTTPHeaders = [:]) {
        guard !random.happens(loseReplyRate) else {
            exchange.connection.link.cut("the reply is lost")
            return end(exchange)
        }
        respond(exchange, status, fields)
    }

    /// The picture takes its place; the status of the refusal where it does not.
    private func finish(_ key: ResourceKey, _ bytes: [UInt8], _ expected: SHA256Digest?) -> Int? {
        guard let sha256 = try? SHA256Digest(of: bytes.span.bytes), let md5 = try? MD5Digest(of: bytes.span.bytes)
        else {
            return 500
        }
        if let expected, expected != sha256 { return 422 }
        if (try? ImageStructure.examine(bytes.span.bytes)) == nil { return 415 }
        if store.isFull { return 507 }
        guard let owner = key.owner else { return 404 }
        store.files[key] = bytes
        store.commits.append(SimStore.Commit(key: key, md5: md5, isHTTP: true))
        store.setIcon(key.name, of: owner)
        return nil
    }

    // MARK: In pieces

    func create(_ user: UserID, _ exchange: Exchange) {
        guard exchange.field("Tus-Resumable") == Tus.version,
            let size = exchange.field("Upload-Length").flatMap(Tus.bytes),
            let metadata = try? Tus.Metadata(exchange.field("Upload-Metadata") ?? "")
        else { return refuse(exchange, 400, "bad fields") }
        let key = ResourceKey(owner: user, name: metadata.name)
        // An unfinished upload under the same name ends.
        for (id, piece) in store.pieces where piece.key == key && !piece.isComplete {
            begins(key, metadata.sha256, piece, Route.path(of: id, user, metadata))
            store.pieces[id] = nil
        }
        let id = UploadID(high: random.next(), low: random.next())
        store.pieces[id] = SimStore.Pieces(key: key, size: Int(size), sha256: metadata.sha256, at: world.now)
        answer(exchange, 201, ["Location": Route.path(of: id, user, metadata)])
    }

    func tell(_ id: UploadID, _ metadata: Tus.Metadata, _ exchange: Exchange) {
        guard let piece = store.pieces[id] else { return refuse(exchange, 404, "no such upload") }
        finishIfWhole(id, piece, metadata, exchange, 200)
    }

    func goOn(_ id: UploadID, _ metadata: Tus.Metadata, _ exchange: Exchange) {
        guard let upload = store.pieces[id] else { return refuse(exchange, 404, "no such upload") }
        guard exchange.field("Content-Type") == Tus.mediaType,
            let offset = exchange.field("Upload-Offset").flatMap(Tus.bytes)
        else { return refuse(exchange, 400, "bad fields") }
        guard !written.contains(id) else { return respond(exchange, 423, ["Retry-After": "1"]) }
        guard mutation == .ignoreOffsets || offset == upload.bytes.count else {
            return respond(exchange, 409, ["Upload-Offset": "\(upload.bytes.count)"])
        }
        written.insert(id)
        exchange.gone = { [self] in written.remove(id) }
        exchange.came = { [self] in
            take(id, metadata, exchange)
        }
        take(id, metadata, exchange)
    }

    /// What came stays, whatever becomes of the rest.
    private func take(_ id: UploadID, _ metadata: Tus.Metadata, _ exchange: Exchange) {
        guard let upload = store.pieces[id] else { return refuse(exchange, 404, "no such upload") }
        if store.isFull { return refuse(exchange, 507, "no room") }
        guard upload.bytes.count + exchange.body.count <= upload.size else { return refuse(exchange, 413, "too much") }
        took(upload.key, upload.bytes.count, exchange.body, metadata.sha256)
        store.pieces[id]?.bytes += exchange.body
        exchange.body = []
        guard exchange.isWhole, let upload = store.pieces[id] else { return }
        exchange.came = {}
        later { [self] in
            guard !exchange.isOver else { return }
            finishIfWhole(id, upload, metadata, exchange, 204)
        }
    }

    private func finishIfWhole(
        _ id: UploadID, _ upload: SimStore.Pieces, _ metadata: Tus.Metadata, _ exchange: Exchange, _ status: Int
    ) {
        if upload.bytes.count == upload.size, !upload.isComplete {
            if let refusal = finish(upload.key, upload.bytes, metadata.sha256) {
                store.pieces[id] = nil
                return refuse(exchange, refusal, "not taken")
            }
            store.pieces[id]?.isComplete = true
        }
        let isWrong = mutation == .ignoreOffsets && upload.bytes.count < upload.size
        let count = isWrong ? upload.bytes.count / 2 : upload.bytes.count
        answer(exchange, status, ["Upload-Offset": "\(count)", "Upload-Length": "\(upload.size)"])
    }
}
