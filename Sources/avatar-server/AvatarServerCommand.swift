import ArgumentParser
import AvatarCore
import Foundation
import Glibc
import ProgramSupport

/// The program. Its subcommands do the work.
@main
struct AvatarServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "avatar-server",
        abstract: "The resource server: keeps users' avatars and hands them out.",
        discussion: """
            Every key of the configuration is a flag too (listen.port is --listen-port) and an environment variable \
            (AVATAR_SERVER_LISTEN_PORT). Flags come before the environment, the environment before the file.
            """,
        version: Version.current,
        subcommands: [ServeCommand.self, UserCommand.self, CheckCommand.self, RebuildCommand.self])

    /// Begins the program. Every file that it makes from here on is for its own user alone, whatever library makes it. SIGHUP
    /// ends it at no time.
    static func main() {
        HangUpSignal.hold()
        umask(0o077)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch  where exitCode(for: error) == .validationFailure {
            Failure.write(fullMessage(for: error))
            Foundation.exit(Failure.usage.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}

/// The exit codes of the program (sysexits.h, and 2 as most tools have it).
enum Failure {
    /// The command line was wrong; ArgumentParser's own code for it is 64.
    static let usage = ExitCode(2)
    /// A key or a value of the configuration.
    static let configuration = ExitCode(78)
    /// Something that the server needs is not there or does not answer.
    static let unavailable = ExitCode(69)
    /// The user that a command names does not exist, or exists already.
    static let refused = ExitCode(1)
    /// A file that cannot be read or written.
    static let noInput = ExitCode(66)

    /// Writes the reason to standard error.
    static func say(_ reason: String) {
        write("avatar-server: \(reason)")
    }

    /// Writes a line to standard error.
    static func write(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
