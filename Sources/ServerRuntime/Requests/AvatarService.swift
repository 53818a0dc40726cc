package import AvatarCore
internal import NIOCore
package import TransferMachines

/// Whole pictures by user, for the HTTP front: on the same workers, in the same order and by the same rules as classic requests.
package struct AvatarService: Sendable {
    let stores: Stores
    let queue: WorkQueue
    let upload: UploadSettings
    let quota: QuotaLedger
    let whole: WholeUploads
    let logins: RecentLogins

    /// A file that may be shown to who asks.
    package struct Found: Sendable {
        package let name: AvatarName
        package let file: any StoredFile
        package let content: FileContent
        /// Of the user's avatar; nil for a file that is no avatar now.
        package let generation: Int64?
    }

    /// Why an upload was not taken.
    package enum Refusal: Error, Hashable, Sendable {
        case digestDiffers
        case notAPicture(ImageError)
        case quota
        /// The user has ``AvatarCore/Limits/Server/uploadsPerUserMax`` unfinished ones.
        case tooManyUploads
        case noSuchUser
    }

    /// What the configuration says of uploads now.
    package var limits: UploadExchange.Settings { upload.current }

    /// Whether each service that the stores need could be reached when it was last needed.
    package var health: [(service: String, isUp: Bool)] { stores.health() }

    /// A token that the store has confirmed counts for ``AvatarCore/Limits/Server/tokenTrust``.
    package func checkToken(_ token: String, of user: UserID) async throws(StoreError) -> TokenVerdict {
        if logins.knows(token, of: user) { return .valid }
        let verdict = try await work(nil, .read) { () throws(StoreError) in
            try stores.users.checkToken(token, of: user)
        }
        if verdict == .valid { logins.confirmed(token, of: user) }
        return verdict
    }

    /// The user's current avatar; nil when there is none.
    ///
    /// A file that another server has put there, or that was changed since, is read and taken into the change log.
    package func avatar(of user: UserID) async throws(StoreError) -> Found? {
        if let found = avatarAtOnce(of: user) { return found }
        return try await work(nil, .read) { () throws(StoreError) in
            guard let icon = try stores.avatars.current(of: user), let name = try? AvatarName(icon.name) else {
                return nil
            }
            return try current(user, name, icon)
        }
    }

    /// A file of `user` by its name: any for the user, for others only the current avatar. Nil for what `asker` may not see, too.
    package func file(_ name: AvatarName, of user: UserID, for asker: UserID?) async throws(StoreError) -> Found? {
        if let found = avatarAtOnce(of: user), found.name == name { return found }
        return try await work(ResourceKey(owner: user, name: name), .read) { () throws(StoreError) in
            if let icon = try stores.avatars.current(of: user), ExactString(icon.name) == name.exact {
                return try current(user, name, icon)
            }
            guard asker == user, let file = try stores.files.open(ResourceKey(owner: user, name: name)) else {
                return nil
            }
            return Found(name: name, file: file, content: try FileContent(reading: file), generation: nil)
        }
    }

    /// A file by its name alone, as in the classic dialect: the asker's own, else the current avatar of the one user whose avatar has that name.
    package func file(
        _ name: AvatarName, for asker: UserID
    ) async throws(StoreError) -> (owner: UserID, found: Found)? {
        try await work(ResourceKey(owner: asker, name: name), .read) {
            () throws(StoreError) -> (owner: UserID, found: Found)? in
            if let icon = try stores.avatars.current(of: asker), ExactString(icon.name) == name.exact {
                if let found = try current(asker, name, icon) { return (asker, found) }
            } else if let file = try stores.files.open(ResourceKey(owner: asker, name: name)) {
                let content = try FileContent(reading: file)
                return (asker, Found(name: name, file: file, content: content, generation: nil))
            }
            let owners = try stores.users.users(withIcon: name)
            guard owners.count == 1, let owner = owners.first, let icon = try stores.avatars.current(of: owner),
                let found = try current(owner, name, icon)
            else { return nil }
            return (owner, found)
        }
    }

    /// The user's current avatar, where the icon is remembered and the kernel has its file at hand: without a worker.
    private func avatarAtOnce(of user: UserID) -> Found? {
        guard let icon = stores.avatars.currentAtOnce(of: user), let name = try? AvatarName(icon.name),
            case .some(.some(let file)) = stores.files.openAtOnce(ResourceKey(owner: user, name: name))
        else { return nil }
        return recorded(name, icon, file)
    }

    /// What the record says of an icon's file, where it was made of that very file.
    private func recorded(_ name: AvatarName, _ icon: CurrentIcon, _ file: any StoredFile) -> Found? {
        guard let known = icon.record, known.avatar.name == name, known.stamp == file.stamp else { return nil }
        let content = FileContent(sha256: known.avatar.sha256, format: known.avatar.format, stamp: known.stamp)
        return Found(name: name, file: file, content: content, generation: known.avatar.generation)
    }

    private func current(_ user: UserID, _ name: AvatarName, _ icon: CurrentIcon) throws(StoreError) -> Found? {
        guard let file = try stores.files.open(ResourceKey(owner: user, name: name)) else { return nil }
        if let found = recorded(name, icon, file) { return found }
        let content = try FileContent(reading: file)
        let avatar = try stores.avatars.setAvatar(name, content, of: user, .found)
        return Found(name: name, file: file, content: content, generation: avatar?.generation)
    }

    /// Bytes of an open file; fewer than `count` only at its end.
    package func read(_ file: any StoredFile, at offset: Int64, count: Int) async throws(StoreError) -> [UInt8] {
        if let bytes = file.readAtOnce(at: offset, count: count) { return bytes }
        return try await work(nil, .read) { () throws(StoreError) in try file.read(at: offset, count: count) }
    }

    /// How far the log of changes reaches now.
    package func changeLog() async throws(StoreError) -> ChangeLogRange {
        try await work(nil, .read) { () throws(StoreError) in try stores.avatars.logRange() }
    }

    /// The changes behind `cursor`, oldest first, at most `limit`.
    package func changes(after cursor: Int64, limit: Int) async throws(StoreError) -> [LoggedChange] {
        try await work(nil, .read) { () throws(StoreError) in
            try stores.avatars.changes(after: cursor, limit: limit)
        }
    }

    /// Calls `bell` after each change, as ``AvatarStore/onChange(_:)`` does.
    package func onChange(_ bell: @escaping @Sendable () -> Void) { stores.avatars.onChange(bell) }

    /// The user has no avatar any more. Returns false when there was none.
    package func removeAvatar(of user: UserID) async throws(StoreError) -> Bool {
        // The file does not matter, but the order among everything that sets the user's icon does, which goes by user.
        guard let name = try? AvatarName("avatar") else { return false }
        return try await work(ResourceKey(owner: user, name: name), .write, icon: user) { () throws(StoreError) in
            try stores.avatars.removeAvatar(of: user)
        }
    }

    /// Begins to take a whole picture of `size` bytes, which is to be the user's avatar: one of ``Incoming/finish(_:)`` and
    /// ``Incoming/discard()`` ends it.
    package func begin(_ key: ResourceKey, of user: UserID, size: Int64) async throws -> Incoming {
        let incoming = Incoming(
            service: self, key: key, user: user, id: UploadID.random(),
            holder: QuotaReservations.Holder.random(in: .min ... .max))
        try await reserve(size, key, user, incoming.holder)
        return incoming
    }

    /// A picture on its way in, piece by piece.
    package struct Incoming {
        let service: AvatarService
        let key: ResourceKey
        let user: UserID
        let id: UploadID
        let holder: QuotaReservations.Holder
        private var offset: Int64 = 0

        init(
            service: AvatarService, key: ResourceKey, user: UserID, id: UploadID, holder: QuotaReservations.Holder
        ) {
            (self.service, self.key, self.user, self.id, self.holder) = (service, key, user, id, holder)
        }

        /// The next bytes.
        package mutating func write(_ piece: [UInt8]) async throws {
            try await service.write(piece, to: id, at: offset)
            offset += Int64(piece.count)
        }

        /// All is there.
        ///
        /// - Parameter expected: the digest that the client promised; nil for none.
        /// - Returns: the avatar, and whether a file of that name was there before.
        package func finish(_ expected: SHA256Digest?) async throws -> (avatar: Avatar, isNew: Bool) {
            guard offset > 0 else { throw Refusal.notAPicture(.empty) }
            let result = try await service.finish(id, key, user, expected)
            service.quota.release(key, heldBy: holder)
            return result
        }

        /// Nothing comes of it.
        package func discard() async {
            await service.discard(id)
            service.quota.release(key, heldBy: holder)
        }
    }

    fileprivate func write(_ piece: [UInt8], to id: UploadID, at offset: Int64) async throws(StoreError) {
        try await work(nil, .write) { () throws(StoreError) in
            if offset == 0 {
                try stores.files.beginPart(id, bytes: piece)
            } else {
                try stores.files.writePart(id, bytes: piece, at: offset)
            }
        }
    }

    fileprivate func discard(_ id: UploadID) async {
        // A part that stays is removed with the next start.
        try? await work(nil, .write) { () throws(StoreError) in try stores.files.removePart(id) }
    }

    func reserve(
        _ size: Int64, _ key: ResourceKey, _ user: UserID, _ holder: QuotaReservations.Holder
    ) async throws {
        guard let bytes = limits.quotaBytes else { return }
        let used = try await work(nil, .read) { () throws(StoreError) in
            try stores.files.bytesUsed(by: user, besides: key)
        }
        guard quota.reserve(size, for: key, room: bytes - used, holder: holder) else { throw Refusal.quota }
    }

    func finish(
        _ id: UploadID, _ key: ResourceKey, _ user: UserID, _ expected: SHA256Digest?
    ) async throws -> (avatar: Avatar, isNew: Bool) {
        let upload = try await work(nil, .write) {
            () throws(StoreError) -> Result<WholeUploads.Upload, Refusal> in
            let digest = try stores.files.digestPart(id)
            if let expected, expected != digest.content.sha256 { return .failure(.digestDiffers) }
            if let fault = try stores.files.pictureFault(ofPart: id) { return .failure(.notAPicture(fault)) }
            try stores.files.syncPart(id)
            return .success(WholeUploads.Upload(id, key, digest.content))
        }.get()
        let quotaBytes = limits.quotaBytes
        whole.add(upload, of: user)
        try await work(key, .write, icon: user) { () throws(StoreError) in
            whole.finish(upload, of: user, in: stores, quotaBytes: quotaBytes)
        }
        guard let outcome = upload.outcome else { throw StoreError(.unavailable, "an upload did not have its turn") }
        return try outcome.get().get()
    }

    /// Runs `body` on a worker when the turn of `key` has come.
    func work<Value: Sendable>(
        _ key: ResourceKey?, _ access: ResourceOrder.Access, icon: UserID? = nil,
        _ body: @escaping @Sendable () throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
            queue.submit(key, access, icon: icon) {
                do throws(StoreError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
