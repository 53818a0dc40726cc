package import AvatarCore
package import TransferMachines

/// A user as an operator sees them.
package struct ListedUser: Hashable, Sendable {
    package let uid: UserID
    package let name: String
    /// As it is stored; nil when the user has none.
    package let icon: String?
    package let hasToken: Bool

    package init(uid: UserID, name: String, icon: String?, hasToken: Bool) {
        self.uid = uid
        self.name = name
        self.icon = icon
        self.hasToken = hasToken
    }
}

/// What became of a token that was to end.
package enum TokenRevocation: Hashable, Sendable {
    case ended
    /// The user had none.
    case hadNone
    case unknownUser
}

/// What became of an account that was to go.
package enum AccountRemoval: Hashable, Sendable {
    case removed
    /// Token and icon are gone. The account itself belongs to the chat system, which alone removes it.
    case emptied
    case unknownUser
}

/// What an operator does with users, beside the servers that run on the same stores.
package protocol UserAdministration: Sendable {
    /// The users behind `after`, or from the first one on, lowest uid first, at most `limit`.
    func users(after: UserID?, limit: Int) throws(StoreError) -> [ListedUser]
    /// Ends the token of `user`. A server that runs hears of it when it next asks its store, after ``AvatarCore/Limits/Server/tokenTrust`` at
    /// the latest.
    func revokeToken(of user: UserID) throws(StoreError) -> TokenRevocation
    /// Forgets the uploads of `user`: every unfinished one, and those of the files `names` that were complete a short while ago.
    ///
    /// - Returns: the parts of the unfinished ones.
    func forgetUploads(of user: UserID, of names: [AvatarName]) throws(StoreError) -> [UploadID]
    /// Takes token and icon from `user`, with a change in the log, and removes the account where it is this server's.
    func removeAccount(of user: UserID) throws(StoreError) -> AccountRemoval
}
