import Foundation

/// The same pictures, up and down, with one client and with many, over every server there is.
struct TransferBench {
    let program: String
    let place: Workplace
    let rounds: Int
    let withPeers: Bool

    /// One line of a table.
    private struct Row {
        let name: String
        let upload: ([[Picture]]) throws -> Void
        let download: ([[Picture]]) throws -> Void
        var up: [Double] = []
        var down: [Double] = []
    }

    func run(_ clientCounts: [Int]) throws {
        let users = clientCounts.max() ?? 1
        let unsynced = try OurServer(program: program, place: place, sync: "none", users: users)
        defer { unsynced.stop() }
        let durable = try OurServer(program: program, place: place, sync: "full", users: users)
        defer { durable.stop() }
        let later = try OurServer(program: program, place: place, sync: "none", users: users, chunkBytes: 32_768)
        defer { later.stop() }
        let floor = try Floor()
        defer { floor.stop() }
        var rows = [
            row("waits, none", unsynced.account) { WaitingClient(account: $0) },
            row("waits, none, floor", floor.account) { WaitingClient(account: $0) },
            row("waits, none, 32 KiB chunks", later.account) { WaitingClient(account: $0) },
            row("windows, none", unsynced.account) { WindowedClient(account: $0) },
            row("waits, full", durable.account) { WaitingClient(account: $0) },
            row("windows, full", durable.account) { WindowedClient(account: $0) },
        ]
        let nginx = withPeers && Nginx.isInstalled ? try Nginx(place: place) : nil
        defer { nginx?.stop() }
        if let nginx {
            rows.append(row("nginx, curl", Curl(nginx: nginx, isParallel: false)))
            rows.append(row("nginx, curl -Z", Curl(nginx: nginx, isParallel: true)))
        } else if withPeers {
            say("nginx or curl is not installed (scripts/setup.sh bench): no figures for them")
        }
        let rsync = withPeers && Rsync.isInstalled ? try Rsync(place: place) : nil
        defer { rsync?.stop() }
        if let rsync {
            rows.append(row("rsync daemon", rsync))
        } else if withPeers {
            say("rsync is not installed (scripts/setup.sh bench): no figures for it")
        }
        say(
            """
            avatar-server, classic dialect, chunks of 2048 bytes, as the seed's first clients have them; 32 KiB: as the later ones
            have them. waits: one request, one reply; windows: 32 chunks in flight. none, full: storage.sync. floor: a thread that
            answers from memory and does nothing else. Peers sync nothing, and each of their clients is a process, whose start is in the
            figure\(nginx == nil ? "" : " (curl's alone takes \(try startOfCurl()) s)"); ours are threads. Seconds, medians.
            """)
        for count in clientCounts {
            try measure("200 x 20 KiB in all", 200, bytes: 20 * 1024, clients: count, rows, rounds: rounds)
        }
        for count in clientCounts {
            // Many clients move much: fewer rounds keep the whole run within some minutes.
            let fewer = count > 8 ? 1 : count > 1 ? min(rounds, 3) : rounds
            try measure("2 MiB each", count, bytes: 2 * 1024 * 1024, clients: count, rows, rounds: fewer)
        }
    }

    /// The rounds go over every row in turn, so that whatever the machine does meanwhile touches all of them. Each has names of its own,
    /// as every crop has: what replaces a file costs ext4 a flush, and makes the next file dearer.
    private func measure(
        _ title: String, _ pictureCount: Int, bytes: Int, clients count: Int, _ rows: [Row], rounds: Int
    ) throws {
        var rows = rows
        for round in 0..<rounds {
            let pictures = try place.pictures("\(UUID().uuidString.prefix(8))", count: pictureCount, bytes: bytes)
            let shares = pictures.shares(count)
            // Not the same one first every time: the disk has just been given the pictures.
            for index in rows.indices.map({ ($0 + round) % rows.count }) {
                rows[index].up.append(try seconds { try rows[index].upload(shares) })
                rows[index].down.append(try seconds { try rows[index].download(shares) })
            }
        }
        let curl = rows.first { $0.name == "nginx, curl" }
        let clients = count == 1 ? "1 client" : "\(count) clients"
        say("\n\(title), \(clients), \(rounds) rounds\n  \(pad(""))      up    down\(curl == nil ? "" : "   to curl")")
        for row in rows {
            var line = "  \(pad(row.name))  \(String(format: "%6.3f  %6.3f", row.up.median, row.down.median))"
            if let curl {
                line += String(
                    format: "   %5.2f  %5.2f", row.up.median / curl.up.median, row.down.median / curl.down.median)
            }
            say(line)
        }
    }

    private func row(
        _ name: String, _ account: (Int) -> Account, _ client: @escaping @Sendable (Account) -> any Client
    ) -> Row {
        let accounts = (0..<OurServer.usersMax).map(account)
        return Row(
            name: name,
            upload: { shares in try onThreads(shares.count) { try client(accounts[$0]).upload(shares[$0]) } },
            download: { shares in try onThreads(shares.count) { try client(accounts[$0]).download(shares[$0]) } })
    }

    private func row(_ name: String, _ peer: any Peer) -> Row {
        Row(name: name, upload: { try peer.upload($0) }, download: { try peer.download($0) })
    }

    private func startOfCurl() throws -> String {
        String(format: "%.3f", try (0..<5).map { _ in try seconds { try runProgram("curl", ["--version"]) } }.median)
    }

    private func pad(_ text: String) -> String { text.padding(toLength: 26, withPad: " ", startingAt: 0) }
}
