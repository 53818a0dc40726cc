import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import PosixFiles

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows a picture in the terminal.",
        discussion: """
            Fetches it first when it is not there. The program chafa draws it, as sixels, in kitty's or iTerm2's way, or with characters, \
            as the terminal can. Without a terminal, and where NO_COLOR is set, it is drawn with characters and without colours.
            """)

    /// What chafa calls its ways of drawing.
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case symbols, sixels, kitty, iterm
    }

    @Argument(help: "The picture's name.", completion: Completions.names)
    var name: String

    @Option(help: "How to draw it, instead of what chafa takes the terminal for.")
    var format: Format?

    @Option(help: ArgumentHelp("Columns and rows that it may take, such as 40x20.", valueName: "columnsxrows"))
    var size: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if common.json { throw ValidationError("a picture is no JSON; avatarctl get --json says where its file lies") }
        if let size, size.wholeMatch(of: /[1-9]\d{0,3}x[1-9]\d{0,3}/) == nil {
            throw ValidationError("--size \"\(size)\" must be columns and rows, such as 40x20")
        }
    }

    func run() async throws {
        try await common.run { client in
            guard let chafa = ChildProgram.path(of: "chafa") else {
                throw LocalError(
                    description: "chafa, which draws pictures in terminals, is not installed: sudo apt install chafa")
            }
            try draw(try await picture(client), by: chafa)
        }
    }

    /// The path of the picture's verified file, fetched where it is not there.
    private func picture(_ client: AgentClient) async throws -> String {
        var avatar: Avatar?
        do { avatar = try await client.get(name) } catch AgentError.unknownAvatar {}
        if avatar?.picture == nil {
            if try await common.follow([name], client) > 0 { throw ExitStatus.failed }
            avatar = try await client.get(name)
        }
        guard let path = avatar?.picture else { throw LocalError(description: "\(name): there is no picture of it") }
        return path
    }

    /// chafa is given the open file by its number: no name that it could take for an option, or print, ever reaches it.
    private func draw(_ path: String, by chafa: String) throws {
        let file: OpenFile
        do throws(PosixError) {
            file = try OpenFile.open(path: path)
        } catch {
            throw LocalError(description: "\(name): its file cannot be read: \(error)")
        }
        // A duplicate stays open in the other program (dup(2)).
        let inherited = dup(file.descriptor)
        guard inherited >= 0 else { throw LocalError(description: "\(name): \(String(cString: strerror(errno)))") }
        defer { close(inherited) }
        let status = try ChildProgram.run(chafa, arguments + ["/dev/fd/\(inherited)"])
        guard status == 0 else {
            throw LocalError(
                description: "\(name): chafa cannot draw it (status \(status)); it may not know this format of pictures"
            )
        }
    }

    private var arguments: [String] {
        var arguments = ["--animate", "off"]
        if let format { arguments += ["--format", format.rawValue] }
        if !Terminal.isColoured, format == nil || format == .symbols {
            arguments += ["--colors", "none"] + (format == nil ? ["--format", "symbols"] : [])
        }
        if let size { arguments += ["--size", size] }
        return arguments
    }
}

extension Avatar {
    /// The file that shows it: its own, or a default head's.
    var picture: String? { path ?? (state == .builtin ? fallback : nil) }
}
