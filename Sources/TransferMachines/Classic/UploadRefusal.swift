package import AvatarCore

/// What the server's refusal of a chunk is about, which decides what becomes of the crop: a refusal that is about the file will come again,
/// every other one may pass.
package struct UploadRefusal: Hashable, Sendable {
    /// What the refusal is about.
    package enum Cause: Hashable, Sendable {
        /// This file: the server takes others.
        case file
        /// The user's account on the server: it has no room for this file.
        case account
        /// The server: it takes nothing now, or it is not known what it would take.
        case server

        /// What our server's reason is about.
        init(_ reason: UploadRefusalReason) {
            self =
                switch reason {
                case .name, .tooLarge: .file
                case .quota, .tooManyUploads: .account
                case .noRoom, .notWritable, .unavailable, .closed: .server
                }
        }
    }

    /// What the refusal is about.
    package let cause: Cause
    /// What the server said, for a person.
    package let detail: String
    /// How long the server wants not to be asked again; nil where it does not say.
    package let retryAfter: Duration?

    /// A refusal with that code; `reason` is what our server adds to it (docs/protocol.md, "Why an upload is refused").
    package init(code: Int, reason: UploadRefusalReason? = nil) {
        cause = reason.map { Cause($0) } ?? .server
        detail = Self.detail(code, reason)
        retryAfter = nil
    }

    /// A refusal in other terms than codes of the classic dialect.
    init(cause: Cause, detail: String, retryAfter: Duration? = nil) {
        self.cause = cause
        self.detail = detail
        self.retryAfter = retryAfter
    }

    /// The server answered something that makes no sense.
    init(senseless detail: String) {
        self.init(cause: .server, detail: detail)
    }

    private static func detail(_ code: Int, _ reason: UploadRefusalReason?) -> String {
        switch reason {
        case .name: "the server does not take a file of this name (\(code))"
        case .tooLarge: "the file is larger than the server takes (\(code))"
        case .quota: "the user's files on the server have no room for it (\(code))"
        case .tooManyUploads: "the user has too many unfinished uploads on the server (\(code))"
        case .noRoom: "the server's disk is full (\(code))"
        case .notWritable: "the server's system does not let it write there (\(code))"
        case .unavailable: "a store of the server does not answer (\(code))"
        case .closed: "the server takes no such uploads (\(code))"
        case nil:
            switch ClassicError(rawValue: code) {
            // The one code for a full disk, a used up quota and a file that is too large, where the server says no more.
            case .writePermission:
                "1015: the server may not write the file: there is no room for it, or it may not be stored"
            case let error?: error.description
            case nil: "the server answered \(code)"
            }
        }
    }

    /// What a person can do about it.
    var remedy: String {
        switch cause {
        case .file: "put right or remove the file; avatarctl upload FILE tries again"
        case .account: "make room on the server; it is tried again by itself, and at once by avatarctl sync"
        case .server:
            "nothing is wrong with the file: it is tried again until the server takes it, and at once by avatarctl sync"
        }
    }
}
