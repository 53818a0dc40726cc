import Foundation
import PosixFiles
import Testing
import WireProtocol

/// A server that may have few descriptors, and more clients than that.
@Suite struct DescriptorLimitTests {
    private let limit = 160

    @Test func atItsLimitItIsIdleAndServesTheConnectionsThatItHas() async throws {
        try await withFolder { folder async throws in
            let token = try addUser(7, folder)
            let server = try ServerProcess(folder: folder, limits: "ulimit -n \(limit)")
            defer { server.kill() }
            let bytes = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) }
            let all = try cut(bytes, name: "a.png", uid: 7, token: token)
            let client = try BlockingClient(port: server.port)
            #expect(try client.upload(all[0]) == 0)
            let crowd = try Crowd(limit * 2, port: server.port)
            try await untilSteady { try server.descriptors }
            #expect(try server.descriptors <= limit - 32)
            try await expectIdle(server)
            for chunk in all[1...] { #expect(try client.upload(chunk) == 0) }
            for seq in 1...Int64(all.count) {
                #expect(try client.download("a.png", uid: 7, token: token, seq: seq).error == 0)
            }
            crowd.close()
            // Those that waited in the kernel's queue are let in, and go, and then others are served.
            #expect(
                try BlockingClient(port: server.port).download("a.png", uid: 7, token: token, seq: 1).error == 0)
        }
    }

    /// The limit shrinks under the running server: accepting fails, and the server waits instead of trying without end.
    @Test func whenTheKernelHasNoDescriptorAcceptingPauses() async throws {
        try await withFolder { folder async throws in
            let token = try addUser(7, folder)
            let server = try ServerProcess(folder: folder, limits: "ulimit -n 400")
            defer { server.kill() }
            let all = try cut([UInt8](repeating: 9, count: 5000), name: "a.png", uid: 7, token: token)
            let client = try BlockingClient(port: server.port)
            for chunk in all { #expect(try client.upload(chunk) == 0) }
            try await untilSteady { try server.descriptors }
            try runProgram("prlimit", ["--pid", "\(server.pid)", "--nofile=\(try server.descriptors):"])
            let late = try BlockingClient(port: server.port)
            try await expectIdle(server)
            try runProgram("prlimit", ["--pid", "\(server.pid)", "--nofile=400:"])
            #expect(try late.download("a.png", uid: 7, token: token, seq: 1).error == 0)
        }
    }

    /// A second of the server's life costs next to no processor time.
    private func expectIdle(_ server: ServerProcess) async throws {
        let before = try server.processorTime
        // A measurement over a while, not a wait for something.
        try await Task.sleep(for: .seconds(1))
        #expect(try server.processorTime - before < .milliseconds(200))
    }

    /// Returns when the number has not changed for a while.
    private func untilSteady(_ number: () throws -> Int) async throws {
        var (last, since) = (try number(), ContinuousClock.now)
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now - since < .milliseconds(300), ContinuousClock.now < deadline {
            await Task.yield()
            let now = try number()
            if now != last { (last, since) = (now, ContinuousClock.now) }
        }
    }
}

/// Connections that say nothing.
private final class Crowd {
    private var clients: [BlockingClient] = []

    init(_ count: Int, port: Int) throws {
        for _ in 0..<count { clients.append(try BlockingClient(port: port)) }
    }

    func close() { clients = [] }
}
