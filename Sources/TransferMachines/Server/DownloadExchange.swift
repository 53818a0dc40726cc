package import AvatarCore

/// Decides how the server answers one 1033: it checks who asks, finds the file, and reads the chunk.
///
/// The exchange looks for the name in the asker's folder, then in the folder of the one user whose current icon has that name
/// (docs/protocol.md, "Whose file"). It serves every seq that the file has. A later chunk needs a token that is valid now, unless
/// this connection began the same download with a token that was valid then.
package struct DownloadExchange: Sendable {
    /// What the driver has to do next. It answers every action but `reply` with an ``Input``; the arrow names which.
    package enum Action: Hashable, Sendable {
        /// → `token`.
        case checkToken(String, UserID)
        /// Opens a file → `opened`.
        case open(ResourceKey)
        /// Finds at most two users whose current icon has this name → `owners`.
        case findOwners(AvatarName)
        /// Reads that range of the open file → `read`.
        case read(Range<Int64>)
        case reply(Reply)
    }

    /// The result of an action.
    package enum Input: Hashable, Sendable {
        case token(TokenVerdict)
        /// Its size, or nil when there is none.
        case opened(size: Int64?)
        case owners([UserID])
        /// How many bytes came.
        case read(Int64)
        case failed(StoreErrorCode)
    }

    /// The reply to the client.
    package enum Reply: Hashable, Sendable {
        case error(ClassicError)
        /// The bytes that were read, and where they lie in the file.
        case chunk(Chunk)
    }

    /// Where the bytes of a reply come from.
    package struct Chunk: Hashable, Sendable {
        package let key: ResourceKey
        package let range: Range<Int64>
        package let totalSize: Int64
        package let isLast: Bool
    }

    private enum State {
        case new
        case checkingToken
        case openingOwn
        case findingOwner
        case openingOwners(ResourceKey)
        case reading(Chunk)
        case ended
    }

    private let uid: Int64
    private let name: String
    private let seq: Int64
    private let token: String
    private let chunkBytes: Int64
    private let isAuthenticated: Bool
    private let begunOwner: UserID?
    private var asker: UserID?
    private var wanted: AvatarName?
    private var state = State.new

    /// - Parameters:
    ///   - isAuthenticated: whether a first chunk needs no look at the store (``ServerSession/isAuthenticated(_:token:now:)``).
    ///   - begunOwner: in whose folder the file lies, when this connection has begun this download
    ///     (``ServerSession/ownerOfDownload(_:token:)``).
    package init(
        uid: Int64, name: String, seq: Int64, token: String, chunkBytes: Int64, isAuthenticated: Bool,
        begunOwner: UserID?
    ) {
        self.uid = uid
        self.name = name
        self.seq = seq
        self.token = token
        self.chunkBytes = chunkBytes
        self.isAuthenticated = isAuthenticated
        self.begunOwner = begunOwner
    }

    /// The first action.
    package mutating func start() -> Action {
        guard let asker = UserID(uid) else { return end(.uidInvalid) }
        guard let wanted = try? AvatarName(name) else { return end(.readPermission) }
        guard seq >= 1 else { return end(.seqInvalid) }
        self.asker = asker
        self.wanted = wanted
        if seq > 1, let begunOwner { return openOwners(begunOwner, wanted) }
        guard seq == 1, isAuthenticated else {
            state = .checkingToken
            return .checkToken(token, asker)
        }
        return openOwn()
    }

    /// The next action.
    package mutating func handle(_ input: Input) -> Action {
        if case .failed(let failure) = input { return failed(failure) }
        switch (state, input) {
        case (.checkingToken, .token(.valid)): return openOwn()
        case (.checkingToken, .token(.wrong)): return end(.tokenInvalid)
        case (.checkingToken, .token(.unknownUser)): return end(.uidInvalid)
        case (.openingOwn, .opened(let size)): return openedOwn(size)
        case (.findingOwner, .owners(let owners)): return found(owners)
        case (.openingOwners(let key), .opened(let size)):
            guard let size else { return end(.fileNotExists) }
            return opened(key, size)
        case (.reading(let chunk), .read(let count)):
            // There are fewer bytes than the size promised, so another program has cut the file meanwhile.
            guard count == Int64(chunk.range.count) else { return end(.readFailed) }
            state = .ended
            return .reply(.chunk(chunk))
        default: return end(.readFailed)
        }
    }

    private mutating func openOwn() -> Action {
        guard let asker, let wanted else { return end(.readFailed) }
        state = .openingOwn
        return .open(ResourceKey(owner: asker, name: wanted))
    }

    private mutating func openedOwn(_ size: Int64?) -> Action {
        guard let asker, let wanted else { return end(.readFailed) }
        if let size { return opened(ResourceKey(owner: asker, name: wanted), size) }
        state = .findingOwner
        return .findOwners(wanted)
    }

    private mutating func found(_ owners: [UserID]) -> Action {
        guard owners.count == 1, let owner = owners.first, let wanted else { return end(.fileNotExists) }
        return openOwners(owner, wanted)
    }

    private mutating func openOwners(_ owner: UserID, _ wanted: AvatarName) -> Action {
        let key = ResourceKey(owner: owner, name: wanted)
        state = .openingOwners(key)
        return .open(key)
    }

    private mutating func opened(_ key: ResourceKey, _ size: Int64) -> Action {
        // An empty file has no chunk, so every seq lies outside it: 1018, as on the seed's server.
        guard let geometry = ChunkGeometry(totalSize: size, chunkSize: chunkBytes),
            let range = geometry.range(of: seq)
        else { return end(.offsetInvalid) }
        state = .reading(Chunk(key: key, range: range, totalSize: size, isLast: geometry.isLast(seq)))
        return .read(range)
    }

    private mutating func failed(_ failure: StoreErrorCode) -> Action {
        switch failure {
        case .missing: end(.fileNotExists)
        case .forbidden: end(.readPermission)
        case .full, .unsynced, .unavailable: end(.readFailed)
        }
    }

    private mutating func end(_ error: ClassicError) -> Action {
        state = .ended
        return .reply(.error(error))
    }
}
