import AvatarCore
import Testing
import TransferMachines

@Suite struct QuotaReservationsTests {
    private let keys: [ResourceKey]
    private let others: ResourceKey

    init() throws {
        keys = try (0..<8).map { ResourceKey(owner: UserID(1), name: try AvatarName("\($0).png")) }
        others = ResourceKey(owner: UserID(2), name: try AvatarName("0.png"))
    }

    @Test func uploadsBegunSideBySideFitIntoTheQuotaTogether() {
        var reservations = QuotaReservations()
        var begun: [ResourceKey] = []
        for key in keys where reservations.reserve(40_000, for: key, room: 100_000, holder: 1) { begun.append(key) }
        #expect(begun == Array(keys[..<2]))
        #expect(reservations.reserve(40_000, for: others, room: 100_000, holder: 1) == true)
    }

    @Test func theSameUploadAgainTakesThePlaceOfItsReservation() {
        var reservations = QuotaReservations()
        #expect(reservations.reserve(60_000, for: keys[0], room: 100_000, holder: 1) == true)
        #expect(reservations.reserve(90_000, for: keys[0], room: 100_000, holder: 2) == true)
        #expect(reservations.bytesReserved(besides: keys[1]) == 90_000)
        #expect(reservations.bytesReserved(besides: keys[0]) == 0)
        #expect(reservations.reserve(110_000, for: keys[0], room: 100_000, holder: 2) == false)
        #expect(reservations.bytesReserved(besides: keys[1]) == 90_000)
    }

    @Test func anUploadThatEndsGivesItsBytesBack() {
        var reservations = QuotaReservations()
        #expect(reservations.reserve(60_000, for: keys[0], room: 100_000, holder: 1) == true)
        #expect(reservations.reserve(60_000, for: keys[1], room: 100_000, holder: 1) == false)
        reservations.release(keys[0])
        #expect(reservations.isEmpty)
        #expect(reservations.reserve(60_000, for: keys[1], room: 100_000, holder: 1) == true)
    }

    /// A connection that closes gives back only what another has not taken over.
    @Test func aReservationBelongsToTheConnectionThatBroughtTheLastChunk() {
        var reservations = QuotaReservations()
        #expect(reservations.reserve(60_000, for: keys[0], room: 100_000, holder: 1) == true)
        reservations.renew(60_000, for: keys[0], holder: 2)
        reservations.release(keys[0], heldBy: 1)
        #expect(reservations.bytesReserved(besides: keys[1]) == 60_000)
        reservations.release(keys[0], heldBy: 2)
        #expect(reservations.isEmpty)
    }
}
