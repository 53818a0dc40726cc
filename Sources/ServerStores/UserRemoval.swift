package import AvatarCore
package import ServerRuntime

/// Removes a user with everything that the servers keep of them. What was cut short is finished by the same call again.
package struct UserRemoval: Sendable {
    /// What was removed.
    package struct Outcome: Hashable, Sendable {
        package var account: AccountRemoval
        package var unfinishedUploads: Int
        package var files: UserFiles.Usage
        /// Something lies in the user's folder that is no file of theirs, or their files were to be kept.
        package var isFolderLeft: Bool

        /// Nobody has ever heard of this user.
        package var isNothing: Bool { account == .unknownUser && unfinishedUploads == 0 && files.files == 0 }
    }

    private let users: any UserAdministration
    private let files: UserFiles

    package init(_ users: any UserAdministration, _ files: UserFiles) {
        self.users = users
        self.files = files
    }

    /// The token ends first, so that nothing new begins; then the parts go, so that nothing that has begun ends as a file; the account goes
    /// last, so that a removal that was cut short still finds it.
    package func remove(_ user: UserID, keepingFiles: Bool) throws(StoreError) -> Outcome {
        _ = try users.revokeToken(of: user)
        let parts = try users.forgetUploads(of: user, of: keepingFiles ? [] : try files.names(of: user))
        try files.removeParts(parts)
        let (removed, isGone) = keepingFiles ? (UserFiles.Usage(), false) : try files.removeAll(of: user)
        let account = try users.removeAccount(of: user)
        return Outcome(account: account, unfinishedUploads: parts.count, files: removed, isFolderLeft: !isGone)
    }
}
