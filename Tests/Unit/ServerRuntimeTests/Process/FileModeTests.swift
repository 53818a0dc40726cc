import Foundation
import Testing
import WireProtocol

/// Whatever the server makes is for its own user alone, wherever it lies.
@Suite struct FileModeTests {
    @Test(arguments: ["umask 022", "umask 000"])
    func nobodyElseMayReadWhatTheServerMakes(umask: String) async throws {
        try await withFolder { folder async throws in
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
            // No user is added first: `serve` makes the database.
            let server = try ServerProcess(folder: folder, limits: umask)
            defer { server.kill() }
            let token = try addUser(7, folder)
            let all = try cut([UInt8](repeating: 9, count: 5000), name: "a.png", uid: 7, token: token)
            let client = try BlockingClient(port: server.port)
            for chunk in all { #expect(try client.upload(chunk) == 0) }
            #expect(
                try client.upload(try cut([UInt8](repeating: 8, count: 5000), name: "b.png", uid: 7, token: token)[0])
                    == 0)
            let modes = try modes(in: folder)
            #expect(Set(modes.keys).isSuperset(of: ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm", "files/7/a.png"]))
            for (name, mode) in modes { #expect(mode & 0o077 == 0, "\(name) has the mode \(String(mode, radix: 8))") }
        }
    }

    @Test func whatAnEarlierVersionLeftOpenIsClosed() async throws {
        try await withFolder { folder async throws in
            let first = try ServerProcess(folder: folder)
            _ = try addUser(7, folder)
            first.kill()
            for name in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o644], ofItemAtPath: folder.appendingPathComponent(name).path)
            }
            let second = try ServerProcess(folder: folder)
            defer { second.kill() }
            for (name, mode) in try modes(in: folder) where name.hasPrefix("db.") {
                #expect(mode == 0o600, "\(name) has the mode \(String(mode, radix: 8))")
            }
        }
    }

    private func modes(in folder: URL) throws -> [String: Int] {
        var modes: [String: Int] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            let facts = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent(name).path)
            modes[name] = facts[.posixPermissions] as? Int
        }
        return modes
    }
}
