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
            (unit("avatard.service", "not-found", "inactive", "infinity"), []), ("", []),
        ])
    func systemd(text: String, lines: [String]) { #expect(SystemdFindings.findings(in: text).map(\.text) == lines) }
}
