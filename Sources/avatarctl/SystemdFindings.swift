internal import Foundation

/// What the user's systemd says of the agent's units: nothing where there is no such systemd.
enum SystemdFindings {
    /// Asks systemctl(1).
    static func current() -> [Finding] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "systemctl", "--user", "show", "avatard.service", "avatard.socket", "--property",
            "Id,LoadState,ActiveState,WatchdogUSec",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        do { try process.run() } catch { return [] }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return [] }
        return findings(in: text)
    }

    /// - Parameter text: what `systemctl show` prints: a block of `KEY=VALUE` lines for each unit, with a blank line between them.
    static func findings(in text: String) -> [Finding] {
        let units = text.components(separatedBy: "\n\n").map { block in
            block.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        }
        func value(_ key: String, of unit: String) -> String? {
            guard let lines = units.first(where: { $0.contains(["Id", unit]) }) else { return nil }
            return lines.first { $0.first == key && $0.count == 2 }?.last
        }
        // A unit that is not installed has nothing to say.
        guard value("LoadState", of: "avatard.service") == "loaded" else { return [] }
        var runs = Finding(what: "systemd runs the agent", level: .warning)
        let state = value("ActiveState", of: "avatard.service") ?? "unknown"
        if state != "active" {
            runs.problem = "avatard.service is \(state)"
            runs.remedy = "systemctl --user start avatard"
        }
        var watchdog = Finding(what: "systemd watches over the agent", level: .warning)
        let limit = value("WatchdogUSec", of: "avatard.service") ?? "0"
        if limit == "0" || limit == "infinity" {
            watchdog.problem = "WatchdogSec is off, so that an agent that hangs is not started anew"
            watchdog.remedy = "systemctl --user edit avatard, with WatchdogSec=180 under [Service]"
        } else {
            watchdog.detail = "WatchdogSec \(limit)"
        }
        guard value("LoadState", of: "avatard.socket") == "loaded" else { return [runs, watchdog] }
        var socket = Finding(what: "the socket unit is active", level: .warning)
        let socketState = value("ActiveState", of: "avatard.socket") ?? "unknown"
        if socketState != "active", state == "active" {
            socket.detail = "it is not, and need not be: the agent that runs makes its socket itself"
        } else if socketState != "active" {
            socket.problem = "avatard.socket is \(socketState)"
            socket.remedy = "systemctl --user enable --now avatard.socket"
        }
        return [runs, watchdog, socket]
    }
}
