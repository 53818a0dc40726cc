import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import Testing

@testable import avatarctl

/// What `avatarctl history` finds, and how it says it.
@Suite("avatarctl history")
struct HistoryTests {
    /// Pictures `0.png`, `1.png`… that came in this order.
    private func withLog(of count: Int, _ body: (RunningBus, AgentClient) async throws -> Void) async throws {
        try await withBus { bus in
            for index in 0..<count { bus.agent.complete("\(index).png", path: "/tmp/x") }
            try await body(bus, AgentClient(socketPath: bus.path))
        }
    }

    private func names(_ changes: [Change]) -> [String] { changes.compactMap(\.avatar.name) }

    @Test("the last changes, oldest first, from as many pages as it takes")
    func pages() async throws {
        try await withLog(of: 1_203) { _, client in
            let changes = try await client.history(limit: 1_101) { _ in .take }
            #expect(names(changes) == (102..<1_203).map { "\($0).png" })
            let two = try await client.history(limit: 2) { _ in .take }
            #expect(names(two) == ["1201.png", "1202.png"])
            let all = try await client.history(limit: 5_000) { _ in .take }
            #expect(all.count == 1_203)
        }
    }

    @Test("what is chosen may lie far back, and the end of the search is the chooser's")
    func choosing() async throws {
        try await withLog(of: 1_203) { _, client in
            let old = try await client.history(limit: 10) { $0.avatar.name == "7.png" ? .take : .leave }
            #expect(names(old) == ["7.png"])
            let late = try await client.history(limit: 10_000) { $0.cursor > 1_200 ? .take : .end }
            #expect(names(late) == ["1200.png", "1201.png", "1202.png"])
        }
    }

    @Test("of an empty log there is nothing, and of one that begins late what is left")
    func bounds() async throws {
        try await withLog(of: 0) { _, client in
            let none = try await client.history(limit: 10) { _ in .take }
            #expect(none == [])
        }
        try await withLog(of: 700) { bus, client in
            bus.agent.truncateLog()
            for index in 0..<3 { bus.agent.complete("new-\(index).png", path: "/tmp/x") }
            let left = try await client.history(limit: 1_000) { _ in .take }
            #expect(names(left) == ["new-0.png", "new-1.png", "new-2.png"])
        }
    }

    private static let now = Date(timeIntervalSince1970: 1_795_000_000)

    @Test(
        "each kind of change has its words; a kind of a later agent has its own",
        arguments: [
            (.ready, 20_480, nil, "new            a.png, 20.0 KiB"),
            (.changed, 20_480, nil, "replaced       a.png, 20.0 KiB"),
            (.removed, 20_480, "gone", "removed        a.png, gone"),
            (.failed, nil, "absent", "not to be had  a.png, absent"),
            (.uploaded, 300, nil, "uploaded       a.png, 300 bytes"),
            (.icon, nil, nil, "your avatar    a.png"),
            (.refused, 300, "no picture", "not uploaded   a.png, 300 bytes, no picture"),
            (ChangeKind(rawValue: "turned"), nil, nil, "turned         a.png"),
        ] as [(ChangeKind, Int?, String?, String)])
    func words(kind: ChangeKind, size: Int?, reason: String?, line: String) {
        let change = Change(
            cursor: 1, at: "2026-11-18T01:06:40Z", kind: kind, size: size, reason: reason,
            avatar: Avatar(name: "a.png", state: .ready))
        #expect(History.line(change, now: Self.now).hasSuffix(line), "\(History.line(change, now: Self.now))")
    }

    @Test("a change of an earlier agent has no time, and no control character reaches the terminal")
    func harmless() {
        let change = Change(cursor: 1, kind: .ready, avatar: Avatar(name: "a\u{1B}[2J.png", state: .ready))
        let line = History.line(change, now: Self.now)
        #expect(line.hasPrefix("at an unknown time"))
        #expect(line.hasSuffix("a?[2J.png"))
    }

    // MARK: Times

    @Test(
        "spans before now",
        arguments: [
            ("30s", 30), ("2 minutes", 120), ("2min ago", 120), ("3h", 10_800), ("1 hour ago", 3600), ("2d", 172_800),
            ("1 week", 604_800),
        ] as [(String, Double)])
    func spans(text: String, seconds: Double) {
        #expect(TimeArgument.date(text, now: Self.now) == Self.now.addingTimeInterval(-seconds))
    }

    @Test("days and moments, in this machine's time zone unless they name another")
    func moments() throws {
        let today = Calendar.current.startOfDay(for: Self.now)
        #expect(TimeArgument.date("today", now: Self.now) == today)
        #expect(
            TimeArgument.date("yesterday", now: Self.now) == Calendar.current.date(byAdding: .day, value: -1, to: today)
        )
        #expect(TimeArgument.date("2026-11-18T01:06:40Z", now: Self.now)?.timeIntervalSince1970 == 1_794_964_000)
        let local = Moment.local(Self.now)
        #expect(TimeArgument.date(local, now: Self.now) == Self.now, "as history prints it: \(local)")
        #expect(TimeArgument.date(String(local.dropLast(3)), now: Self.now) != nil)
        #expect(TimeArgument.date(String(local.prefix(10)), now: Self.now) == today)
    }

    @Test(
        "what is no time",
        arguments: ["", "soon", "2 fortnights", "-3h", "2026-13-01", "26-11-18", "9999999 days", "12"])
    func noTimes(text: String) {
        #expect(TimeArgument.date(text, now: Self.now) == nil)
    }
}
