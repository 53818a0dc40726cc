import Foundation

/// An ext4 on a loop device whose backing file finds no more room: from ``fail()`` on, what the file system writes is lost, and the sync
/// that waits for it says so once. Only root may have one.
package final class FailingDisk {
    /// Where it is mounted.
    package let path: String
    private let backing: TmpfsMount

    /// Whether this process may have one; the reason why tests are skipped.
    package static let isPermitted: Bool = {
        guard TmpfsMount.isPermitted, (try? FailingDisk()) != nil else {
            print("tests of a failing disk are skipped: a loop device with ext4 needs root and mke2fs")
            return false
        }
        return true
    }()

    /// Makes the file system, empty and without a fault yet.
    package init() throws {
        backing = try TmpfsMount(kilobytes: 4096)
        path = backing.path + "/mounted"
        let image = backing.path + "/image"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        guard FileManager.default.createFile(atPath: image, contents: nil), truncate(image, 16 << 20) == 0,
            // No journal: its own failed write would end the whole file system.
            try TmpfsMount.run("/sbin/mke2fs", ["-q", "-t", "ext4", "-O", "^has_journal", image]),
            try TmpfsMount.run("/bin/mount", ["-o", "loop", image, path])
        else { throw CocoaError(.fileWriteNoPermission) }
    }

    deinit { _ = try? TmpfsMount.run("/bin/umount", ["--lazy", path]) }

    /// From here on blocks that were never written before are lost.
    package func fail() throws { try backing.fill() }

    /// The disk takes everything again.
    package func recover() throws { try backing.makeRoom() }
}
