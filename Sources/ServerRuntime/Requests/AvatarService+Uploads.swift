package import AvatarCore
package import TransferMachines

// Pictures that come in pieces. What a classic upload keeps is kept of these too: a record under the file's name, and a part whose
// length says how far the upload is. So either kind replaces the other under one name, and both share bounds, quota and expiry.
extension AvatarService {
    /// An upload that goes on, or has ended well a short while ago.
    package struct PiecewiseUpload: Sendable {
        fileprivate let record: UploadRecord
        /// Bytes that the server has.
        package fileprivate(set) var held: Int64

        package var id: UploadID { record.uploadID }
        package var key: ResourceKey { record.key }
        /// Bytes of the whole picture.
        package var size: Int64 { record.totalSize }
        /// Whether the picture is in place, and is the user's avatar or was.
        package var isComplete: Bool { record.isComplete }
    }

    /// Begins an upload of `size` bytes, in place of an unfinished one under the same name. Errors: ``Refusal``, ``StoreError``.
    package func beginUpload(_ key: ResourceKey, of user: UserID, size: Int64) async throws -> PiecewiseUpload {
        let unfinished = try await work(nil, .read) { () throws(StoreError) in
            try stores.progress.unfinishedCount(of: user, besides: key)
        }
        guard unfinished < Limits.Server.uploadsPerUserMax else { throw Refusal.tooManyUploads }
        let holder = QuotaReservations.Holder.random(in: .min ... .max)
        try await reserve(size, key, user, holder)
        defer { quota.release(key, heldBy: holder) }
        let id = UploadID.random()
        // No MD5 is promised. The id stands in its place, so that no classic request finds the upload or goes on with it.
        guard let stand = MD5Digest(hex: id.hex) else {
            throw StoreError(.unavailable, "an upload's id without 128 bits")
        }
        let record = UploadRecord(key: key, uploadID: id, md5: stand, totalSize: size, chunkSize: size)
        try await work(key, .write) { () throws(StoreError) in
            let last = try stores.progress.record(of: key)
            try stores.files.beginPart(record.uploadID, bytes: [])
            try stores.progress.save(record)
            if let last, !last.isComplete { try stores.files.removePart(last.uploadID) }
        }
        return PiecewiseUpload(record: record, held: 0)
    }

    /// How far the upload is; nil when there is none of that id under that name, or it is too old.
    package func upload(_ id: UploadID, _ key: ResourceKey) async throws(StoreError) -> PiecewiseUpload? {
        try await work(key, .read) { () throws(StoreError) in
            guard let record = try stores.progress.record(of: key), record.uploadID == id else { return nil }
            if record.isComplete { return PiecewiseUpload(record: record, held: record.totalSize) }
            return try stores.files.partBytes(id).map { PiecewiseUpload(record: record, held: $0) }
        }
    }

    /// Writes what comes behind what the server has, piece by piece. Bytes that were written stay when `pieces` throws.
    ///
    /// - Parameter pieces: the next bytes, nil at the end; together no more than are missing.
    package func append(
        to upload: PiecewiseUpload, pieces: () async throws -> [UInt8]?
    ) async throws -> PiecewiseUpload {
        let holder = QuotaReservations.Holder.random(in: .min ... .max)
        quota.renew(upload.size, for: upload.key, holder: holder)
        defer { quota.release(upload.key, heldBy: holder) }
        var upload = upload
        while let piece = try await pieces() {
            let (id, at) = (upload.id, upload.held)
            try await work(nil, .write) { () throws(StoreError) in
                try stores.files.writePart(id, bytes: piece, at: at)
            }
            upload.held += Int64(piece.count)
        }
        let now = upload
        try await work(nil, .write) { () throws(StoreError) in
            try stores.progress.advance(now.record, held: now.held)
        }
        return upload
    }

    /// Makes an upload that has all its bytes the user's avatar. After a ``Refusal`` it is gone.
    ///
    /// - Parameter expected: the digest that the client promised; nil for none.
    package func finishUpload(
        _ upload: PiecewiseUpload, of user: UserID, expected: SHA256Digest?
    ) async throws -> Avatar {
        do {
            let avatar = try await finish(upload.id, upload.key, user, expected).avatar
            try await work(upload.key, .write) { () throws(StoreError) in
                // Another upload may have taken its place under that name meanwhile.
                guard try stores.progress.record(of: upload.key)?.uploadID == upload.id else { return }
                var complete = upload.record
                complete.isComplete = true
                try stores.progress.save(complete)
            }
            return avatar
        } catch let refusal as Refusal {
            try await endUpload(upload)
            throw refusal
        }
    }

    /// Forgets an upload and what came of it; a picture that is in place stays.
    package func endUpload(_ upload: PiecewiseUpload) async throws(StoreError) {
        try await work(upload.key, .write) { () throws(StoreError) in
            try stores.progress.remove(upload.record)
            try stores.files.removePart(upload.id)
        }
    }
}
