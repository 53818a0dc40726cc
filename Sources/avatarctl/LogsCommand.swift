import ArgumentParser

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the agent's log, as journalctl has it.",
        discussion:
            "Of an agent that is started as the user's service; one that was started by hand writes to its standard error."
    )

    @Flag(name: .shortAndLong, help: "Go on with what comes.")
    var follow = false

    @Option(name: [.customShort("n"), .long], help: "How many of the last lines.")
    var lines: Int?

    @Option(
        help: ArgumentHelp(
            "Only what came since then, such as today or \"1 hour ago\" (systemd.time).", valueName: "time"))
    var since: String?

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("--lines must be 0 or more") }
    }

    func run() throws {
        do throws(LocalError) {
            guard let journalctl = ChildProgram.path(of: "journalctl") else {
                throw LocalError(
                    description:
                        "journalctl is not installed: this system has no systemd, and whoever starts the agent keeps its log"
                )
            }
            try ChildProgram.become(journalctl, arguments)
        } catch {
            Output.errorLine("avatarctl: \(error.description)")
            throw ExitStatus.failed
        }
    }

    private var arguments: [String] {
        ["--user", "--unit", "avatard"] + (follow ? ["--follow"] : []) + (lines.map { ["--lines=\($0)"] } ?? [])
            + (since.map { ["--since=\($0)"] } ?? [])
    }
}
