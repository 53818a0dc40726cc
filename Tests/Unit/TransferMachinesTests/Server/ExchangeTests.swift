import AvatarCore
import Testing
import TransferMachines

@Suite struct DownloadExchangeTests {
    private let own: ResourceKey
    private let friends: ResourceKey

    init() throws {
        own = ResourceKey(owner: UserID(7), name: try AvatarName("a.png"))
        friends = ResourceKey(owner: UserID(8), name: try AvatarName("a.png"))
    }

    private func download(
        _ seq: Int64 = 1, uid: Int64 = 7, name: String = "a.png", isAuthenticated: Bool = false, owner: UserID? = nil
    ) -> DownloadExchange {
        DownloadExchange(
            uid: uid, name: name, seq: seq, token: "t", chunkBytes: 2048, isAuthenticated: isAuthenticated,
            begunOwner: owner)
    }

    @Test func theAskersOwnFileComesFirst() {
        var exchange = download(3)
        #expect(exchange.start() == .checkToken("t", UserID(7)!))
        #expect(exchange.handle(.token(.valid)) == .open(own))
        #expect(exchange.handle(.opened(size: 5000)) == .read(4096..<5000))
        guard case .reply(.chunk(let chunk)) = exchange.handle(.read(904)) else { return #expect(Bool(false)) }
        #expect(chunk.key == own)
        #expect(chunk.totalSize == 5000)
        #expect(chunk.isLast)
    }

    @Test func thenTheOneUserWhoseIconItIs() {
        var exchange = download()
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        #expect(exchange.handle(.opened(size: nil)) == .findOwners(own.name))
        #expect(exchange.handle(.owners([UserID(8)!])) == .open(friends))
        #expect(exchange.handle(.opened(size: 5000)) == .read(0..<2048))
    }

    @Test(arguments: [[], [8, 9]] as [[Int64]])
    func anIconOfNobodyOrOfSeveralIsNoFile(owners: [Int64]) {
        var exchange = download()
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        _ = exchange.handle(.opened(size: nil))
        #expect(exchange.handle(.owners(owners.compactMap { UserID($0) })) == .reply(.error(.fileNotExists)))
    }

    @Test func aDownloadThatThisConnectionBeganGoesOnWithTheSameOwner() {
        var exchange = download(2, owner: UserID(8))
        #expect(exchange.start() == .open(friends))
        var own = download(2, owner: UserID(7))
        #expect(own.start() == .open(self.own))
        // Not the picture of another user that has the same name meanwhile.
        #expect(own.handle(.opened(size: nil)) == .reply(.error(.fileNotExists)))
    }

    /// A token that was replaced must not read on where it never began, however well it was known a moment ago.
    @Test func aLaterChunkOfADownloadThatThisConnectionNeverBeganNeedsAValidToken() {
        var exchange = download(2, isAuthenticated: true)
        #expect(exchange.start() == .checkToken("t", UserID(7)!))
        #expect(exchange.handle(.token(.wrong)) == .reply(.error(.tokenInvalid)))
    }

    @Test func aFirstChunkAsksForTheOwnerAnew() {
        var exchange = download(1, isAuthenticated: true, owner: UserID(9))
        #expect(exchange.start() == .open(own))
        #expect(exchange.handle(.opened(size: nil)) == .findOwners(own.name))
    }

    @Test func whatLiesOutsideTheFileIsAWrongOffset() {
        for (seq, size) in [(Int64(4), Int64(5000)), (1, 0), (Int64.max, 5000)] {
            var exchange = download(seq, owner: UserID(7))
            if exchange.start() != .open(own) { _ = exchange.handle(.token(.valid)) }
            #expect(exchange.handle(.opened(size: size)) == .reply(.error(.offsetInvalid)))
        }
    }

    @Test func aFileThatShrinksWhileItIsReadIsAReadError() {
        var exchange = download(2, owner: UserID(7))
        _ = exchange.start()
        _ = exchange.handle(.opened(size: 5000))
        #expect(exchange.handle(.read(100)) == .reply(.error(.readFailed)))
    }

    @Test func whatMakesNoSenseIsRefusedBeforeAnythingIsAsked() {
        for (exchange, error) in [
            (download(uid: 0), ClassicError.uidInvalid), (download(name: "../x"), .readPermission),
            (download(0), .seqInvalid),
        ] {
            var exchange = exchange
            #expect(exchange.start() == .reply(.error(error)))
        }
    }
}

@Suite struct SyncExchangeTests {
    private let record: UploadRecord
    private let md5 = "00112233445566778899aabbccddeeff"

    init() throws {
        record = UploadRecord(
            key: ResourceKey(owner: UserID(7), name: try AvatarName("a.png")), uploadID: UploadID(high: 1, low: 2),
            md5: try #require(MD5Digest(hex: md5)), totalSize: 5000, chunkSize: 2048)
    }

    @Test func byUserAndNameItTellsTheWholeChunksHeld() {
        var exchange = SyncExchange(md5: md5, uid: 7, name: "a.png", uploads: [])
        #expect(exchange.start() == .loadProgress(record.key))
        #expect(
            exchange.handle(.progress(record, held: 4500)) == .reply(.progress(record, seq: 2, transSize: 4096)))
    }

    @Test func byMD5AloneOnlyAConnectionOfTheUploadIsTold() {
        var stranger = SyncExchange(md5: md5, uid: nil, name: nil, uploads: [])
        #expect(stranger.start() == .findUploads(record.md5))
        #expect(stranger.handle(.records([record])) == .reply(.error(.fileNotExists)))
        var known = SyncExchange(md5: md5, uid: nil, name: nil, uploads: [record.key])
        _ = known.start()
        #expect(known.handle(.records([record])) == .loadProgress(record.key))
    }

    @Test func twoUploadsWithOneMD5AreAmbiguous() {
        var exchange = SyncExchange(md5: md5, uid: nil, name: nil, uploads: [record.key])
        _ = exchange.start()
        #expect(exchange.handle(.records([record, record])) == .reply(.error(.fileNotExists)))
    }
}

@Suite struct ResourceOrderTests {
    private let key: ResourceKey
    private let other: ResourceKey

    init() throws {
        key = ResourceKey(owner: UserID(1), name: try AvatarName("a"))
        other = ResourceKey(owner: UserID(1), name: try AvatarName("b"))
    }

    @Test func writesOfOneResourceComeOneAfterTheOther() {
        var order = ResourceOrder()
        #expect(order.submit(1, to: key, .write) == .atOnce)
        #expect(order.submit(2, to: key, .write) == .later)
        #expect(order.submit(3, to: key, .write) == .later)
        #expect(order.finish(1) == [2])
        #expect(order.finish(2) == [3])
        #expect(order.finish(3) == [])
        #expect(order.activeCount == 0)
    }

    @Test func differentResourcesDoNotWaitForEachOther() {
        var order = ResourceOrder()
        #expect(order.submit(1, to: key, .write) == .atOnce)
        #expect(order.submit(2, to: other, .write) == .atOnce)
    }

    /// A last chunk sets the user's icon: the last that came decides.
    @Test func jobsThatSetTheIconOfOneUserComeOneAfterTheOther() throws {
        let user = try #require(UserID(1))
        var order = ResourceOrder()
        #expect(order.submit(1, to: key, .write) == .atOnce)
        #expect(order.submit(2, to: key, .write, icon: user) == .later)
        #expect(order.submit(3, to: other, .write, icon: user) == .later)
        #expect(order.submit(4, to: other, .write) == .later, "behind its own resource's")
        #expect(order.submit(5, to: ResourceKey(owner: UserID(2), name: key.name), .write, icon: UserID(2)) == .atOnce)
        #expect(order.finish(1) == [2])
        #expect(order.finish(2) == [3])
        #expect(order.finish(3) == [4])
        #expect(order.finish(4) == [] && order.finish(5) == [])
        #expect(order.activeCount == 0)
    }

    @Test func readsRunBesideEachOtherButNotAcrossAWrite() {
        var order = ResourceOrder()
        #expect(order.isReadable(key))
        #expect(order.submit(1, to: key, .read) == .atOnce)
        #expect(order.isReadable(key))
        #expect(order.submit(2, to: key, .read) == .atOnce)
        #expect(order.submit(3, to: key, .write) == .later)
        #expect(!order.isReadable(key))
        #expect(order.isReadable(other))
        #expect(order.submit(4, to: key, .read) == .later)
        #expect(order.submit(5, to: key, .read) == .later)
        #expect(order.finish(1) == [])
        #expect(order.finish(2) == [3])
        #expect(order.finish(3) == [4, 5])
    }
}
