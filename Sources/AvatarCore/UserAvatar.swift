/// What a user's avatar is, as a server told it.
package struct UserAvatar: Hashable, Sendable {
    /// What the file is called; nil where the user has no avatar.
    package let name: AvatarName?
    /// The digest of its bytes; nil where the server told none.
    package let sha256: SHA256Digest?

    /// The user has no avatar.
    package static let none = UserAvatar(name: nil, sha256: nil)

    /// The file of this name, with bytes of this digest.
    package init(name: AvatarName?, sha256: SHA256Digest?) {
        self.name = name
        self.sha256 = sha256
    }
}
