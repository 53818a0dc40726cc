package import AvatarCore

/// Which streams follow whom, within the bounds of ``Limits/Changes``.
package struct ChangeFollowers: Sendable {
    /// Whom a stream is counted for.
    package enum Owner: Hashable, Sendable {
        case user(UserID)
        /// Nobody has logged in.
        case address(ExactString)
    }

    /// Why a stream cannot begin.
    package enum Refusal: Error, Hashable, Sendable {
        case tooManyOfOwner(max: Int)
        case tooMany
    }

    package typealias StreamID = Int

    private var streams: [StreamID: (owner: Owner, users: Set<UserID>)] = [:]
    private var followers: [UserID: Set<StreamID>] = [:]
    private var owned: [Owner: Int] = [:]
    private var follows = 0
    private var last: StreamID = 0

    /// Nobody follows anybody.
    package init() {}

    var isEmpty: Bool { streams.isEmpty }

    package mutating func add(_ users: Set<UserID>, of owner: Owner) throws(Refusal) -> StreamID {
        let most =
            switch owner {
            case .user: Limits.Changes.streamsPerUserMax
            case .address: Limits.Changes.streamsPerAddressMax
            }
        guard owned[owner, default: 0] < most else { throw .tooManyOfOwner(max: most) }
        guard streams.count < Limits.Changes.streamsMax, follows + users.count <= Limits.Changes.followsMax else {
            throw .tooMany
        }
        last += 1
        streams[last] = (owner, users)
        owned[owner, default: 0] += 1
        follows += users.count
        for user in users { followers[user, default: []].insert(last) }
        return last
    }

    package mutating func remove(_ id: StreamID) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        follows -= stream.users.count
        let left = owned[stream.owner, default: 1] - 1
        owned[stream.owner] = left > 0 ? left : nil
        for user in stream.users {
            followers[user]?.remove(id)
            if followers[user]?.isEmpty == true { followers[user] = nil }
        }
    }

    /// The streams that follow `user`.
    package func streams(following user: UserID) -> Set<StreamID> { followers[user] ?? [] }
}
