import AvatarCore
import Testing

/// What becomes of a commit that a crash cut short.
@Suite struct CommitRecoveryTests {
    typealias Found = CommitRecovery.Found

    /// What was renamed is recorded, whatever lies where it came from, unless that is another hand's file.
    @Test(arguments: [Found.asIntended, .damaged, .replaced, .nothing])
    func whatWasRenamedIsRecorded(part: Found) {
        #expect(CommitRecovery(final: .asIntended, part: part) == .record)
    }

    @Test func anotherHandsFileGetsItsNameBack() {
        #expect(CommitRecovery(final: .asIntended, part: .another) == .giveBack)
    }

    @Test(arguments: [Found.replaced, .another, .nothing])
    func whatWasNotRenamedIsPlaced(final: Found) {
        #expect(CommitRecovery(final: final, part: .asIntended) == .place)
    }

    @Test func whatLostItsBytesGoes() {
        for part in Found.allCases { #expect(CommitRecovery(final: .damaged, part: part) == .removeDamaged) }
        for final in [Found.replaced, .another, .nothing] {
            #expect(CommitRecovery(final: final, part: .damaged) == .removeDamaged)
        }
    }

    @Test func whatIsNowhereIsForgotten() {
        for final in [Found.replaced, .another, .nothing] {
            for part in [Found.replaced, .another, .nothing] {
                #expect(CommitRecovery(final: final, part: part) == .forget)
            }
        }
    }

    /// A part is gone on with in the boot in which it was begun, from that server, for an hour.
    @Test func aPartHasAnOrigin() {
        let begun = MonotonicTime(nanoseconds: 5)
        let origin = PartOrigin(bootID: "b1", serverKey: "s", startedAt: begun)
        let late = begun + Limits.Download.partAge
        #expect(origin.isResumable(from: "s", bootID: "b1", now: begun))
        #expect(!origin.isResumable(from: "other", bootID: "b1", now: begun))
        #expect(!origin.isResumable(from: "s", bootID: "b2", now: begun))
        #expect(!origin.isResumable(from: "s", bootID: "b1", now: late))
        #expect(!origin.isAbandoned(bootID: "b1", now: begun))
        #expect(origin.isAbandoned(bootID: "b2", now: begun))
        #expect(origin.isAbandoned(bootID: "b1", now: late))
    }
}
