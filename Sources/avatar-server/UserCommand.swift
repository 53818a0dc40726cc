import ArgumentParser
import AvatarCore
import Foundation
import Glibc
import PosixFiles
import ProgramSupport
import ServerRuntime
import ServerStores

/// `avatar-server user …`: adds, lists and removes users, also while the server runs.
struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Adds, lists and removes users, and ends their tokens.",
        discussion: "Users of the cluster's stores are made by the chat system, which gives them their tokens.",
        subcommands: [Add.self, List.self, Token.self, Revoke.self, Remove.self])

    /// `avatar-server user add`
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Adds a user and prints their token, once.")
        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var argument: UserArgument
        @Option(help: "The user's name.") var name = ""
        @Option(help: "Take the token from this file instead of drawing one.") var tokenFile: String?

        func run() throws { try SingleThreadExecutor.run { try await add() } }

        private func add() async throws {
            let user = try argument.user()
            let token = try token(from: tokenFile)
            let users = try await openUsers(options, making: true)
            let isNew = try doing { () throws(StoreError) in try users.add(user, name: name, token: token) }
            guard isNew else {
                Failure.say(
                    "there is a user \(user) already; `avatar-server user token --uid \(user)` gives a new token")
                throw Failure.refused
            }
            if tokenFile == nil { print(token) }
        }
    }

    /// `avatar-server user token`
    struct Token: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "token", abstract: "Gives a user a new token and prints it, once; the old one ends.")
        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var argument: UserArgument
        @Option(help: "Take the token from this file instead of drawing one.") var tokenFile: String?

        func run() throws { try SingleThreadExecutor.run { try await renew() } }

        private func renew() async throws {
            let user = try argument.user()
            let token = try token(from: tokenFile)
            let users = try await openUsers(options)
            let isKnown = try doing { () throws(StoreError) in try users.setToken(token, of: user) }
            guard isKnown else {
                Failure.say("there is no user \(user); `avatar-server user add --uid \(user)` makes one")
                throw Failure.refused
            }
            if tokenFile == nil { print(token) }
        }
    }
}

/// - Parameter making: whether a database that is not there is made.
private func openUsers(_ options: ConfigurationOptions, making: Bool = false) async throws -> EmbeddedUsers {
    let settings = try options.settings()
    guard settings.storesKind == .embedded else {
        Failure.say("stores.kind is cluster: its users and tokens are made by the chat system, in MySQL and Redis")
        throw Failure.refused
    }
    return try doing { () throws(StoreError) in
        EmbeddedUsers(
            try EmbeddedDatabase(path: settings.sqliteFile, isDurable: settings.storageSync == .full, making: making))
    }
}

func doing<Value>(_ body: () throws(StoreError) -> Value) throws -> Value {
    do throws(StoreError) {
        return try body()
    } catch {
        Failure.say("\(error)")
        throw Failure.unavailable
    }
}

/// The token in the file, or a fresh token of 32 hexadecimal digits.
private func token(from file: String?) throws -> String {
    guard let file else {
        var random = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let digits = String(UInt32.random(in: .min ... .max, using: &random), radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }
    let bytes: [UInt8]
    do throws(PosixError) {
        bytes = try beginning(of: file, atMost: TokenText.bytesMax)
    } catch {
        Failure.say("the token file cannot be read: \(error)")
        throw Failure.noInput
    }
    do throws(TokenText.Fault) {
        return try TokenText.token(in: bytes)
    } catch {
        Failure.say("the token file \(file) cannot be used: \(error)")
        throw Failure.noInput
    }
}

/// The first bytes of a file, which may be a pipe.
private func beginning(of file: String, atMost count: Int) throws(PosixError) -> [UInt8] {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last("open", path: file) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: count)
    while bytes.count < count {
        let got = read(descriptor, &chunk, count - bytes.count)
        if got < 0, errno == EINTR { continue }
        guard got >= 0 else { throw .last("read", path: file) }
        if got == 0 { break }
        bytes += chunk[..<got]
    }
    return bytes
}
