import Foundation

/// A small file system in memory, for what only a full or vanishing disk shows. Only root may mount one.
package final class TmpfsMount {
    /// Where it is mounted.
    package let path: String
    private var isMounted = true

    /// Whether this process may mount; the reason why tests are skipped.
    package static let isPermitted: Bool = {
        guard let mount = try? TmpfsMount(kilobytes: 64) else {
            print("tests of a full and of an unmounted disk are skipped: mounting a tmpfs needs root")
            return false
        }
        mount.unmount()
        return true
    }()

    /// Mounts a tmpfs of that size in a temporary folder.
    package init(kilobytes: Int) throws {
        path = NSTemporaryDirectory() + "avatard-tmpfs-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard try Self.run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(kilobytes)k", "avatard-test", path]) else {
            try? FileManager.default.removeItem(atPath: path)
            throw CocoaError(.fileWriteNoPermission)
        }
    }

    deinit { unmount() }

    /// Takes it away, whoever still uses it.
    package func unmount() {
        guard isMounted else { return }
        isMounted = false
        _ = try? Self.run("/bin/umount", ["--lazy", path])
        try? FileManager.default.removeItem(atPath: path)
    }

    private var filler: String { path + "/filler" }

    /// Gives the room back that ``fill()`` took. The file is cut, not only deleted: a process that another test starts just now may
    /// have inherited its descriptor.
    package func makeRoom() throws {
        guard truncate(filler, 0) == 0, unlink(filler) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// Fills it to the last byte with one file.
    package func fill() throws {
        let file = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw CocoaError(.fileWriteUnknown) }
        defer { close(file) }
        for size in [4096, 1] {
            let block = [UInt8](repeating: 0, count: size)
            while block.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) > 0 {}
        }
    }

    static func run(_ tool: String, _ arguments: [String]) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
