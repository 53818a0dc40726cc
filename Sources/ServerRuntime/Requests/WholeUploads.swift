internal import AvatarCore
internal import Synchronization
internal import TransferMachines

/// Uploads that are whole and wait to become their users' avatars.
///
/// Those of one user have their turns one after the other, since the last of them sets the icon. The first that has its turn takes all that wait by
/// then, so that they share one sync of the folder and one transaction, and the others find their work done.
final class WholeUploads: Sendable {
    /// One of them; its bytes are on the disk.
    final class Upload: Sendable {
        typealias Outcome = Result<Result<(avatar: Avatar, isNew: Bool), AvatarService.Refusal>, StoreError>

        let id: UploadID
        let key: ResourceKey
        let content: FileContent
        private let ended = Mutex<Outcome?>(nil)

        init(_ id: UploadID, _ key: ResourceKey, _ content: FileContent) {
            (self.id, self.key, self.content) = (id, key, content)
        }

        /// What came of it; nil while it waits.
        var outcome: Outcome? { ended.withLock { $0 } }

        func end(_ outcome: Outcome) { ended.withLock { $0 = outcome } }
    }

    private let waiting = Mutex<[UserID: [Upload]]>([:])

    func add(_ upload: Upload, of user: UserID) { waiting.withLock { $0[user, default: []].append(upload) } }

    /// Ends uploads of the user until this one has ended. Called in the user's turn, so that nobody else does the same.
    func finish(_ upload: Upload, of user: UserID, in stores: Stores, quotaBytes: Int64?) {
        while upload.outcome == nil {
            let together = waiting.withLock { waiting in
                var all = waiting.removeValue(forKey: user) ?? []
                let first = Array(all.prefix(Limits.Server.finishedTogetherMax))
                all.removeFirst(first.count)
                if !all.isEmpty { waiting[user] = all }
                return first
            }
            place(together.isEmpty ? [upload] : together, of: user, in: stores, quotaBytes: quotaBytes)
        }
    }

    private func place(_ uploads: [Upload], of user: UserID, in stores: Stores, quotaBytes: Int64?) {
        var placed: [(upload: Upload, isNew: Bool)] = []
        for upload in uploads {
            do throws(StoreError) {
                let isNew = try stores.files.open(upload.key) == nil
                if try stores.files.placePart(upload.id, as: upload.key, quotaBytes: quotaBytes) {
                    placed.append((upload, isNew))
                } else {
                    upload.end(.success(.failure(.quota)))
                }
            } catch {
                upload.end(.failure(error))
            }
        }
        guard !placed.isEmpty else { return }
        do throws(StoreError) {
            try stores.files.syncNames(of: placed.map(\.upload.key))
            let files = placed.map { (name: $0.upload.key.name, content: $0.upload.content) }
            let avatars = try stores.avatars.setAvatars(files, of: user)
            for (index, (upload, isNew)) in placed.enumerated() {
                let avatar = avatars.indices.contains(index) ? avatars[index] : nil
                upload.end(.success(avatar.map { .success(($0, isNew)) } ?? .failure(.noSuchUser)))
            }
        } catch {
            for (upload, _) in placed { upload.end(.failure(error)) }
        }
    }
}
