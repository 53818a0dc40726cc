internal import Foundation
internal import LabelBus

/// The agent's figures in Prometheus' text format (exposition format 0.0.4).
struct MetricsText {
    /// The Unix user whose agent it is; stands at every sample, since a machine may have several.
    let user: String
    private(set) var text = ""

    /// - Parameter status: nil when the agent does not answer; then only `avatard_up` is told, as 0.
    init(_ status: StatusReply?, user: String) {
        self.user = user
        add("up", .gauge, "Whether the agent answers.", status == nil ? 0 : 1)
        guard let status else { return }
        add("build_info", .gauge, "The agent's version.", [Sample("version", status.version, 1)])
        add(
            "connection_state", .gauge, "1 for the state that the connection to the resource server is in.",
            Self.states(beside: status.connection).map {
                Sample("state", $0, $0 == status.connection ? 1 : 0)
            })
        if let since = try? Date(status.since, strategy: .iso8601) {
            add(
                "connection_state_since_timestamp_seconds", .gauge, "Since when it is online, or is not, Unix time.",
                since.timeIntervalSince1970)
        }
        add("downloads", .gauge, "Downloads under way or waiting.", Double(status.downloads))
        add("uploads", .gauge, "Uploads under way or waiting.", Double(status.uploads))
        add("labels", .gauge, "Labels that chat clients have registered.", Double(status.labels))
        add("cache_pictures", .gauge, "Complete pictures in the cache.", Double(status.cached))
        add("cache_size_bytes", .gauge, "Bytes of the complete pictures in the cache.", Double(status.bytes))
        add(
            "problems", .gauge, "What a person should know about: avatarctl status names it.",
            Double(status.problems.count))
        for figure in Self.figures {
            guard let value = status.figures[figure.key] else { continue }
            add(figure.name, figure.kind, figure.help, value)
        }
        let paused = ["down", "up"].compactMap { direction in
            status.figures["paused_\(direction)"].map { Sample("direction", direction, $0) }
        }
        add("paused", .gauge, "Whether transfers of that direction are held by avatarctl pause.", paused)
    }

    private enum Kind: String { case counter, gauge }

    /// One value, and the label that tells it from the others of its metric, if it has one.
    private struct Sample {
        let label: String?
        let text: String
        let value: Double

        init(_ label: String?, _ text: String, _ value: Double) {
            self.label = label
            self.text = text
            self.value = value
        }
    }

    /// The figures of `Status` (docs/label-bus.md) and what they are here.
    private static let figures: [(key: String, name: String, kind: Kind, help: String)] = [
        ("bytes_down", "downloaded_bytes_total", .counter, "Bytes of pictures that came from the server."),
        ("bytes_up", "uploaded_bytes_total", .counter, "Bytes of pictures that the server took."),
        (
            "download_restarts", "download_restarts_total", .counter,
            "Downloads begun anew, since the picture had changed or came damaged."
        ),
        ("stray_replies", "stray_replies_total", .counter, "Replies of the server that nobody had asked for."),
        ("watch_overflows", "watch_overflows_total", .counter, "Times that the kernel dropped events of the folders."),
        ("upload_bytes_max", "upload_size_max_bytes", .gauge, "The largest picture that is uploaded."),
    ]

    /// The states that are known here, and the agent's own where it has another.
    private static func states(beside own: String) -> [String] {
        let known = ["online", "connecting", "waiting", "offline", "refused"]
        return known.contains(own) ? known : known + [own]
    }

    private mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        add(name, kind, help, [Sample(nil, "", value)])
    }

    private mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        text += "# HELP avatard_\(name) \(help)\n# TYPE avatard_\(name) \(kind.rawValue)\n"
        for sample in samples {
            let label = sample.label.map { ",\($0)=\"\(Self.escaped(sample.text))\"" } ?? ""
            text += "avatard_\(name){user=\"\(Self.escaped(user))\"\(label)} \(Self.number(sample.value))\n"
        }
    }

    /// A label's value, as the format wants it.
    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func number(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }
}
