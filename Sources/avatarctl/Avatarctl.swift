import ArgumentParser
internal import AvatarCore
internal import ProgramSupport

/// The person's side of avatard.
@main
struct Avatarctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "avatarctl",
        abstract: "Asks avatard about avatars, and tells it what to do.",
        discussion: """
            The agent is started with: systemctl --user start avatard

            The agent's socket is the one that --socket names, else AVATARD_BUS_SOCKET, else bus.socket in the agent's \
            configuration, else $XDG_RUNTIME_DIR/avatard/agent.sock.

            Exit status: 0 when all went well, 1 when something failed, 2 when the command line was wrong, 3 when the \
            agent does not answer, 4 when the resource server cannot be reached, 5 when doctor has only warnings.
            """,
        version: Version.current,
        subcommands: [
            Status.self, Doctor.self, List.self, Get.self, Fetch.self, Watch.self, History.self, Upload.self,
            Pause.self, Resume.self, Sync.self, Explain.self, Forget.self, Dismiss.self, Login.self, Logout.self,
            Register.self, Show.self, Gallery.self, Metrics.self, Config.self, Logs.self,
        ])

    /// ArgumentParser's own status for a wrong command line is 64; ours is 2, as of most tools.
    static func main() async {
        do throws(ConfigurationError) {
            try ProcessEnvironment.checkCommandLine()
        } catch {
            for fault in error.faults { Output.errorLine("avatarctl: \(fault)") }
            leave(.usage)
        }
        do {
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let status as ExitStatus {
            leave(status)
        } catch {
            if exitCode(for: error) == .validationFailure {
                Output.errorLine(fullMessage(for: error))
                leave(.usage)
            }
            exit(withError: error)
        }
    }
}

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Flag(help: "Print JSON: one object, or one per line for what goes on.")
    var json = false

    @Option(
        help: ArgumentHelp("The agent's socket; otherwise the one of the agent's configuration.", valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "How long the agent may take to answer a question; transfers and streams wait, and say so.",
            valueName: "seconds"))
    var timeout: Int = 10

    func validate() throws {
        guard (1...86_400).contains(timeout) else { throw ValidationError("--timeout must be from 1 to 86400") }
    }
}
