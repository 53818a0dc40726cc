import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import PosixFiles
import Testing

@testable import avatarctl

/// What `avatarctl doctor` makes of figures and of systemd's words.
@Suite("doctor's findings")
struct DoctorFindingTests {
    private static let mib: Int64 = 1024 * 1024

    @Test(
        "space is short when the cache cannot grow to its bound, or when little is left",
        arguments: [
            (500 * mib, nil, "ok    there is room for the cache folder (500.0 MiB free)"),
            (500 * mib, 400 * mib, "ok    there is room for the cache folder (500.0 MiB free)"),
            (
                500 * mib, 600 * mib,
                "warn  there is room for the cache folder: 500.0 MiB are free, and the cache may grow by 600.0 MiB; try: lower cache.bytesMax"
            ),
            (
                50 * mib, nil,
                "warn  there is room for the cache folder: 50.0 MiB are free; try: df -h, and remove what is not needed"
            ),
            (
                1000, 0,
                "FAIL  there is room for the cache folder: 1000 bytes are free; try: df -h, and remove what is not needed"
            ),
        ] as [(Int64, Int64?, String)])
    func space(free: Int64, growth: Int64?, line: String) {
        #expect(MachineFindings.space("cache", free: free, growth: growth).text == line)
    }

    @Test(
        "inotify's instances are told before they are used up",
        arguments: [
            (3, 128, "ok    inotify's limits are not near (3 of 128 instances in use, at most 65536 watches)"),
            (
                120, 128,
                "warn  inotify's limits are not near: 120 of 128 instances are in use; try: sudo sysctl fs.inotify.max_user_instances=512"
            ),
        ])
    func inotify(instances: Int, limit: Int, line: String) {
        #expect(MachineFindings.inotifyUse(instances: instances, limit: limit, watches: 65_536).text == line)
    }

    // MARK: The cookie

    @Test(
        "a disk that is slow, cannot be written to, or hangs",
        arguments: [
            (
                .took(.milliseconds(12)),
                "ok    the cache folder takes files (written, synced, renamed and removed in 12 ms)"
            ),
            (
                .took(.milliseconds(812)),
                "warn  the cache folder takes files: its disk is slow: a small file took 812 ms; try: see what else uses that disk: iotop, or cat /proc/pressure/io"
            ),
            (
                .failed(PosixError("pwrite", code: ENOSPC)),
                "FAIL  the cache folder takes files: a small file could not be written there: pwrite: No space left on device; "
                    + "try: df -h and df -i, and look whether the file system is read-only: findmnt --target /c"
            ),
            (
                .hangs(.seconds(10)),
                "FAIL  the cache folder takes files: its disk has not answered for 10 s; try: look at the file system: findmnt --target /c; journalctl --dmesg"
            ),
        ] as [(DiskCookie.Outcome, String)])
    func cookie(outcome: DiskCookie.Outcome, line: String) {
        #expect(MachineFindings.cookie("cache", "/c", outcome).text == line)
    }

    @Test("a cookie is written into a real folder, and nothing of it is left")
    func realCookie() throws {
        let folder = try TemporaryFolder()
        guard case .took(let time) = DiskCookie.write(into: folder.path) else {
            Issue.record("the temporary folder takes files")
            return
        }
        #expect(time > .zero)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        guard case .failed(let error) = DiskCookie.write(into: folder.file("none")) else {
            Issue.record("a folder that is not there takes no files")
            return
        }
        #expect(error.code == ENOENT)
    }

    // MARK: The server

    private static let now = Date(timeIntervalSince1970: 1_795_000_000)

    private static func reply(
        version: String? = nil, date: Date? = nil, tls: String? = nil, days: Double? = nil
    ) -> VerifyReply {
        VerifyReply(
            server: Server(host: "h", port: 1), uid: 7, dialect: tls == nil && version == nil ? "classic" : "https",
            version: version, date: date.map { $0.formatted(.iso8601) }, tls: tls,
            certificate: days.map {
                Certificate(issuer: "A CA", until: now.addingTimeInterval($0 * 86_400).formatted(.iso8601))
            })
    }

    @Test(
        "what a server tells of itself",
        arguments: [
            (reply(), ["ok    the server's version (the classic protocol tells none)"]),
            (
                reply(version: "0.1.0", date: now.addingTimeInterval(-2), tls: "TLS 1.3", days: 89),
                [
                    "ok    the server's version (0.1.0)", "ok    this machine's clock is the server's",
                    "ok    the server's certificate is good for a while (TLS 1.3, issued by A CA, 89 days left)",
                ]
            ),
            (
                reply(version: "0.1.0", date: now.addingTimeInterval(-3600), tls: "TLS 1.2", days: 5),
                [
                    "ok    the server's version (0.1.0)",
                    "warn  this machine's clock is the server's: this machine is 60 minutes ahead of the server; try: timedatectl status",
                    "warn  the server's certificate is good for a while: TLS 1.2, issued by A CA, valid for 5 days more: until "
                        + "\(now.addingTimeInterval(5 * 86_400).formatted(.iso8601)); try: have whoever runs the server renew it",
                ]
            ),
            (
                reply(version: "0.1.0", date: now.addingTimeInterval(7200), tls: "TLS 1.3"),
                [
                    "ok    the server's version (0.1.0)",
                    "warn  this machine's clock is the server's: this machine is 2 hours behind the server; try: timedatectl status",
                    "ok    the server's certificate is good for a while (TLS 1.3; its key is the one of server.pin)",
                ]
            ),
        ] as [(VerifyReply, [String])])
    func server(reply: VerifyReply, lines: [String]) {
        #expect(ServerFindings.findings(reply, now: Self.now).map(\.text) == lines)
    }

    // MARK: systemd

    private static func unit(_ name: String, _ load: String, _ state: String, _ watchdog: String? = nil) -> String {
        "Id=\(name)\nLoadState=\(load)\nActiveState=\(state)\n" + (watchdog.map { "WatchdogUSec=\($0)\n" } ?? "")
    }

    @Test(
        "what systemctl show says of the units",
        arguments: [
            (
                unit("avatard.service", "loaded", "active", "3min") + "\n" + unit("avatard.socket", "loaded", "active"),
                [
                    "ok    systemd runs the agent", "ok    systemd watches over the agent (WatchdogSec 3min)",
                    "ok    the socket unit is active",
                ]
            ),
            (
                unit("avatard.service", "loaded", "failed", "infinity") + "\n"
                    + unit("avatard.socket", "loaded", "inactive"),
                [
                    "warn  systemd runs the agent: avatard.service is failed; try: systemctl --user start avatard",
                    "warn  systemd watches over the agent: WatchdogSec is off, so that an agent that hangs is not started anew; "
                        + "try: systemctl --user edit avatard, with WatchdogSec=180 under [Service]",
                    "warn  the socket unit is active: avatard.socket is inactive; try: systemctl --user enable --now avatard.socket",
                ]
            ),
            (
                unit("avatard.service", "loaded", "active", "3min") + "\n"
                    + unit("avatard.socket", "loaded", "inactive"),
                [
                    "ok    systemd runs the agent", "ok    systemd watches over the agent (WatchdogSec 3min)",
                    "ok    the socket unit is active (it is not, and need not be: the agent that runs makes its socket itself)",
                ]
            ),
            (unit("avatard.service", "not-found", "inactive", "infinity"), []), ("", []),
        ])
    func systemd(text: String, lines: [String]) { #expect(SystemdFindings.findings(in: text).map(\.text) == lines) }
}
