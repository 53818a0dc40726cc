package import AvatarCore

/// One call of the agent's interface, its parameters checked for shape and size (not for meaning).
package enum AgentCall: Hashable, Sendable {
    case register(RegisterParameters)
    case adjust(AdjustParameters)
    case watch(WatchParameters)
    case get(GetParameters)
    case list(ListParameters)
    case fetch(FetchParameters)
    case upload(UploadParameters)
    case forget(ForgetParameters)
    case dismiss(DismissParameters)
    case pause(PauseParameters)
    case resume(ResumeParameters)
    case login(LoginParameters)
    case logout
    case status
    case explain(ExplainParameters)
    case check(CheckParameters)
    case verify

    /// The interface's methods, without the interface's name, in its order.
    package static let methods = [
        "Register", "Adjust", "Watch", "Get", "List", "Fetch", "Upload", "Forget", "Dismiss", "Pause", "Resume",
        "Login",
        "Logout", "Status", "Explain", "Check", "Verify",
    ]

    /// The method's full name on the wire.
    package var method: String {
        let name =
            switch self {
            case .register: "Register"
            case .adjust: "Adjust"
            case .watch: "Watch"
            case .get: "Get"
            case .list: "List"
            case .fetch: "Fetch"
            case .upload: "Upload"
            case .forget: "Forget"
            case .dismiss: "Dismiss"
            case .pause: "Pause"
            case .resume: "Resume"
            case .login: "Login"
            case .logout: "Logout"
            case .status: "Status"
            case .explain: "Explain"
            case .check: "Check"
            case .verify: "Verify"
            }
        return AgentInterface.name + "." + name
    }

    /// Reads the parameters of `method` (without the interface's name); throws what the client is to be answered.
    package init(method: String, parameters: JSON) throws(AgentError) {
        func read<Value: BusObject>(_ type: Value.Type) throws(AgentError) -> Value {
            do throws(FieldError) {
                return try ObjectReader.read(type, from: parameters, unknown: .refused)
            } catch {
                throw .invalidParameter(parameter: error.field)
            }
        }
        switch method {
        case "Register": self = .register(try read(RegisterParameters.self))
        case "Adjust": self = .adjust(try read(AdjustParameters.self))
        case "Watch": self = .watch(try read(WatchParameters.self))
        case "Get": self = .get(try read(GetParameters.self))
        case "List": self = .list(try read(ListParameters.self))
        case "Fetch": self = .fetch(try read(FetchParameters.self))
        case "Upload": self = .upload(try read(UploadParameters.self))
        case "Forget": self = .forget(try read(ForgetParameters.self))
        case "Dismiss": self = .dismiss(try read(DismissParameters.self))
        case "Pause": self = .pause(try read(PauseParameters.self))
        case "Resume": self = .resume(try read(ResumeParameters.self))
        case "Login": self = .login(try read(LoginParameters.self))
        case "Logout":
            _ = try read(NoFields.self)
            self = .logout
        case "Status":
            _ = try read(NoFields.self)
            self = .status
        case "Explain": self = .explain(try read(ExplainParameters.self))
        case "Check": self = .check(try read(CheckParameters.self))
        case "Verify":
            _ = try read(NoFields.self)
            self = .verify
        default: throw .methodNotFound(method: AgentInterface.name + "." + method)
        }
    }

    /// Writes the parameters, as a client sends them.
    package func write(to writer: inout JSONWriter) {
        switch self {
        case .register(let parameters): parameters.write(to: &writer)
        case .adjust(let parameters): parameters.write(to: &writer)
        case .watch(let parameters): parameters.write(to: &writer)
        case .get(let parameters): parameters.write(to: &writer)
        case .list(let parameters): parameters.write(to: &writer)
        case .fetch(let parameters): parameters.write(to: &writer)
        case .upload(let parameters): parameters.write(to: &writer)
        case .forget(let parameters): parameters.write(to: &writer)
        case .dismiss(let parameters): parameters.write(to: &writer)
        case .pause(let parameters): parameters.write(to: &writer)
        case .resume(let parameters): parameters.write(to: &writer)
        case .login(let parameters): parameters.write(to: &writer)
        case .logout, .status, .verify: break
        case .explain(let parameters): parameters.write(to: &writer)
        case .check(let parameters): parameters.write(to: &writer)
        }
    }
}

/// A struct without fields.
package struct NoFields: BusObject, Hashable {
    package init() {}
    package init(from fields: inout ObjectReader) throws(FieldError) {}
    package func write(to writer: inout JSONWriter) {}
}
