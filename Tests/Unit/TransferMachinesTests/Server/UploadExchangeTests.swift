import AvatarCore
import Testing
import TransferMachines

/// Scripts: a chunk comes, the machine says what to do, and is told what came of it.
@Suite struct UploadExchangeTests {
    private let key: ResourceKey
    private let md5: MD5Digest
    private let fresh = UploadID(high: 1, low: 2)
    private let old = UploadID(high: 3, low: 4)

    init() throws {
        key = ResourceKey(owner: UserID(7), name: try AvatarName("a.png"))
        md5 = try #require(MD5Digest(hex: "00112233445566778899aabbccddeeff"))
    }

    /// Chunk `seq` of 5000 bytes in chunks of 2048.
    private func chunk(
        _ seq: Int64, uid: Int64 = 7, name: String = "a.png", totalSize: Int64 = 5000, md5: String? = nil,
        transSize: Int64? = nil, last: Bool? = nil, bytes: Int64? = nil, isHead: Bool = true
    ) -> ReceivedChunk {
        let end = min(seq * 2048, totalSize)
        return ReceivedChunk(
            isHead: isHead, uid: uid, name: name, md5: md5 ?? self.md5.hex, seq: seq, totalSize: totalSize,
            transSize: transSize ?? end, last: last ?? (end == totalSize), bytes: bytes ?? (end - (seq - 1) * 2048),
            token: seq == 1 ? "secret" : nil)
    }

    private func upload(
        _ chunk: ReceivedChunk, quota: Int64? = nil, openUpload: Bool = false, shownToken: String? = nil
    ) -> UploadExchange {
        UploadExchange(
            chunk, settings: .init(bytesMax: 1_000_000, quotaBytes: quota, openUpload: openUpload),
            shownToken: shownToken, freshID: fresh)
    }

    private func record(_ id: UploadID, totalSize: Int64 = 5000, chunkSize: Int64 = 2048, isComplete: Bool = false)
        -> UploadRecord
    {
        UploadRecord(
            key: key, uploadID: id, md5: md5, totalSize: totalSize, chunkSize: chunkSize, isComplete: isComplete)
    }

    @Test func aFirstChunkShowsItsTokenAndBegins() {
        var exchange = upload(chunk(1))
        #expect(exchange.start() == .checkToken("secret", UserID(7)!))
        #expect(exchange.handle(.token(.valid)) == .loadProgress(key))
        #expect(exchange.handle(.progress(nil, held: nil)) == .measureUse(key))
        #expect(exchange.handle(.use(bytes: 0, uploads: 0)) == .begin(record(fresh), replacing: nil))
        #expect(exchange.handle(.done) == .advance(record(fresh), held: 2048))
        #expect(exchange.handle(.done) == .reply(nil))
    }

    @Test func aTokenThatWasConfirmedAMomentAgoIsNotAskedForAgain() {
        var exchange = UploadExchange(
            chunk(1), settings: .init(bytesMax: 1_000_000), isAuthenticated: true, freshID: fresh)
        #expect(exchange.start() == .loadProgress(key))
    }

    @Test func theNextChunkIsAppendedAndNeedsNoToken() {
        var exchange = upload(chunk(2))
        #expect(exchange.start() == .loadProgress(key))
        #expect(exchange.handle(.progress(record(old), held: 2048)) == .append(record(old), offset: 2048))
        #expect(exchange.handle(.done) == .advance(record(old), held: 4096))
        #expect(exchange.handle(.done) == .reply(nil))
    }

    @Test func theLastChunkIsAcknowledgedOnlyWhenFileIconAndRecordAreThere() {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old), held: 4096)) == .append(record(old), offset: 4096))
        #expect(exchange.handle(.done) == .advance(record(old), held: 5000))
        #expect(exchange.handle(.done) == .verify(old))
        #expect(exchange.handle(.verified(size: 5000, md5: md5)) == .commit(record(old), quota: nil))
        #expect(exchange.handle(.committed(fitsQuota: true)) == .setIcon(key.name, UserID(7)!))
        #expect(exchange.handle(.icon(userExists: true)) == .complete(record(old, isComplete: true)))
        #expect(exchange.handle(.done) == .reply(nil))
    }

    /// Its reply was lost: it comes again, is not written again, and is the icon all the same.
    @Test func aPictureOfOneChunkThatIsThereIsAcknowledgedAgain() {
        var exchange = upload(chunk(1, totalSize: 1000))
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        let there = record(old, totalSize: 1000, chunkSize: 1000, isComplete: true)
        #expect(exchange.handle(.progress(there, held: 1000)) == .compare(.file(key), offset: 0))
        #expect(exchange.handle(.compared(true)) == .setIcon(key.name, UserID(7)!))
        #expect(exchange.handle(.icon(userExists: true)) == .complete(there))
        #expect(exchange.handle(.done) == .reply(nil))
    }

    @Test func otherBytesUnderTheSamePromiseOfOneChunkBeginAnew() {
        var exchange = upload(chunk(1, totalSize: 1000))
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        _ = exchange.handle(.progress(record(old, totalSize: 1000, chunkSize: 1000, isComplete: true), held: 1000))
        #expect(exchange.handle(.compared(false)) == .measureUse(key))
        #expect(
            exchange.handle(.use(bytes: 0, uploads: 0))
                == .begin(record(fresh, totalSize: 1000, chunkSize: 1000), replacing: nil))
    }

    @Test func aTornWriteIsWrittenOver() {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old), held: 3000)) == .append(record(old), offset: 2048))
    }

    @Test func aChunkThatIsHeldIsComparedAndNotWritten() {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old), held: 4096)) == .compare(.part(old), offset: 2048))
        #expect(exchange.handle(.compared(true)) == .reply(nil))
    }

    @Test func aHeldChunkWithOtherBytesEndsTheUpload() {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 4096))
        #expect(exchange.handle(.compared(false)) == .discard(record(old)))
        #expect(exchange.handle(.done) == .reply(.seqInvalid))
    }

    @Test func aFirstChunkThatIsHeldGoesOnWithTheUploadThatHoldsIt() {
        var exchange = upload(chunk(1))
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        #expect(exchange.handle(.progress(record(old), held: 4096)) == .compare(.part(old), offset: 0))
        #expect(exchange.handle(.compared(true)) == .reply(nil))
    }

    @Test func aFirstChunkWithOtherBytesReplacesTheUpload() {
        var exchange = upload(chunk(1))
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        _ = exchange.handle(.progress(record(old), held: 4096))
        #expect(exchange.handle(.compared(false)) == .measureUse(key))
        #expect(exchange.handle(.use(bytes: 0, uploads: 0)) == .begin(record(fresh), replacing: old))
    }

    /// A crash between the write and the rename: the last chunk comes again, and what is left is done.
    @Test func theLastChunkAgainFinishesWhatACrashLeft() {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old), held: 5000)) == .compare(.part(old), offset: 4096))
        #expect(exchange.handle(.compared(true)) == .verify(old))
    }

    /// The icon's store was down when the file was in place: the last chunk comes again, and what is left is done.
    @Test func theLastChunkAgainFinishesWhatAStoreLeft() {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old), held: nil)) == .verifyFile(key))
        #expect(exchange.handle(.verified(size: 5000, md5: md5)) == .setIcon(key.name, UserID(7)!))
        #expect(exchange.handle(.icon(userExists: true)) == .complete(record(old, isComplete: true)))
        #expect(exchange.handle(.done) == .reply(nil))
    }

    @Test func aLostPartIsLostWhereTheFileIsAnotherOrTheChunkIsNotTheLast() throws {
        for digest in [md5, try #require(MD5Digest(hex: "ffffffffffffffffffffffffffffffff"))] {
            var exchange = upload(chunk(3))
            _ = exchange.start()
            _ = exchange.handle(.progress(record(old), held: nil))
            #expect(exchange.handle(.verified(size: digest == md5 ? 4999 : 5000, md5: digest)) == .reply(.progressLost))
        }
        var missing = upload(chunk(3))
        _ = missing.start()
        _ = missing.handle(.progress(record(old), held: nil))
        #expect(missing.handle(.failed(.missing)) == .reply(.progressLost))
        var second = upload(chunk(2))
        _ = second.start()
        #expect(second.handle(.progress(record(old), held: nil)) == .reply(.progressLost))
        var wrong = upload(chunk(3, md5: "ffffffffffffffffffffffffffffffff"))
        _ = wrong.start()
        #expect(wrong.handle(.progress(record(old), held: nil)) == .reply(.progressLost))
    }

    /// The reply was lost, or the user wants this picture for an icon once more: nothing is written again, and it is the icon.
    @Test func theLastChunkAgainMakesAFileThatIsThereTheIconOnceMore() {
        var exchange = upload(chunk(3), shownToken: "shown")
        _ = exchange.start()
        #expect(
            exchange.handle(.progress(record(old, isComplete: true), held: 5000)) == .compare(.file(key), offset: 4096))
        #expect(exchange.handle(.compared(true)) == .checkToken("shown", UserID(7)!), "it may have been replaced")
        #expect(exchange.handle(.token(.valid)) == .setIcon(key.name, UserID(7)!))
        #expect(exchange.handle(.icon(userExists: true)) == .complete(record(old, isComplete: true)))
        #expect(exchange.handle(.done) == .reply(nil))
    }

    /// A friend who downloaded an earlier picture knows its last chunk: it must not come back as the icon by that.
    @Test(arguments: [(String?.none, true), (nil, false), ("replaced", true), ("replaced", false)])
    func withoutAValidTokenTheLastChunkAgainSetsNothing(shownToken: String?, isIcon: Bool) {
        var exchange = upload(chunk(3), shownToken: shownToken)
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old, isComplete: true), held: 5000))
        var action = exchange.handle(.compared(true))
        if let shownToken {
            #expect(action == .checkToken(shownToken, UserID(7)!))
            action = exchange.handle(.token(.wrong))
        }
        #expect(action == .checkIcon(key.name, UserID(7)!))
        #expect(
            exchange.handle(.isIcon(isIcon)) == .reply(isIcon ? nil : .progressLost),
            "acknowledged where nothing is to be set, and else begun again at 1, where the token is shown")
    }

    @Test func anEarlierChunkOfACompleteFileIsOnlyAcknowledged() {
        var exchange = upload(chunk(2), shownToken: "shown")
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old, isComplete: true), held: 5000))
        #expect(exchange.handle(.compared(true)) == .reply(nil))
    }

    // MARK: 1003

    @Test func anOpenUploadOfAUserNeedsNoTokenAndIsTheIcon() {
        var exchange = upload(chunk(1, isHead: false), openUpload: true)
        #expect(exchange.start() == .checkToken("secret", UserID(7)!))
        #expect(exchange.handle(.token(.wrong)) == .loadProgress(key))
        #expect(exchange.handle(.progress(nil, held: nil)) == .measureUse(key))
        var last = upload(chunk(3, isHead: false), openUpload: true)
        #expect(last.start() == .loadProgress(key))
        #expect(last.handle(.progress(record(old), held: 4096)) == .append(record(old), offset: 4096))
        _ = last.handle(.done)
        #expect(last.handle(.done) == .verify(old))
        #expect(last.handle(.verified(size: 5000, md5: md5)) == .commit(record(old), quota: nil))
        #expect(last.handle(.committed(fitsQuota: true)) == .setIcon(key.name, UserID(7)!))
    }

    @Test func anOpenUploadOfNobodyKnownIsRefused() {
        var exchange = upload(chunk(1, isHead: false), openUpload: true)
        _ = exchange.start()
        #expect(exchange.handle(.token(.unknownUser)) == .reply(.uidInvalid))
    }

    // MARK: Why a chunk is refused

    @Test func aRefusalTellsWhatItIsAbout() {
        let cases: [(ReceivedChunk, UploadRefusalReason?)] = [
            (chunk(1, name: "../x"), .name), (chunk(1, totalSize: 1_000_001), .tooLarge),
            (chunk(1, isHead: false), .closed), (chunk(1, md5: "xyz"), nil), (chunk(1, bytes: 0), nil),
        ]
        for (chunk, reason) in cases {
            var exchange = upload(chunk)
            _ = exchange.start()
            #expect(exchange.reason == reason)
        }
    }

    @Test(arguments: [
        (StoreErrorCode.full, UploadRefusalReason?.some(.noRoom)), (.forbidden, .notWritable),
        (.unavailable, .unavailable), (.missing, nil), (.unsynced, nil),
    ])
    func aStoreThatFailsTellsWhatItIs(failure: StoreErrorCode, reason: UploadRefusalReason?) {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 2048))
        _ = exchange.handle(.failed(failure))
        #expect(exchange.reason == reason)
    }

    @Test func whatDoesNotFitIntoTheAccountIsTheAccounts() {
        for (bytes, uploads, reason) in [
            (Int64(5001), 0, UploadRefusalReason.quota), (0, Limits.Server.uploadsPerUserMax, .tooManyUploads),
        ] {
            var exchange = upload(chunk(1), quota: 10_000)
            _ = exchange.start()
            _ = exchange.handle(.token(.valid))
            _ = exchange.handle(.progress(nil, held: nil))
            #expect(exchange.handle(.use(bytes: bytes, uploads: uploads)) == .reply(.writePermission))
            #expect(exchange.reason == reason)
        }
    }

    @Test func aFileSentAgainFromItsFirstChunkIsANewUpload() {
        var exchange = upload(chunk(1))
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        #expect(exchange.handle(.progress(record(old, isComplete: true), held: 5000)) == .measureUse(key))
        #expect(exchange.handle(.use(bytes: 0, uploads: 0)) == .begin(record(fresh), replacing: nil))
    }

    @Test(arguments: [Int64(4999), 5001])
    func aPartOfAnotherSizeIsNoFile(size: Int64) {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 4096))
        _ = exchange.handle(.done)
        _ = exchange.handle(.done)
        #expect(exchange.handle(.verified(size: size, md5: md5)) == .discard(record(old)))
        #expect(exchange.handle(.done) == .reply(.progressLost))
    }

    @Test func aUserWithoutARowGetsAnErrorAndNotSilence() {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 4096))
        for _ in 0..<2 { _ = exchange.handle(.done) }
        _ = exchange.handle(.verified(size: 5000, md5: md5))
        _ = exchange.handle(.committed(fitsQuota: true))
        #expect(exchange.handle(.icon(userExists: false)) == .reply(.uidInvalid))
    }

    @Test func aChunkAheadOfItsTurnIsRefused() {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old), held: 2048)) == .reply(.seqInvalid))
    }

    @Test func aChunkWithNothingBeforeItIsLostProgress() {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        #expect(exchange.handle(.progress(nil, held: nil)) == .reply(.progressLost))
        var other = upload(chunk(2))
        _ = other.start()
        #expect(other.handle(.progress(record(old), held: nil)) == .reply(.progressLost))
    }

    @Test func aChunkOfAnotherFileShowsNoToken() {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        #expect(exchange.handle(.progress(record(old, totalSize: 6000), held: 2048)) == .reply(.tokenInvalid))
    }

    @Test(arguments: [(TokenVerdict.wrong, ClassicError.tokenInvalid), (.unknownUser, .uidInvalid)])
    func aTokenThatIsNotTheirsEndsIt(verdict: TokenVerdict, error: ClassicError) {
        var exchange = upload(chunk(1))
        _ = exchange.start()
        #expect(exchange.handle(.token(verdict)) == .reply(error))
    }

    @Test(arguments: [
        (StoreErrorCode.unavailable, ClassicError.saveProgressFailed), (.full, .writePermission),
        (.forbidden, .writePermission), (.missing, .progressLost), (.unsynced, .progressLost),
    ])
    func aStoreThatFailsIsToldByItsCode(failure: StoreErrorCode, error: ClassicError) {
        var exchange = upload(chunk(2))
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 2048))
        #expect(exchange.handle(.failed(failure)) == .reply(error))
    }

    @Test func whatMakesNoSenseIsRefusedBeforeAnythingIsAsked() {
        let cases: [(ReceivedChunk, ClassicError)] = [
            (chunk(1, uid: 0), .uidInvalid), (chunk(1, name: "../x"), .writePermission),
            (chunk(1, md5: "xyz"), .badJSON), (chunk(0, transSize: 0, bytes: 0), .seqInvalid),
            (chunk(1, totalSize: 1_000_001), .writePermission), (chunk(1, bytes: 0), .offsetInvalid),
            (chunk(1, transSize: 5001), .offsetInvalid), (chunk(1, last: true), .offsetInvalid),
            (chunk(3, last: false), .offsetInvalid), (chunk(1, bytes: 100), .offsetInvalid),
            (chunk(1, transSize: 2048, bytes: 4000), .offsetInvalid), (chunk(1, isHead: false), .writePermission),
        ]
        for (chunk, error) in cases {
            var exchange = upload(chunk)
            #expect(exchange.start() == .reply(error))
        }
    }

    @Test func aQuotaAndTheNumberOfUploadsAreHeldAtTheFirstChunk() {
        for (use, refused) in [((Int64(5000), 0), false), ((5001, 0), true), ((0, 64), true)] {
            var exchange = upload(chunk(1), quota: 10_000)
            _ = exchange.start()
            _ = exchange.handle(.token(.valid))
            _ = exchange.handle(.progress(nil, held: nil))
            let action = exchange.handle(.use(bytes: use.0, uploads: use.1))
            #expect((action == .reply(.writePermission)) == refused)
        }
    }

    @Test func whatFitsIntoTheQuotaIsReservedBeforeTheUploadBegins() {
        for fits in [true, false] {
            var exchange = upload(chunk(1), quota: 10_000)
            _ = exchange.start()
            _ = exchange.handle(.token(.valid))
            _ = exchange.handle(.progress(nil, held: nil))
            #expect(exchange.handle(.use(bytes: 3000, uploads: 0)) == .reserve(5000, key, room: 7000))
            #expect(
                exchange.handle(.reserved(fits))
                    == (fits ? .begin(record(fresh), replacing: nil) : .reply(.writePermission)))
        }
    }

    /// Other instances begin uploads too: what is stored is counted once more when the file is put into place.
    @Test func aFileThatDoesNotFitIntoTheQuotaAtItsEndIsDiscarded() {
        var exchange = upload(chunk(3), quota: 10_000)
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 4096))
        for _ in 0..<2 { _ = exchange.handle(.done) }
        #expect(exchange.handle(.verified(size: 5000, md5: md5)) == .commit(record(old), quota: 10_000))
        #expect(exchange.handle(.committed(fitsQuota: false)) == .discard(record(old)))
        #expect(exchange.handle(.done) == .reply(.writePermission))
    }

    /// The kernel drops pages that it cannot write and says so once: a second sync would succeed without them.
    @Test func whatFailedToSyncIsThrownAwayAndSentAgainFromItsFirstChunk() {
        var exchange = upload(chunk(3))
        _ = exchange.start()
        _ = exchange.handle(.progress(record(old), held: 4096))
        for _ in 0..<2 { _ = exchange.handle(.done) }
        _ = exchange.handle(.verified(size: 5000, md5: md5))
        #expect(exchange.handle(.failed(.unsynced)) == .discard(record(old)))
        #expect(exchange.handle(.done) == .reply(.progressLost))
        var again = upload(chunk(3))
        _ = again.start()
        #expect(again.handle(.progress(record(old), held: nil)) == .verifyFile(key))
        #expect(again.handle(.failed(.unsynced)) == .discard(record(old)))
        #expect(again.handle(.done) == .reply(.progressLost))
    }

    @Test func anEmptyFileIsOneChunk() {
        var exchange = upload(chunk(1, totalSize: 0, transSize: 0, last: true, bytes: 0))
        _ = exchange.start()
        _ = exchange.handle(.token(.valid))
        _ = exchange.handle(.progress(nil, held: nil))
        #expect(
            exchange.handle(.use(bytes: 0, uploads: 0))
                == .begin(record(fresh, totalSize: 0, chunkSize: 0), replacing: nil))
        _ = exchange.handle(.done)
        #expect(exchange.handle(.done) == .verify(fresh))
    }
}
