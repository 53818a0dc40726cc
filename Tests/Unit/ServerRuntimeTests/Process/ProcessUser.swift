import AvatarCore
import Foundation
import PosixFiles
import Testing
import WireProtocol

/// Adds a user to the embedded stores of `folder`, as a person does; the token comes back.
func addUser(_ uid: Int64, _ folder: URL) throws -> String {
    let added = try ServerProcess.run(["user", "add", "--uid", "\(uid)"] + ServerProcess.storage(folder))
    #expect(added.code == 0)
    return String(added.output.dropLast())
}

/// All chunks of a file.
func cut(_ bytes: [UInt8], name: String, uid: Int64, token: String) throws -> [UploadChunk] {
    let md5 = try MD5Digest(of: bytes.span.bytes).hex
    let count = (bytes.count + 2047) / 2048
    return (1...count).map { seq in
        let end = min(seq * 2048, bytes.count)
        return UploadChunk(
            md5: md5, name: name, seq: Int64(seq), totalSize: Int64(bytes.count), transSize: Int64(end),
            last: seq == count, lastSeq: Int64(count), data: Array(bytes[((seq - 1) * 2048)..<end]), uid: uid,
            token: seq == 1 ? token : nil)
    }
}
