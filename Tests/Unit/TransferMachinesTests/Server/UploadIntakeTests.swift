import AvatarCore
import Testing
import TransferMachines

/// Scripts: a chunk comes, the machine says what to do, and is told what came of it.
@Suite struct UploadIntakeTests {
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

    private func intake(
        _ chunk: ReceivedChunk, quota: Int64? = nil, openUpload: Bool = false
    ) -> UploadIntake {
        UploadIntake(
            chunk, settings: .init(bytesMax: 1_000_000, quotaBytes: quota, openUpload: openUpload), freshID: fresh)
    }

    private func record(_ id: UploadID, totalSize: Int64 = 5000, chunkSize: Int64 = 2048, isComplete: Bool = false)
        -> UploadRecord
    {
        UploadRecord(
            key: key, uploadID: id, md5: md5, totalSize: totalSize, chunkSize: chunkSize, isComplete: isComplete)
    }

    @Test func aFirstChunkShowsItsTokenAndBegins() {
        var intake = intake(chunk(1))
        #expect(intake.start() == .checkToken("secret", UserID(7)!))
        #expect(intake.handle(.token(.valid)) == .loadProgress(key))
        #expect(intake.handle(.progress(nil, held: nil)) == .measureUse(key))
        #expect(intake.handle(.use(bytes: 0, uploads: 0)) == .begin(record(fresh), replacing: nil))
        #expect(intake.handle(.done) == .advance(record(fresh), held: 2048))
        #expect(intake.handle(.done) == .reply(nil))
    }

    @Test func aTokenThatWasConfirmedAMomentAgoIsNotAskedForAgain() {
        var intake = UploadIntake(
            chunk(1), settings: .init(bytesMax: 1_000_000), isProven: true, freshID: fresh)
        #expect(intake.start() == .loadProgress(key))
    }

    @Test func theNextChunkIsAppendedAndNeedsNoToken() {
        var intake = intake(chunk(2))
        #expect(intake.start() == .loadProgress(key))
        #expect(intake.handle(.progress(record(old), held: 2048)) == .append(record(old), offset: 2048))
        #expect(intake.handle(.done) == .advance(record(old), held: 4096))
        #expect(intake.handle(.done) == .reply(nil))
    }

    @Test func theLastChunkIsAcknowledgedOnlyWhenFileIconAndRecordAreThere() {
        var intake = intake(chunk(3))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old), held: 4096)) == .append(record(old), offset: 4096))
        #expect(intake.handle(.done) == .advance(record(old), held: 5000))
        #expect(intake.handle(.done) == .verify(old))
        #expect(intake.handle(.verified(size: 5000, md5: md5)) == .commit(record(old)))
        #expect(intake.handle(.done) == .setIcon(key.name, UserID(7)!))
        #expect(intake.handle(.icon(userExists: true)) == .complete(record(old, isComplete: true)))
        #expect(intake.handle(.done) == .reply(nil))
    }

    /// Its reply was lost: it comes again, is not written again, and is the icon all the same.
    @Test func aPictureOfOneChunkThatIsThereIsAcknowledgedAgain() {
        var intake = intake(chunk(1, totalSize: 1000))
        _ = intake.start()
        _ = intake.handle(.token(.valid))
        let there = record(old, totalSize: 1000, chunkSize: 1000, isComplete: true)
        #expect(intake.handle(.progress(there, held: 1000)) == .compare(.file(key), offset: 0))
        #expect(intake.handle(.compared(true)) == .setIcon(key.name, UserID(7)!))
        #expect(intake.handle(.icon(userExists: true)) == .complete(there))
        #expect(intake.handle(.done) == .reply(nil))
    }

    @Test func otherBytesUnderTheSamePromiseOfOneChunkBeginAnew() {
        var intake = intake(chunk(1, totalSize: 1000))
        _ = intake.start()
        _ = intake.handle(.token(.valid))
        _ = intake.handle(.progress(record(old, totalSize: 1000, chunkSize: 1000, isComplete: true), held: 1000))
        #expect(intake.handle(.compared(false)) == .measureUse(key))
        #expect(
            intake.handle(.use(bytes: 0, uploads: 0))
                == .begin(record(fresh, totalSize: 1000, chunkSize: 1000), replacing: nil))
    }

    @Test func aTornWriteIsWrittenOver() {
        var intake = intake(chunk(2))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old), held: 3000)) == .append(record(old), offset: 2048))
    }

    @Test func aChunkThatIsHeldIsComparedAndNotWritten() {
        var intake = intake(chunk(2))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old), held: 4096)) == .compare(.part(old), offset: 2048))
        #expect(intake.handle(.compared(true)) == .reply(nil))
    }

    @Test func aHeldChunkWithOtherBytesEndsTheUpload() {
        var intake = intake(chunk(2))
        _ = intake.start()
        _ = intake.handle(.progress(record(old), held: 4096))
        #expect(intake.handle(.compared(false)) == .discard(record(old)))
        #expect(intake.handle(.done) == .reply(.seqInvalid))
    }

    @Test func aFirstChunkThatIsHeldGoesOnWithTheUploadThatHoldsIt() {
        var intake = intake(chunk(1))
        _ = intake.start()
        _ = intake.handle(.token(.valid))
        #expect(intake.handle(.progress(record(old), held: 4096)) == .compare(.part(old), offset: 0))
        #expect(intake.handle(.compared(true)) == .reply(nil))
    }

    @Test func aFirstChunkWithOtherBytesReplacesTheUpload() {
        var intake = intake(chunk(1))
        _ = intake.start()
        _ = intake.handle(.token(.valid))
        _ = intake.handle(.progress(record(old), held: 4096))
        #expect(intake.handle(.compared(false)) == .measureUse(key))
        #expect(intake.handle(.use(bytes: 0, uploads: 0)) == .begin(record(fresh), replacing: old))
    }

    /// A crash between the write and the rename: the last chunk comes again, and what is left is done.
    @Test func theLastChunkAgainFinishesWhatACrashLeft() {
        var intake = intake(chunk(3))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old), held: 5000)) == .compare(.part(old), offset: 4096))
        #expect(intake.handle(.compared(true)) == .verify(old))
    }

    /// The icon's store was down when the file was in place: the last chunk comes again, and what is left is done.
    @Test func theLastChunkAgainFinishesWhatAStoreLeft() {
        var intake = intake(chunk(3))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old), held: nil)) == .verifyFile(key))
        #expect(intake.handle(.verified(size: 5000, md5: md5)) == .setIcon(key.name, UserID(7)!))
        #expect(intake.handle(.icon(userExists: true)) == .complete(record(old, isComplete: true)))
        #expect(intake.handle(.done) == .reply(nil))
    }

    @Test func aLostPartIsLostWhereTheFileIsAnotherOrTheChunkIsNotTheLast() throws {
        for digest in [md5, try #require(MD5Digest(hex: "ffffffffffffffffffffffffffffffff"))] {
            var intake = intake(chunk(3))
            _ = intake.start()
            _ = intake.handle(.progress(record(old), held: nil))
            #expect(intake.handle(.verified(size: digest == md5 ? 4999 : 5000, md5: digest)) == .reply(.progressLost))
        }
        var missing = intake(chunk(3))
        _ = missing.start()
        _ = missing.handle(.progress(record(old), held: nil))
        #expect(missing.handle(.failed(.missing)) == .reply(.progressLost))
        var second = intake(chunk(2))
        _ = second.start()
        #expect(second.handle(.progress(record(old), held: nil)) == .reply(.progressLost))
        var wrong = intake(chunk(3, md5: "ffffffffffffffffffffffffffffffff"))
        _ = wrong.start()
        #expect(wrong.handle(.progress(record(old), held: nil)) == .reply(.progressLost))
    }

    /// The reply was lost: the file is there already, and neither it nor the icon is touched again.
    @Test func theLastChunkAgainAfterTheFileIsThereIsOnlyAcknowledged() {
        var intake = intake(chunk(3))
        _ = intake.start()
        #expect(
            intake.handle(.progress(record(old, isComplete: true), held: 5000)) == .compare(.file(key), offset: 4096))
        #expect(intake.handle(.compared(true)) == .reply(nil))
    }

    @Test func aFileSentAgainFromItsFirstChunkIsANewUpload() {
        var intake = intake(chunk(1))
        _ = intake.start()
        _ = intake.handle(.token(.valid))
        #expect(intake.handle(.progress(record(old, isComplete: true), held: 5000)) == .measureUse(key))
        #expect(intake.handle(.use(bytes: 0, uploads: 0)) == .begin(record(fresh), replacing: nil))
    }

    @Test(arguments: [Int64(4999), 5001])
    func aPartOfAnotherSizeIsNoFile(size: Int64) {
        var intake = intake(chunk(3))
        _ = intake.start()
        _ = intake.handle(.progress(record(old), held: 4096))
        _ = intake.handle(.done)
        _ = intake.handle(.done)
        #expect(intake.handle(.verified(size: size, md5: md5)) == .discard(record(old)))
        #expect(intake.handle(.done) == .reply(.progressLost))
    }

    @Test func aUserWithoutARowGetsAnErrorAndNotSilence() {
        var intake = intake(chunk(3))
        _ = intake.start()
        _ = intake.handle(.progress(record(old), held: 4096))
        for _ in 0..<2 { _ = intake.handle(.done) }
        _ = intake.handle(.verified(size: 5000, md5: md5))
        _ = intake.handle(.done)
        #expect(intake.handle(.icon(userExists: false)) == .reply(.uidInvalid))
    }

    @Test func aChunkAheadOfItsTurnIsRefused() {
        var intake = intake(chunk(3))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old), held: 2048)) == .reply(.seqInvalid))
    }

    @Test func aChunkWithNothingBeforeItIsLostProgress() {
        var intake = intake(chunk(2))
        _ = intake.start()
        #expect(intake.handle(.progress(nil, held: nil)) == .reply(.progressLost))
        var other = self.intake(chunk(2))
        _ = other.start()
        #expect(other.handle(.progress(record(old), held: nil)) == .reply(.progressLost))
    }

    @Test func aChunkOfAnotherFileShowsNoToken() {
        var intake = intake(chunk(2))
        _ = intake.start()
        #expect(intake.handle(.progress(record(old, totalSize: 6000), held: 2048)) == .reply(.tokenInvalid))
    }

    @Test(arguments: [(TokenVerdict.wrong, ClassicError.tokenInvalid), (.unknownUser, .uidInvalid)])
    func aTokenThatIsNotTheirsEndsIt(verdict: TokenVerdict, error: ClassicError) {
        var intake = intake(chunk(1))
        _ = intake.start()
        #expect(intake.handle(.token(verdict)) == .reply(error))
    }

    @Test(arguments: [
        (StoreFailure.unavailable, ClassicError.saveProgressFailed), (.full, .writePermission),
        (.forbidden, .writePermission), (.missing, .progressLost),
    ])
    func aStoreThatFailsIsToldByItsCode(failure: StoreFailure, error: ClassicError) {
        var intake = intake(chunk(2))
        _ = intake.start()
        _ = intake.handle(.progress(record(old), held: 2048))
        #expect(intake.handle(.failed(failure)) == .reply(error))
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
            var intake = intake(chunk)
            #expect(intake.start() == .reply(error))
        }
    }

    @Test func aQuotaAndTheNumberOfUploadsAreHeldAtTheFirstChunk() {
        for (use, refused) in [((Int64(5000), 0), false), ((5001, 0), true), ((0, 64), true)] {
            var intake = intake(chunk(1), quota: 10_000)
            _ = intake.start()
            _ = intake.handle(.token(.valid))
            _ = intake.handle(.progress(nil, held: nil))
            let action = intake.handle(.use(bytes: use.0, uploads: use.1))
            #expect((action == .reply(.writePermission)) == refused)
        }
    }

    @Test func anEmptyFileIsOneChunk() {
        var intake = intake(chunk(1, totalSize: 0, transSize: 0, last: true, bytes: 0))
        _ = intake.start()
        _ = intake.handle(.token(.valid))
        _ = intake.handle(.progress(nil, held: nil))
        #expect(
            intake.handle(.use(bytes: 0, uploads: 0))
                == .begin(record(fresh, totalSize: 0, chunkSize: 0), replacing: nil))
        _ = intake.handle(.done)
        #expect(intake.handle(.done) == .verify(fresh))
    }
}
