package import AvatarCore
internal import TransferMachines

/// Records avatars (digest, size, type, generation) from their files: those that another server has put there, and those whose records are lost.
///
/// Servers may run on the same stores: a record is made in the same step as theirs, and only for the file that is the user's icon then.
package struct RecordRebuild: Sendable {
    /// What was found of one user.
    package enum Finding: Hashable, Sendable {
        /// The record is that of the file.
        case right
        /// There was no record, or one of another file.
        case recorded
        /// The record had another digest than the file has, which was not changed since.
        case mended
        /// The user has no icon, or one of the chat system's own.
        case none
        case missing(AvatarName)
        case unreadable(AvatarName, String)
        /// Somebody changes it all the time.
        case changing(AvatarName)
    }

    private let avatars: any AvatarStore
    private let files: any FileStore
    private let readsAll: Bool

    /// - Parameter readsAll: whether files are read too whose records fit by inode, size and time of change.
    package init(_ avatars: any AvatarStore, _ files: any FileStore, readsAll: Bool) {
        self.avatars = avatars
        self.files = files
        self.readsAll = readsAll
    }

    /// Errors: of the stores that hold the records; what is wrong with a file is a finding.
    package func rebuild(_ user: UserID, icon: String?) throws(StoreError) -> Finding {
        // An icon such as :/res/head_1.jpg is no file of the server's.
        guard let icon, let name = try? AvatarName(icon) else { return .none }
        for _ in 0..<Limits.Server.rebuildTriesMax {
            let known = try avatars.current(of: user)?.record
            let read: (fits: Bool, content: FileContent?)
            do throws(StoreError) {
                guard let found = try look(ResourceKey(owner: user, name: name), known) else { return .missing(name) }
                read = found
            } catch {
                return .unreadable(name, error.cause)
            }
            guard let content = read.content else {
                if read.fits { return .right }
                continue
            }
            if read.fits, content.sha256 == known?.avatar.sha256 { return .right }
            if try avatars.setAvatar(name, content, of: user, .found) != nil { return read.fits ? .mended : .recorded }
        }
        return .changing(name)
    }

    /// - Returns: whether the record is that of the file, and what was read, where it had to be and was not replaced meanwhile; nil without a file.
    private func look(
        _ key: ResourceKey, _ known: CurrentIcon.Record?
    ) throws(StoreError) -> (fits: Bool, content: FileContent?)? {
        guard let file = try files.open(key) else { return nil }
        let fits = known?.avatar.name == key.name && known?.stamp == file.stamp
        if fits, !readsAll { return (true, nil) }
        let content = try FileContent(reading: file)
        // Whoever has put another file there meanwhile has recorded that one.
        guard try files.open(key)?.stamp == content.stamp else { return (false, nil) }
        return (fits, content)
    }
}
