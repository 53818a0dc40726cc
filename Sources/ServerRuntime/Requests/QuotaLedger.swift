internal import AvatarCore
internal import NIOConcurrencyHelpers
internal import TransferMachines

/// ``TransferMachines/QuotaReservations`` for the threads of one server.
///
/// The reservations of other instances are not known here. What holds the quota among instances is the check under a lock when a file is
/// put into place (``FileStore/commitPart(_:as:quotaBytes:)``).
final class QuotaLedger: Sendable {
    typealias Holder = QuotaReservations.Holder

    private let reservations = NIOLockedValueBox(QuotaReservations())

    func reserve(_ bytes: Int64, for key: ResourceKey, room: Int64, holder: Holder) -> Bool {
        reservations.withLockedValue { $0.reserve(bytes, for: key, room: room, holder: holder) }
    }

    func renew(_ bytes: Int64, for key: ResourceKey, holder: Holder) {
        reservations.withLockedValue { $0.renew(bytes, for: key, holder: holder) }
    }

    func release(_ key: ResourceKey) { reservations.withLockedValue { $0.release(key) } }

    func release(_ key: ResourceKey, heldBy holder: Holder) {
        reservations.withLockedValue { $0.release(key, heldBy: holder) }
    }
}
