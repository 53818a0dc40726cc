import AvatarCore
import TransferMachines

/// So many milliseconds after the start of a script.
func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

/// So long after the start of a script.
func at(_ duration: Duration) -> MonotonicTime { MonotonicTime.zero + duration }

/// A name that a test writes down as a string.
func name(_ string: String) -> AvatarName { try! AvatarName(string) }

/// A file's name that no avatar may have.
func notAName(_ string: String) -> AvatarNameError { AvatarNameError(.controlCharacter(1), name: string) }

/// Bytes that differ from place to place, so that a mixed-up order shows.
func bytes(_ count: Int, from offset: Int64 = 0) -> [UInt8] {
    (0..<Int64(count)).map { UInt8(truncatingIfNeeded: (offset + $0) &* 31) }
}

/// A crop as the catalog would have recorded it for the user of `AgentScript`.
func crop(
    _ id: Int64, _ string: String, size: Int64 = 5000, digest: UInt8? = nil, everSent: Bool = false,
    account: String? = "127.0.0.1:9090/7"
) -> Crop {
    let digest = digest ?? UInt8(truncatingIfNeeded: id)
    return Crop(
        id: CropID(id), name: name(string), size: size, md5: MD5Digest(bytes: Array(repeating: digest, count: 16))!,
        sha256: SHA256Digest(bytes: Array(repeating: digest, count: 32))!, everSent: everSent, account: account)
}

/// A digest that tells numbers apart.
func sha256(_ number: UInt8) -> SHA256Digest { SHA256Digest(bytes: Array(repeating: number, count: 32))! }

/// A picture as the catalog would have recorded it.
func record(
    _ string: String, owner: Int64? = nil, size: Int64 = 100, digest: UInt8 = 9, generation: Int64 = 1,
    isOwn: Bool = false
) -> AvatarRecord {
    AvatarRecord(
        name: name(string), owner: owner.flatMap(UserID.init), size: size, sha256: sha256(digest),
        assurance: .structural, generation: generation,
        isOwn: isOwn)
}
