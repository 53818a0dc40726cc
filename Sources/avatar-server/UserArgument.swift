import ArgumentParser
import AvatarCore

/// The user whom a command is about: `avatar-server user token 7`, or `--uid 7`.
struct UserArgument: ParsableArguments {
    @Argument(help: "The user's number, 1 or more.") var number: Int64?
    @Option(help: "The user's number, instead of the argument.") var uid: Int64?

    func validate() throws {
        guard (number == nil) != (uid == nil) else {
            throw ValidationError(
                uid == nil ? "the user's number is missing" : "the user's number is given twice, once with --uid")
        }
        _ = try user()
    }

    func user() throws -> UserID {
        guard let given = number ?? uid, let user = UserID(given) else {
            throw ValidationError("the user's number must be 1 or more")
        }
        return user
    }
}
