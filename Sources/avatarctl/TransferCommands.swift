import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Glibc
internal import LabelBus

struct Fetch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fetches pictures, and shows how far they are until all are there.",
        discussion: """
            Asks the server also for pictures that are there, since they may have been replaced under the same name. Exits with 1 when one of
            them cannot be had.
            """)

    @Argument(help: "The pictures' names.", completion: Completions.names)
    var names: [String]

    @Flag(help: "Do not wait: the agent goes on by itself.")
    var noWait = false

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            if noWait {
                let accepted = try await client.fetch(names, again: true)
                if common.json {
                    Output.line(Output.json { $0.field("accepted", accepted) })
                } else {
                    Output.line("\(accepted) on their way")
                }
                return
            }
            if try await common.follow(names, client, again: true) > 0 { throw ExitStatus.failed }
        }
    }
}

struct Upload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Uploads pictures, each the user's next avatar, and waits until they are on the server.",
        discussion: "A file called - stands for standard input; a file of that name is ./-")

    @Argument(help: "The files; - for standard input.", completion: .file())
    var files: [String]

    @Flag(help: "Do not wait: the agent goes on by itself.")
    var noWait = false

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let pipes = files.count { $0 == StandardInput.sign }
        guard pipes <= 1 else { throw ValidationError("- stands for standard input, which can be read once") }
        try await common.run { client in
            if pipes > 0 { try StandardInput.check() }
            var progress = Progress(
                json: common.json, total: files.count,
                onInterrupt: "the agent goes on with what it has by itself: avatarctl status")
            defer { progress.end() }
            var name: String?
            for file in files {
                if file == StandardInput.sign {
                    try await StandardInput.handOver(to: client) { path, isTaken in
                        name = try await upload(path, typed: file, client, &progress, isTaken: isTaken)
                    }
                } else {
                    do {
                        name = try await upload(absolute(file), typed: file, client, &progress) {}
                    } catch AgentError.notAnImage(_, let reason) where !common.json {
                        // The agent knows the whole path, a person the word that was typed.
                        throw AgentError.notAnImage(path: file, reason: reason)
                    } catch AgentError.tooLarge(_, let size, let limit) where !common.json {
                        throw AgentError.tooLarge(path: file, size: size, limit: limit)
                    }
                }
            }
            // A picture from outside of the upload folder is fetched, shown and forgotten by another name than its file's.
            guard let name, !common.json, files.last?.split(separator: "/").last.map(String.init) != name else {
                return
            }
            progress.end()
            Output.line("your avatar now, under the name \(name)")
        }
    }

    /// The picture under the name that a person typed; its own, which the agent made from its bytes, stands in its path.
    private func named(_ file: String, _ avatar: Avatar) -> Avatar {
        var avatar = avatar
        if !common.json, file != StandardInput.sign { avatar.name = file }
        return avatar
    }

    /// Uploads one, and returns the name that it got, once it is on the server.
    private func upload(
        _ path: String, typed file: String, _ client: AgentClient, _ progress: inout Progress, isTaken: () -> Void
    ) async throws -> String? {
        if noWait {
            let avatar = try await client.upload(path)
            isTaken()
            progress.show(named(file, avatar))
            return nil
        }
        var last: Avatar?
        for try await avatar in try await client.uploadProgress(path) {
            // The agent's first word comes when the picture lies in its own folder.
            isTaken()
            progress.show(named(file, avatar))
            last = avatar
        }
        guard let last, !last.isNotToBeHad else { throw ExitStatus.failed }
        return last.name
    }

    /// The agent has a working folder of its own, so it is given whole paths.
    private func absolute(_ file: String) throws -> String {
        guard let path = realpath(file, nil) else {
            throw LocalError(description: "\(file): \(String(cString: strerror(errno)))")
        }
        defer { free(path) }
        guard let text = String(validatingCString: path) else {
            throw LocalError(
                description:
                    "\(file): its whole path is not UTF-8; give it as standard input: avatarctl upload - <\(file)")
        }
        return text
    }
}

extension Avatar {
    /// Whether it is a crop that the server has refused, for the reason that stands there.
    var isNotTaken: Bool { state == .outgoing && reason != nil }
    /// Whether the state is final, and no picture came of it.
    var isNotToBeHad: Bool { state == .absent || state == .failed }
}

struct Forget: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Removes a picture from the cache, and what is known of it.")

    @Argument(help: "The picture's name.", completion: Completions.names)
    var name: String

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            let isIcon = try await client.status().icon?.name == name
            try await client.forget(name)
            // It is the agent's copy that goes.
            common.done(
                isIcon
                    ? "\(name) is forgotten here; on the server it stays your avatar, and whatever shows it fetches it again"
                    : "\(name) is forgotten")
        }
    }
}

struct Dismiss: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes a file that is not uploaded off the agent's problems.",
        discussion: """
            The file stays in the upload folder. It is not tried again until it is changed, or uploaded with avatarctl upload; a restart of the \
            agent changes nothing about that.
            """)

    @Argument(help: "The file's name in the upload folder.")
    var name: String

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            do {
                try await client.dismiss(name)
            } catch AgentError.unknownAvatar where !common.json {
                throw LocalError(
                    description:
                        "the agent has no problem with \(name) in its upload folder; avatarctl status lists those that it has"
                )
            }
            common.done(
                "\(name) is dismissed: it stays in the upload folder, and is not tried again until it is changed or uploaded anew"
            )
        }
    }
}

extension Direction: ExpressibleByArgument {}

extension Direction {
    /// As a person says it.
    var transfers: String {
        switch self {
        case .down: "downloads"
        case .up: "uploads"
        }
    }
}

struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Holds transfers until avatarctl resume.")

    @Argument(help: "Only this direction.")
    var direction: Direction?

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            try await client.pause(direction?.rawValue)
            common.done("\(direction.map { "\($0.transfers) are" } ?? "transfers are") held")
        }
    }
}

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lets transfers go on.")

    @Argument(help: "Only this direction.")
    var direction: Direction?

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            try await client.resume(direction?.rawValue)
            common.done("\(direction?.transfers ?? "transfers") go on")
        }
    }
}

struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Does at once what the agent would do when its time comes.",
        discussion: """
            Looks through both folders, examines what differs from what the agent knows, and tries refused files again. Ends a \
            wait for the server, fetches every picture that is known and not there, those that could not be had among them, and \
            shows which crops are on their way. Exits with 1 when a picture cannot be had, a file is not uploaded, or the server still \
            refuses a crop that it refused before.
            """)

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            let (refused, isCacheAway) = try await refused(client)
            // Whatever is on its way needs the server: without it nothing below would ever end.
            do { _ = try await client.verify() } catch AgentError.methodNotFound {}
            var missing: [String] = []
            var notTaken: [String] = []
            var isAnythingOnItsWay = false
            for try await avatar in client.list() {
                switch avatar.state {
                case .ready, .builtin: break
                case .outgoing:
                    isAnythingOnItsWay = true
                    if avatar.isNotTaken { notTaken += avatar.name.map { [$0] } ?? [] }
                    if common.json { Output.line(avatar) } else { Output.line(Progress.sentence(avatar)) }
                default: missing += avatar.name.map { [$0] } ?? []
                }
            }
            // Nothing comes before the folder is back, and what lies in it is not missing then.
            if isCacheAway { throw ExitStatus.failed }
            let isAllThere = refused == 0 && missing.isEmpty && !isAnythingOnItsWay
            // With no names too: whoever asks for anything ends the wait.
            var failed = 0
            repeat {
                let some = missing.prefix(Limits.Labels.fetchNamesMax)
                missing.removeFirst(some.count)
                failed += try await common.follow(Array(some), client)
            } while !missing.isEmpty
            if failed > 0 || refused > 0 { throw ExitStatus.failed }
            if try await areNotTaken(notTaken, client) { throw ExitStatus.failed }
            if !common.json { Output.line(isAllThere ? "nothing is missing" : "nothing else is missing") }
        }
    }

    /// Whether the server refuses one of these crops, which it refused before and which are tried again now. The answer takes a moment, and
    /// nothing tells of it where it is the one of before.
    private func areNotTaken(_ names: [String], _ client: AgentClient) async throws -> Bool {
        var names = names
        for _ in 0..<Limits.Sync.looksMax where !names.isEmpty {
            try await Task.sleep(for: Limits.Sync.lookInterval)
            var left: [String] = []
            for name in names where try await client.get(name).isNotTaken { left.append(name) }
            names = left
        }
        return !names.isEmpty
    }

    /// Has the agent look through the folders, and shows what is not as it should be after that; how many differences there are, and whether
    /// the cache folder itself is among them.
    private func refused(_ client: AgentClient) async throws -> (count: Int, isCacheAway: Bool) {
        let check: CheckReply
        do {
            check = try await client.check(look: true)
        } catch AgentError.methodNotFound {
            // An earlier agent looks through the folders when it starts.
            return (0, false)
        }
        for difference in check.differences {
            Output.line(common.json ? difference.json : difference.sentence)
        }
        let others = check.total - check.differences.count
        if others > 0, !common.json { Output.line("and \(others) more") }
        return (check.total, check.differences.contains { $0.folder == "cache" && $0.isFolder })
    }
}

extension Difference {
    /// Whether the folder itself is not at its path.
    fileprivate var isFolder: Bool { what == "gone" && name.hasPrefix("/") }

    /// As a person reads it.
    var sentence: String {
        let place = folder == "crops" ? "upload folder" : "cache folder"
        return switch what {
        case "new": "\(place): \(name) was never looked at"
        case "changed": "\(place): \(name) is not the file that was looked at"
        case "gone": "\(place): \(name) is gone" + (reason.map { ": \($0)" } ?? "")
        case "refused": "\(place): \(name) is not uploaded" + (reason.map { ": \($0)" } ?? "")
        case "waiting": "\(place): \(name) waits for \(reason ?? "another user"), who is not logged in"
        default: "\(place): \(name): \(what)" + (reason.map { ": \($0)" } ?? "")
        }
    }

    /// As a program reads it.
    var json: String { Output.json { write(to: &$0) } }
}

extension CommonOptions {
    /// Fetches pictures, and shows them until all are final; how many of them are not to be had. `again` asks also for those that are
    /// there.
    func follow(_ names: [String], _ client: AgentClient, again: Bool = false) async throws -> Int {
        var open = Set(names.map { ExactString($0) })
        var progress = Progress(
            json: json, total: open.count,
            onInterrupt:
                "what nobody else wants is not fetched further, and goes on from there the next time; --no-wait leaves it to the agent"
        )
        defer { progress.end() }
        var failed = 0
        if !json, !open.isEmpty, let reason = try await client.status().reasonToWait(.down) {
            Output.errorLine("avatarctl: \(reason); the pictures come when that is over")
        }
        for try await reply in try await client.fetchProgress(names, again: again) {
            guard let avatar = reply.avatar, let name = avatar.name else { continue }
            if avatar.state.isFinal, open.remove(ExactString(name)) != nil, avatar.isNotToBeHad { failed += 1 }
            progress.show(avatar)
        }
        // What needs no fetching, such as a default head, has no progress.
        for name in open.sorted() {
            let avatar = try await client.get(name.string)
            if !avatar.state.isFinal || avatar.isNotToBeHad { failed += 1 }
            progress.show(avatar)
        }
        return failed
    }

    /// Says that it was done; as JSON, with an empty object.
    func done(_ text: String) { Output.line(json ? "{}" : text) }
}
