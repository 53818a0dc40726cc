import ArgumentParser
internal import Foundation

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the agent's configuration.", subcommands: [ShowConfig.self])
}

struct ShowConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Prints every key of the agent's configuration, its value, and where that comes from.",
        discussion: """
            Has the program avatard read its configuration as a start would, in this environment; no agent needs to run. Where an \
            agent that runs got flags or variables of its own, as from its unit, they are not seen here. Tokens are never shown.
            """)

    @Option(help: "The YAML file; $XDG_CONFIG_HOME/avatard/avatard.yaml when that is there.", completion: .file())
    var config: String?

    @Flag(help: "Print JSON: one object for each key.")
    var json = false

    func run() async throws {
        guard let avatard = Self.avatard else {
            Output.errorLine(
                "avatarctl: avatard, which reads the configuration, is neither beside avatarctl nor on the PATH")
            throw ExitStatus.failed
        }
        let arguments = ["--show-config", json ? "json" : "text"] + (config.map { ["--config", $0] } ?? [])
        do {
            switch try ChildProgram.run(avatard, arguments) {
            case 0: return
            // sysexits.h: it has said which key, and why.
            case 78: throw ExitStatus.usage
            default: throw ExitStatus.failed
            }
        } catch let error as LocalError {
            Output.errorLine("avatarctl: \(error.description)")
            throw ExitStatus.failed
        }
    }

    /// The one that was installed with this program, else what the `PATH` has.
    private static var avatard: String? {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = own.map { String($0[..<($0.lastIndex(of: "/") ?? $0.startIndex)]) + "/avatard" }
        if let beside, FileManager.default.isExecutableFile(atPath: beside) { return beside }
        return ChildProgram.path(of: "avatard")
    }
}
