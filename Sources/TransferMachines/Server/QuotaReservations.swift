internal import AvatarCore

/// The part of each user's quota that uploads under way will use once they are finished, so that uploads which begin side by side fit
/// into the quota together.
///
/// A reservation belongs to the connection that brought the last chunk of the upload, and ends with that connection or with the upload.
/// An upload that goes on from another connection renews its reservation; the check when its file is put into place holds the quota in
/// any case.
package struct QuotaReservations: Sendable {
    /// Names a connection of this server.
    package typealias Holder = UInt64

    private struct Reservation {
        var bytes: Int64
        var holder: Holder
    }

    private var users: [UserID: [AvatarName: Reservation]] = [:]

    package init() {}

    /// Bytes reserved for the user's uploads, less the one of `key`.
    package func bytesReserved(besides key: ResourceKey) -> Int64 {
        guard let owner = key.owner, let uploads = users[owner] else { return 0 }
        return uploads.reduce(0) { $1.key == key.name ? $0 : $0 + $1.value.bytes }
    }

    /// Reserves `bytes` for the upload of `key`, in place of an earlier reservation for it, if everything reserved for its user then fits
    /// into `room`. Changes nothing and returns false otherwise.
    package mutating func reserve(_ bytes: Int64, for key: ResourceKey, room: Int64, holder: Holder) -> Bool {
        guard bytes <= room - bytesReserved(besides: key) else { return false }
        renew(bytes, for: key, holder: holder)
        return true
    }

    /// Reserves `bytes` for an upload that has begun already.
    package mutating func renew(_ bytes: Int64, for key: ResourceKey, holder: Holder) {
        guard let owner = key.owner else { return }
        users[owner, default: [:]][key.name] = Reservation(bytes: bytes, holder: holder)
    }

    /// The upload of `key` has ended.
    package mutating func release(_ key: ResourceKey) {
        guard let owner = key.owner else { return }
        users[owner]?[key.name] = nil
        if users[owner]?.isEmpty == true { users[owner] = nil }
    }

    /// The connection `holder` is closed, or does not remember the upload of `key` any more.
    package mutating func release(_ key: ResourceKey, heldBy holder: Holder) {
        guard let owner = key.owner, users[owner]?[key.name]?.holder == holder else { return }
        release(key)
    }

    /// Whether nothing is reserved for anybody.
    package var isEmpty: Bool { users.isEmpty }
}
