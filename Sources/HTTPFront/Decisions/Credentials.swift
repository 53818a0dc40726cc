package import AvatarCore
internal import Foundation

/// Basic credentials (RFC 7617): the user id and the token.
package struct Credentials: Hashable, Sendable {
    package let user: UserID
    package let token: ExactString

    /// Reads an `Authorization` field; nil for what is no Basic login of a user.
    package init?(authorization field: String) {
        let words = field.split(separator: " ", maxSplits: 1)
        guard words.count == 2, words[0].lowercased() == "basic",
            let bytes = Data(base64Encoded: String(words[1])), let text = String(validating: bytes, as: UTF8.self),
            let colon = text.firstIndex(of: ":"), let user = UserID(digits: text[..<colon])
        else { return nil }
        self.user = user
        token = ExactString(String(text[text.index(after: colon)...]))
    }
}

/// The SHA-256 of a `Repr-Digest` field (RFC 9530).
package enum ReprDigest {
    /// Nil when the field has no SHA-256 digest, or one that is not of 32 bytes; other algorithms beside it are not looked at.
    package static func sha256(in field: String) -> SHA256Digest? {
        for member in field.split(separator: ",") {
            let member = member.drop { $0 == " " || $0 == "\t" }
            guard member.hasPrefix("sha-256=:"), member.hasSuffix(":"), member.utf8.count > 10 else { continue }
            return Data(base64Encoded: String(member.dropFirst(9).dropLast())).flatMap {
                SHA256Digest(bytes: Array($0))
            }
        }
        return nil
    }

    package static func field(_ digest: SHA256Digest) -> String {
        "sha-256=:\(Data(digest.bytes).base64EncodedString()):"
    }
}

/// Decides whether a login may be tried: after some wrong ones for one user an address must wait with that user, and after many for any
/// users with all of them. Others who try the same user need not, so that nobody can keep a user out.
///
/// Keys that nobody tries any more are forgotten after ``Limits/HTTP/loginWindow``, and the oldest when there are too many.
package struct LoginLimiter: Sendable {
    /// Whose attempts are counted.
    package enum Key: Hashable, Sendable {
        case address(ExactString)
        case user(UserID, from: ExactString)

        fileprivate var failuresMax: Int {
            switch self {
            case .address: Limits.HTTP.wrongLoginsPerAddressMax
            case .user: Limits.HTTP.wrongLoginsMax
            }
        }
    }

    /// What a login is counted under.
    package static func keys(address: String, user: UserID) -> [Key] {
        [.address(ExactString(address)), .user(user, from: ExactString(address))]
    }

    private struct Failures {
        var count: Int
        var until: MonotonicTime
        /// The last wrong login, by its hash: a token is no thing to keep.
        var last: Int?
    }

    private var failures: [Key: Failures] = [:]
    private var order: [Key] = []

    /// Nobody has tried.
    package init() {}

    /// Addresses, and users from an address.
    var remembered: Int { failures.count }

    /// How long these must wait; nil when the login may be tried.
    package func wait(_ keys: [Key], now: MonotonicTime) -> Duration? {
        keys.compactMap { key -> Duration? in
            guard let known = failures[key], known.until > now, known.count >= key.failuresMax else { return nil }
            return known.until - now
        }.max()
    }

    /// A login was wrong. The very login that was wrong before counts once: a client has many requests on their way when its token is replaced,
    /// and nobody guesses the same twice.
    package mutating func failed(_ keys: [Key], _ login: Credentials, now: MonotonicTime) {
        for key in keys {
            var known = failures[key] ?? Failures(count: 0, until: now)
            if known.until <= now { (known.count, known.last) = (0, nil) }
            guard known.last != login.hashValue else { continue }
            known.count += 1
            known.until = now + Limits.HTTP.loginWindow
            known.last = login.hashValue
            if failures.updateValue(known, forKey: key) == nil { order.append(key) }
        }
        while order.count > Limits.HTTP.loginsRememberedMax { failures[order.removeFirst()] = nil }
    }
}
