import AvatarCore
import PosixFiles
import ServerRuntime
import ServerStores
import Synchronization
import Testing
import TransferMachines

/// What every store of avatars must do, whatever it stands on.
@Suite struct AvatarStoreContractTests {
    private let user: UserID
    private let other: UserID
    private let stranger: UserID

    init() throws {
        user = try #require(UserID(Int64(1019)))
        other = try #require(UserID(Int64(1020)))
        stranger = try #require(UserID(Int64(77)))
    }

    private func content(_ text: String, inode: UInt64 = 1) throws -> FileContent {
        let bytes = Array(text.utf8)
        return FileContent(
            sha256: try SHA256Digest(of: bytes.span.bytes), format: .png,
            stamp: FileStamp(inode: inode, size: Int64(bytes.count), modified: 1_700_000_000_123_456_789))
    }

    @Test(arguments: StoreKind.allCases) func anAvatarIsTheIconAndFoundByItsExactName(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let stores = try backend.stores()
            let name = try AvatarName("Kopf 头像 'x'; -- ?.png")
            let content = try content("one", inode: .max)
            let avatar = try #require(try stores.avatars.setAvatar(name, content, of: user, .uploaded))
            #expect(
                avatar
                    == Avatar(name: name, sha256: content.sha256, size: 3, format: .png, generation: avatar.generation))
            #expect(try stores.users.icon(of: user) == name.string)
            #expect(try stores.users.users(withIcon: name) == [user])
            #expect(try stores.users.users(withIcon: AvatarName("kopf 头像 'x'; -- ?.png")) == [])
            #expect(try stores.avatars.setAvatar(name, content, of: other, .uploaded) != nil)
            #expect(try stores.users.users(withIcon: name) == [user, other])
            let record = try #require(try backend.stores().avatars.current(of: user)?.record)
            #expect(record.avatar == avatar)
            #expect(record.stamp == content.stamp)
        }
    }

    /// What is remembered of a user's icon, where anything is, is never what was before this store's own change.
    @Test(arguments: StoreKind.allCases) func whatIsRememberedOfAnIconIsTheLastThatWasSet(kind: StoreKind) async throws
    {
        try await TestBackend.with(kind) { backend in
            let avatars = try backend.stores().avatars
            #expect(avatars.currentAtOnce(of: user) == nil)
            for text in ["one", "two"] {
                _ = try avatars.setAvatar(AvatarName("a.png"), content(text), of: user, .uploaded)
                #expect(avatars.currentAtOnce(of: user) == nil)
                let icon = try avatars.current(of: user)
                #expect(avatars.currentAtOnce(of: user) == (kind == .embedded ? icon : nil))
            }
            _ = try avatars.removeAvatar(of: user)
            #expect(avatars.currentAtOnce(of: user) == nil)
        }
    }

    @Test(arguments: StoreKind.allCases) func avatarsThatAreSetTogetherAreChangesOneByOne(kind: StoreKind) async throws
    {
        try await TestBackend.with(kind) { backend async throws in
            let stores = try backend.stores()
            let files = [("a.png", "one"), ("b.png", "two"), ("a.png", "three")]
            let set = try stores.avatars.setAvatars(
                try files.map { (name: try AvatarName($0.0), content: try content($0.1)) }, of: user)
            #expect(set.map { $0?.name.string } == ["a.png", "b.png", "a.png"])
            #expect(set.compactMap { $0?.generation } == [1, 2, 3])
            #expect(try stores.avatars.current(of: user)?.record?.avatar == set.last ?? nil)
            #expect(try stores.avatars.changes(after: 0, limit: 10).map(\.avatar) == set)
            let nobody = try stores.avatars.setAvatars([(try AvatarName("a.png"), try content("one"))], of: stranger)
            #expect(nobody.compactMap(\.self).isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases) func nobodysAvatarIsNotSet(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let stores = try backend.stores()
            #expect(try stores.avatars.setAvatar(AvatarName("a.png"), content("one"), of: stranger, .uploaded) == nil)
            #expect(try stores.users.icon(of: stranger) == nil)
            #expect(try stores.avatars.current(of: stranger) == nil)
            #expect(try stores.avatars.logRange().newest == 0)
        }
    }

    @Test(arguments: StoreKind.allCases) func onlyAnotherNameOrContentIsAChange(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let avatars = try backend.stores().avatars
            let (a, b) = (try AvatarName("a.png"), try AvatarName("b.png"))
            for (name, text, inode) in [(a, "one", 1), (a, "one", 2), (a, "two", 3), (b, "two", 4)] as [(_, _, UInt64)]
            {
                _ = try avatars.setAvatar(name, content(text, inode: inode), of: user, .uploaded)
            }
            let changes = try avatars.changes(after: 0, limit: 10)
            #expect(changes.map(\.generation) == [1, 2, 3])
            #expect(changes.map(\.cursor) == [1, 2, 3])
            #expect(changes.map(\.user) == [user, user, user])
            #expect(changes.map { $0.avatar?.name } == [a, a, b])
            #expect(
                try changes.map { $0.avatar?.sha256 } == [
                    content("one").sha256, content("two").sha256, content("two").sha256,
                ])
            #expect(try avatars.current(of: user)?.record?.stamp.inode == 4)
        }
    }

    @Test(arguments: StoreKind.allCases) func aFoundFileCountsOnlyWhileItIsTheIcon(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let avatars = try backend.stores().avatars
            let (a, b) = (try AvatarName("a.png"), try AvatarName("b.png"))
            _ = try avatars.setAvatar(a, content("one"), of: user, .uploaded)
            #expect(try avatars.setAvatar(b, content("two"), of: user, .found) == nil)
            #expect(try avatars.current(of: user)?.record?.avatar.name == a)
            #expect(try avatars.setAvatar(a, content("two"), of: user, .found)?.generation == 2)
            #expect(try avatars.changes(after: 1, limit: 10).count == 1)
        }
    }

    @Test(arguments: StoreKind.allCases) func aRemovedAvatarIsAChangeToo(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let stores = try backend.stores()
            let name = try AvatarName("a.png")
            _ = try stores.avatars.setAvatar(name, content("one"), of: user, .uploaded)
            #expect(try stores.avatars.removeAvatar(of: user))
            #expect(try !stores.avatars.removeAvatar(of: user))
            #expect(try stores.users.icon(of: user) ?? "" == "")
            #expect(try stores.avatars.current(of: user) == nil)
            let removal = try #require(try stores.avatars.changes(after: 1, limit: 10).first)
            #expect(removal == LoggedChange(cursor: 2, user: user, generation: 2, avatar: nil))
            // The same picture again is news.
            #expect(try stores.avatars.setAvatar(name, content("one"), of: user, .uploaded)?.generation == 3)
            #expect(try stores.avatars.logRange().newest == 3)
        }
    }

    @Test(arguments: StoreKind.allCases) func theLogKeepsItsEpochAndTheLastChanges(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let avatars = try backend.avatars(changesKept: 3)
            let epoch = try avatars.logRange().epoch
            #expect(!epoch.isEmpty)
            #expect(try avatars.logRange() == ChangeLogRange(epoch: epoch, oldest: 1, newest: 0))
            for index in 1...5 {
                _ = try avatars.setAvatar(AvatarName("\(index).png"), content("x"), of: user, .uploaded)
            }
            let range = try backend.stores().avatars.logRange()
            #expect(range == ChangeLogRange(epoch: epoch, oldest: 3, newest: 5))
            #expect(try avatars.changes(after: 0, limit: 2).map(\.cursor) == [3, 4])
            #expect(try avatars.changes(after: 4, limit: 2).map(\.cursor) == [5])
            #expect(try avatars.changes(after: 5, limit: 2).isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: StoreKind.allCases)
    func aChangeRings(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let writer = try backend.stores().avatars
            // In the cluster an instance hears of what another one has changed.
            let hearer = kind == .cluster ? try backend.stores().avatars : writer
            let (rings, ring) = AsyncStream.makeStream(of: Void.self)
            hearer.onChange { ring.yield() }
            var waiting = rings.makeAsyncIterator()
            // A subscription that has come about rings once, as after an outage.
            if kind == .cluster { await waiting.next() }
            _ = try writer.setAvatar(AvatarName("a.png"), content("one"), of: user, .uploaded)
            await waiting.next()
            _ = try writer.removeAvatar(of: user)
            await waiting.next()
        }
    }

    /// None of them has a row yet, so that all insert side by side.
    @Test(arguments: StoreKind.allCases) func manyUsersGetTheirFirstAvatarsAtOnce(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let users = try (2000..<2100).map { try #require(UserID(Int64($0))) }
            for user in users { try backend.addUser(user.value) }
            let (avatars, name) = (try backend.stores().avatars, try AvatarName("a.png"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<10 {
                    group.addTask {
                        for user in users.dropFirst(lane * 10).prefix(10) {
                            _ = try avatars.setAvatar(name, content("\(user)"), of: user, .uploaded)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try avatars.logRange().newest == 100)
        }
    }

    @Test(arguments: StoreKind.allCases) func changesFromManyThreadsHaveOneOrderWithoutGaps(kind: StoreKind)
        async throws
    {
        try await TestBackend.with(kind) { backend async throws in
            let avatars = try backend.stores().avatars
            let users = [user, other]
            try await withThrowingTaskGroup { tasks in
                for index in 0..<20 {
                    tasks.addTask {
                        let content = try content("\(index)")
                        _ = try avatars.setAvatar(AvatarName("a.png"), content, of: users[index % 2], .uploaded)
                    }
                }
                try await tasks.waitForAll()
            }
            let changes = try avatars.changes(after: 0, limit: 100)
            #expect(changes.map(\.cursor) == Array(1...20))
            for user in users {
                #expect(changes.filter { $0.user == user }.map(\.generation) == Array(1...10))
            }
        }
    }
}
