import AvatarCore
internal import PosixFiles
internal import Synchronization
internal import TransferMachines

/// The tokens that the store has confirmed a moment ago for requests over HTTP, by their digests.
package final class RecentLogins: Sendable {
    private let digests = Mutex(
        RecentAnswers<UserID, SHA256Digest>(
            trust: Limits.Server.tokenTrust, countMax: Limits.Server.answersRememberedMax))

    package init() {}

    func knows(_ token: String, of user: UserID) -> Bool {
        let known = digests.withLock { $0.answer(for: user, now: SystemClock().now) }
        return known.map { $0 == Self.digest(token) } ?? false
    }

    func confirmed(_ token: String, of user: UserID) {
        guard let digest = Self.digest(token) else { return }
        digests.withLock { $0.keep(digest, for: user, asked: $0.mark, now: SystemClock().now) }
    }

    private static func digest(_ token: String) -> SHA256Digest? { try? SHA256Digest(of: Array(token.utf8).span.bytes) }
}
