import Foundation
import NIOCore
import WireProtocol

/// What connections cost the server: many that fetch, one that never reads, and thousands that do nothing.
struct ConnectionBench {
    let program: String
    let place: Workplace

    /// `count` clients fetch a picture of 128 KiB each, all at once, each waiting for every reply.
    func crowd(_ count: Int) throws {
        let users = 16
        let server = try OurServer(program: program, place: place, sync: "none", users: users)
        defer { server.stop() }
        let picture = try place.pictures("crowd", count: 1, bytes: 128 * 1024)
        for index in 0..<users { try WindowedClient(account: server.account(index)).upload(picture) }
        let crowd = Crowd()
        let channels = try crowd.connect(count, { server.account($0) }, name: picture[0].name)
        let (cpu, memory) = (try server.cpuSeconds(), try server.residentBytes())
        var latencies: [Int64] = []
        let passed = try seconds { latencies = try crowd.fetch(channels) }
        let used = try server.cpuSeconds() - cpu
        let grown = try server.residentBytes() - memory
        try crowd.close(channels)
        latencies.sort()
        let gibibytes = Double(count * picture[0].size) / Double(1 << 30)
        say(
            """

            \(count) clients download 128 KiB each at once, chunks of 2048 bytes, each waiting for every reply
              \(String(format: "%.2f s, %.0f chunks a second", passed, Double(latencies.count) / passed))
              chunk latency \(milliseconds(latencies, 50)) ms median, \(milliseconds(latencies, 99)) ms p99
              \(String(format: "%.1f", used / gibibytes)) s of the server's CPU per GiB, \(megabytes(grown)) MB more memory
            """)
    }

    /// One client asks for far more than fits anywhere, and reads nothing.
    func stuckReader() throws {
        let server = try OurServer(program: program, place: place, sync: "none", users: 1)
        defer { server.stop() }
        let account = server.account(0)
        let picture = try place.pictures("stuck", count: 1, bytes: 2 * 1024 * 1024)
        try WaitingClient(account: account).upload(picture)
        try WaitingClient(account: account).download(picture)
        let before = try server.residentBytes()
        let socket = try Socket(port: account.port)
        socket.limitSends(seconds: 2)
        var sent = 0
        while sent < 100_000 {
            var requests = ByteBuffer()
            for _ in 0..<100 { account.request(picture[0].name, Int64(sent % 1024) + 1).encode(into: &requests) }
            // The server has stopped taking them in once this ends.
            do { try socket.send(&requests) } catch { break }
            sent += 100
        }
        let grown = try server.residentBytes() - before
        let other = try seconds { try WaitingClient(account: account).download(picture) }
        say(
            """

            one reader that never reads, having sent some \(sent) requests for chunks of 2048 bytes
              \(megabytes(grown)) MB more memory; meanwhile another client's 2 MiB come down in \
            \(String(format: "%.3f", other)) s
            """)
    }

    /// `count` connections that have shown their token and say nothing more.
    func idle(_ count: Int) throws {
        let server = try OurServer(program: program, place: place, sync: "none", users: 1)
        defer { server.stop() }
        let account = server.account(0)
        let picture = try place.pictures("idle", count: 1, bytes: 20 * 1024)
        try WaitingClient(account: account).upload(picture)
        let before = try server.residentBytes()
        let crowd = Crowd()
        let channels = try crowd.connect(count, { _ in account }, name: picture[0].name)
        let after = try server.residentBytes()
        try crowd.close(channels)
        say(
            """

            \(count) idle connections, each with its token shown
              \(megabytes(after)) MB in all, \(megabytes(before)) MB before; \
            \(String(format: "%.1f", Double(after - before) / Double(count) / 1000)) kB each
            """)
    }

    private func megabytes(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / 1e6) }

    private func milliseconds(_ sorted: [Int64], _ percent: Int) -> String {
        guard !sorted.isEmpty else { return "-" }
        return String(format: "%.1f", Double(sorted[min(sorted.count - 1, sorted.count * percent / 100)]) / 1e6)
    }
}
