package import AvatarCore

/// What the server's stream of changes says (`docs/http.md`, "Changes"), with the place in the log up to which all is told then.
package struct ServerChange: Hashable, Sendable {
    /// What happened.
    package enum Kind: Hashable, Sendable {
        /// The user's avatar is this file now.
        case avatar(UserID, AvatarName, SHA256Digest)
        /// The user has no avatar any more.
        case removed(UserID)
        /// Everything up to here has been told; from here on changes come as they happen.
        case ready
        /// What happened before cannot be told.
        case reset
        /// A sign of life.
        case alive
    }

    package let kind: Kind
    /// The server's text for the place; nil where it said none.
    package let position: ExactString?

    package init(_ kind: Kind, position: ExactString?) {
        self.kind = kind
        self.position = position
    }
}
