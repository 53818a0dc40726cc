package import AvatarCore

/// The errors of both interfaces, as a client catches them and the agent sends them.
public enum AgentError: Error, Hashable, Sendable {
    /// No user is configured.
    case notLoggedIn
    /// Nothing is known of that name.
    case unknownAvatar(name: String)
    /// The name cannot be a picture's.
    case invalidName(name: String, reason: String)
    /// The file is no picture, or no complete one.
    case notAnImage(path: String, reason: String)
    /// The file has more bytes than is taken.
    case tooLarge(path: String, size: Int, limit: Int)
    /// The resource server said no, with its own code.
    case serverRefused(code: Int, reason: String)
    /// The agent's own disk, folders or catalog failed.
    case storageFailed(reason: String)
    /// The resource server cannot be reached, or what listens there does not answer as one does.
    case serverUnreachable(reason: String)
    /// The login was given when the agent was started, so that a call cannot change it.
    case loginFixed(reason: String)
    /// The client did not read; so many replies were not sent, and the connection is closed.
    case lagging(dropped: Int)
    /// More of something than is taken.
    case tooMany(what: String, limit: Int)
    /// No such subscription runs.
    case unknownSubscription(subscription: String)

    /// The service has no such interface (org.varlink.service).
    case interfaceNotFound(interface: String)
    /// The interface has no such method (org.varlink.service).
    case methodNotFound(method: String)
    /// The method is described, but does not work yet (org.varlink.service).
    case methodNotImplemented(method: String)
    /// A parameter is missing, wrong or unknown (org.varlink.service).
    case invalidParameter(parameter: String)
    /// The client is another user (org.varlink.service).
    case permissionDenied
    /// What was asked for needs `more` (org.varlink.service).
    case expectedMore

    /// An error that this version does not know, by its full name.
    case other(name: String)
}

extension AgentError {
    /// The name on the wire.
    package var name: String {
        switch self {
        case .notLoggedIn: "org.avatard.Agent.NotLoggedIn"
        case .unknownAvatar: "org.avatard.Agent.UnknownAvatar"
        case .invalidName: "org.avatard.Agent.InvalidName"
        case .notAnImage: "org.avatard.Agent.NotAnImage"
        case .tooLarge: "org.avatard.Agent.TooLarge"
        case .serverRefused: "org.avatard.Agent.ServerRefused"
        case .storageFailed: "org.avatard.Agent.StorageFailed"
        case .serverUnreachable: "org.avatard.Agent.ServerUnreachable"
        case .loginFixed: "org.avatard.Agent.LoginFixed"
        case .lagging: "org.avatard.Agent.Lagging"
        case .tooMany: "org.avatard.Agent.TooMany"
        case .unknownSubscription: "org.avatard.Agent.UnknownSubscription"
        case .interfaceNotFound: "org.varlink.service.InterfaceNotFound"
        case .methodNotFound: "org.varlink.service.MethodNotFound"
        case .methodNotImplemented: "org.varlink.service.MethodNotImplemented"
        case .invalidParameter: "org.varlink.service.InvalidParameter"
        case .permissionDenied: "org.varlink.service.PermissionDenied"
        case .expectedMore: "org.varlink.service.ExpectedMore"
        case .other(let name): name
        }
    }

    /// Writes the error's parameters.
    package func write(to writer: inout JSONWriter) {
        switch self {
        case .notLoggedIn, .permissionDenied, .expectedMore, .other: break
        case .unknownAvatar(let name): writer.field("name", name)
        case .invalidName(let name, let reason):
            writer.field("name", name)
            writer.field("reason", reason)
        case .notAnImage(let path, let reason):
            writer.field("path", path)
            writer.field("reason", reason)
        case .tooLarge(let path, let size, let limit):
            writer.field("path", path)
            writer.field("size", size)
            writer.field("limit", limit)
        case .serverRefused(let code, let reason):
            writer.field("code", code)
            writer.field("reason", reason)
        case .storageFailed(let reason), .serverUnreachable(let reason), .loginFixed(let reason):
            writer.field("reason", reason)
        case .lagging(let dropped): writer.field("dropped", dropped)
        case .tooMany(let what, let limit):
            writer.field("what", what)
            writer.field("limit", limit)
        case .unknownSubscription(let subscription): writer.field("subscription", subscription)
        case .interfaceNotFound(let interface): writer.field("interface", interface)
        case .methodNotFound(let method), .methodNotImplemented(let method): writer.field("method", method)
        case .invalidParameter(let parameter): writer.field("parameter", parameter)
        }
    }

    /// The error of that name, from its parameters.
    package init(name: String, from fields: inout ObjectReader) throws(FieldError) {
        switch name {
        case "org.avatard.Agent.NotLoggedIn": self = .notLoggedIn
        case "org.avatard.Agent.UnknownAvatar": self = .unknownAvatar(name: try fields.string("name"))
        case "org.avatard.Agent.InvalidName":
            self = .invalidName(name: try fields.string("name"), reason: try fields.string("reason"))
        case "org.avatard.Agent.NotAnImage":
            self = .notAnImage(path: try fields.string("path"), reason: try fields.string("reason"))
        case "org.avatard.Agent.TooLarge":
            self = .tooLarge(
                path: try fields.string("path"), size: try fields.int("size"), limit: try fields.int("limit"))
        case "org.avatard.Agent.ServerRefused":
            self = .serverRefused(code: try fields.int("code"), reason: try fields.string("reason"))
        case "org.avatard.Agent.StorageFailed": self = .storageFailed(reason: try fields.string("reason"))
        case "org.avatard.Agent.ServerUnreachable":
            self = .serverUnreachable(reason: try fields.string("reason"))
        case "org.avatard.Agent.LoginFixed": self = .loginFixed(reason: try fields.string("reason"))
        case "org.avatard.Agent.Lagging": self = .lagging(dropped: try fields.int("dropped"))
        case "org.avatard.Agent.TooMany":
            self = .tooMany(what: try fields.string("what"), limit: try fields.int("limit"))
        case "org.avatard.Agent.UnknownSubscription":
            self = .unknownSubscription(subscription: try fields.string("subscription"))
        case "org.varlink.service.InterfaceNotFound":
            self = .interfaceNotFound(interface: try fields.string("interface"))
        case "org.varlink.service.MethodNotFound": self = .methodNotFound(method: try fields.string("method"))
        case "org.varlink.service.MethodNotImplemented":
            self = .methodNotImplemented(method: try fields.string("method"))
        case "org.varlink.service.InvalidParameter":
            self = .invalidParameter(parameter: try fields.string("parameter"))
        case "org.varlink.service.PermissionDenied": self = .permissionDenied
        case "org.varlink.service.ExpectedMore": self = .expectedMore
        default: self = .other(name: name)
        }
    }
}

extension AgentError: CustomStringConvertible {
    /// One sentence, as a person reads it.
    public var description: String {
        switch self {
        case .notLoggedIn: "nobody is logged in"
        case .unknownAvatar(let name): "nothing is known of \(name)"
        case .invalidName(let name, let reason): "\(name): the name \(reason)"
        case .notAnImage(let path, let reason): "\(path): \(reason)"
        case .tooLarge(let path, let size, let limit):
            "\(path) has \(ByteCount(size)), at most \(ByteCount(limit)) are taken"
        // Most reasons name the code themselves.
        case .serverRefused(let code, let reason):
            "the server refused" + (code == 0 || reason.contains("\(code)") ? "" : " (\(code))") + ": \(reason)"
        case .storageFailed(let reason): "the agent's own disk or folders failed: \(reason)"
        case .serverUnreachable(let reason): "the server cannot be reached: \(reason)"
        case .loginFixed(let reason): "the login stays as it is: \(reason)"
        case .lagging(let dropped): "the stream was not read fast enough; \(dropped) replies were dropped"
        case .tooMany(let what, let limit): "too many \(what): at most \(limit) are taken"
        case .unknownSubscription(let subscription): "no subscription \(subscription) runs"
        case .interfaceNotFound(let interface): "the agent has no interface \(interface)"
        case .methodNotFound(let method): "the agent has no method \(method)"
        case .methodNotImplemented(let method): "this agent cannot do \(method) yet"
        case .invalidParameter(let parameter): "the parameter \(parameter) is missing, wrong or unknown"
        case .permissionDenied: "the agent belongs to another user"
        case .expectedMore: "this needs a stream (more)"
        case .other(let name): "the agent answered \(name)"
        }
    }
}
