package import AvatarCore
internal import Foundation
package import ServerRuntime
package import TransferMachines

/// Keeps the records of uploads in Redis, so that every instance can go on with every upload.
///
/// | key | what |
/// |---|---|
/// | `avatard:upload:<uid>:<name>` | the record, as JSON |
/// | `avatard:md5:<md5>` | a set of the `<uid>:<name>` that have it |
/// | `avatard:uploads:<uid>` | the user's unfinished names, scored by the second they end |
/// | `file_upload_<name>` | what the seed's servers write, kept up for whoever reads it |
///
/// Redis removes each key after the life of an upload (3600 s, as with the seed's server). A file of 1003 has the uid 0.
package struct ClusterProgress: ProgressStore {
    private let cluster: Cluster
    private let root: String
    private let secondsSince1970: @Sendable () -> Int64

    /// - Parameter root: the folder of the files, for the seed's `file_path_str`.
    package init(_ cluster: Cluster, root: String, secondsSince1970: @escaping @Sendable () -> Int64) {
        self.cluster = cluster
        self.root = root
        self.secondsSince1970 = secondsSince1970
    }

    package func record(of key: ResourceKey) throws(StoreError) -> UploadRecord? {
        let reply = try cluster.redis { (redis) throws(StoreError) in try redis.command(["GET", Self.recordKey(key)]) }
        return reply.text.flatMap { StoredRecord(json: $0)?.record(of: key) }
    }

    package func save(_ record: UploadRecord) throws(StoreError) {
        let key = record.key
        let end = secondsSince1970() + Int64(Limits.Server.uploadLifeSeconds)
        let byMD5 = "avatard:md5:\(record.md5.hex)"
        let byUser = Self.userKey(key.owner)
        var commands = [
            ["SETEX", Self.recordKey(key), Self.life, StoredRecord(record).json],
            ["SADD", byMD5, "\(Self.owner(key)):\(key.name)"], ["EXPIRE", byMD5, Self.life],
        ]
        if record.isComplete {
            commands += [["ZREM", byUser, key.name.string], seed(record, held: record.totalSize)]
        } else {
            commands += [["ZADD", byUser, "\(end)", key.name.string], ["EXPIRE", byUser, Self.life]]
        }
        let all = commands
        _ = try cluster.redis { (redis) throws(StoreError) in try redis.pipeline(all) }
    }

    package func advance(_ record: UploadRecord, held: Int64) throws(StoreError) {
        let end = secondsSince1970() + Int64(Limits.Server.uploadLifeSeconds)
        let commands = [
            ["EXPIRE", Self.recordKey(record.key), Self.life], ["EXPIRE", "avatard:md5:\(record.md5.hex)", Self.life],
            ["ZADD", Self.userKey(record.key.owner), "XX", "\(end)", record.key.name.string],
            ["EXPIRE", Self.userKey(record.key.owner), Self.life], seed(record, held: held),
        ]
        _ = try cluster.redis { (redis) throws(StoreError) in try redis.pipeline(commands) }
    }

    package func remove(_ record: UploadRecord) throws(StoreError) {
        // A script is one step, so it never removes a record that another instance stores at the same time.
        let script = """
            local held = redis.call('GET', KEYS[1])
            if not held or not string.find(held, ARGV[1], 1, true) then return 0 end
            redis.call('DEL', KEYS[1], KEYS[3])
            redis.call('ZREM', KEYS[2], ARGV[2])
            return 1
            """
        let key = record.key
        _ = try cluster.redis { (redis) throws(StoreError) in
            try redis.command([
                "EVAL", script, "3", Self.recordKey(key), Self.userKey(key.owner), "file_upload_\(key.name)",
                record.uploadID.hex, key.name.string,
            ])
        }
    }

    package func records(md5: MD5Digest) throws(StoreError) -> [UploadRecord] {
        let reply = try cluster.redis { (redis) throws(StoreError) in
            try redis.command(["SRANDMEMBER", "avatard:md5:\(md5.hex)", "\(Limits.Cluster.uploadsPerMD5Max)"])
        }
        guard case .list(let members) = reply else { return [] }
        var found: [UploadRecord] = []
        for member in members.compactMap(\.text).sorted() {
            let parts = member.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let uid = Int64(parts[0]), let name = try? AvatarName(String(parts[1])),
                let record = try record(of: ResourceKey(owner: UserID(uid), name: name)), record.md5 == md5
            else { continue }
            found.append(record)
            if found.count == 2 { break }
        }
        return found
    }

    package func unfinishedCount(of user: UserID, besides key: ResourceKey) throws(StoreError) -> Int {
        let now = "\(secondsSince1970())"
        let replies = try cluster.redis { (redis) throws(StoreError) in
            try redis.pipeline([
                ["ZCOUNT", Self.userKey(user), now, "+inf"], ["ZSCORE", Self.userKey(user), key.name.string],
                ["ZREMRANGEBYSCORE", Self.userKey(user), "-inf", "(\(now)"],
            ])
        }
        guard case .integer(let count) = replies[0] else { return 0 }
        // Redis gives a score as text.
        let ownEnds = replies[1].text.flatMap(Double.init) ?? 0
        return Int(count) - (ownEnds >= Double(secondsSince1970()) ? 1 : 0)
    }

    /// The names of the unfinished uploads of `user`, those that have ended by themselves included.
    func unfinishedNames(of user: UserID) throws(StoreError) -> [AvatarName] {
        let reply = try cluster.redis { (redis) throws(StoreError) in
            try redis.command(["ZRANGE", Self.userKey(user), "0", "-1"])
        }
        guard case .list(let members) = reply else { return [] }
        return members.compactMap(\.text).compactMap { try? AvatarName($0) }
    }

    private static let life = String(Limits.Server.uploadLifeSeconds)
    private static func owner(_ key: ResourceKey) -> Int64 { key.owner?.value ?? 0 }
    private static func recordKey(_ key: ResourceKey) -> String { "avatard:upload:\(owner(key)):\(key.name)" }
    private static func userKey(_ user: UserID?) -> String { "avatard:uploads:\(user?.value ?? 0)" }

    /// The command that the seed's server gives with every chunk.
    private func seed(_ record: UploadRecord, held: Int64) -> [String] {
        let folder = record.key.owner.map { "\(root)/\($0)" } ?? root
        let progress = record.progress(held: held)
        let info: [String: Any] = [
            "file_path_str": "\(folder)/\(record.key.name)", "name": record.key.name.string, "seq": progress.seq,
            "total_size": record.totalSize, "trans_size": progress.transSize,
        ]
        let json = (try? JSONSerialization.data(withJSONObject: info, options: [.sortedKeys, .withoutEscapingSlashes]))
        return [
            "SETEX", "file_upload_\(record.key.name)", Self.life,
            String(decoding: json ?? Data("{}".utf8), as: UTF8.self),
        ]
    }
}

/// The record as it lies in Redis.
private struct StoredRecord: Codable {
    var uploadID: String
    var md5: String
    var totalSize: Int64
    var chunkSize: Int64
    var isComplete: Bool

    init(_ record: UploadRecord) {
        uploadID = record.uploadID.hex
        md5 = record.md5.hex
        totalSize = record.totalSize
        chunkSize = record.chunkSize
        isComplete = record.isComplete
    }

    /// Reads a record; nil when this server has not written it.
    init?(json: String) {
        guard let stored = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = stored
    }

    /// The record as JSON. Its values are digits, letters and booleans, which need no escapes.
    var json: String {
        """
        {"chunkSize":\(chunkSize),"isComplete":\(isComplete),"md5":"\(md5)","totalSize":\(totalSize),\
        "uploadID":"\(uploadID)"}
        """
    }

    func record(of key: ResourceKey) -> UploadRecord? {
        guard let id = UploadID(hex: uploadID), let digest = MD5Digest(hex: md5) else { return nil }
        return UploadRecord(
            key: key, uploadID: id, md5: digest, totalSize: totalSize, chunkSize: chunkSize, isComplete: isComplete)
    }
}
