import ArgumentParser
internal import AvatarAgentClient
internal import Glibc

struct Metrics: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the agent's figures for Prometheus.",
        discussion: """
            In Prometheus' text format. With --output the file is written whole or not at all, for the textfile collector of \
            node_exporter, which reads files whose names end in .prom. When the agent does not answer, avatard_up is 0, and the \
            exit status 3.
            """)

    @Option(
        help: ArgumentHelp("The file to write, instead of standard output.", valueName: "file"), completion: .file())
    var output: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if common.json {
            throw ValidationError("metrics are text; avatarctl status --json has the same figures as JSON")
        }
    }

    func run() async throws {
        try await common.run { client in
            do {
                try write(MetricsText(try await client.status(), user: Self.user))
            } catch let error as AgentClientError {
                try write(MetricsText(nil, user: Self.user))
                throw error
            }
        }
    }

    private func write(_ metrics: MetricsText) throws {
        guard let output else { return Output.raw(metrics.text) }
        // The collector is another user, and there is no secret in it.
        try OutputFile.replace(output, with: Array(metrics.text.utf8), mode: 0o644)
    }

    /// The name of the user who runs this, and whose agent it therefore is; the number where the name is not known.
    private static var user: String {
        guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name.map({ String(cString: $0) }) else {
            return "\(getuid())"
        }
        return name
    }
}
