internal import AvatarCore
package import NIOCore

/// Decides what becomes of a call: `org.varlink.service` is answered here, the agent's methods are checked and handed over.
package struct CallDispatcher: Sendable {
    /// What becomes of a call.
    package enum Outcome: Sendable {
        /// The whole answer, encoded.
        case answered(ByteBuffer)
        case service(AgentCall)
    }

    /// What stands behind the bus.
    package let service: any AgentService
    private let info: ServiceInfo

    package init(service: any AgentService, info: ServiceInfo) {
        self.service = service
        self.info = info
    }

    /// Decides about one call. Nothing is done yet.
    package func resolve(_ call: BusMessage.Call) -> Outcome {
        do throws(AgentError) {
            // No method here hands its connection over to another protocol.
            if call.upgrade { throw .methodNotImplemented(method: call.method) }
            let (interface, method) = try split(call.method)
            switch interface {
            case AgentInterface.name:
                let agentCall = try AgentCall(method: method, parameters: call.parameters)
                try check(agentCall, more: call.more)
                return .service(agentCall)
            case ServiceInterface.name:
                return .answered(try answer(method, call))
            default:
                throw .interfaceNotFound(interface: interface)
            }
        } catch {
            return .answered(BusMessage.error(error))
        }
    }

    /// The interface is everything before the last dot.
    private func split(_ name: String) throws(AgentError) -> (interface: String, method: String) {
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { throw .methodNotFound(method: name) }
        return (String(name[..<dot]), String(name[name.utf8.index(after: dot)...]))
    }

    private func answer(_ method: String, _ call: BusMessage.Call) throws(AgentError) -> ByteBuffer {
        switch method {
        case "GetInfo":
            _ = try read(NoFields.self, call)
            return BusMessage.reply { writer in
                writer.field("vendor", info.vendor)
                writer.field("product", info.product)
                writer.field("version", info.version)
                writer.field("url", info.url)
                writer.field("interfaces", [AgentInterface.name, ServiceInterface.name])
            }
        case "GetInterfaceDescription":
            let interface = try read(DescriptionParameters.self, call).interface
            let texts = [
                AgentInterface.name: AgentInterface.description, ServiceInterface.name: ServiceInterface.description,
            ]
            guard let text = texts[interface] else { throw .interfaceNotFound(interface: interface) }
            return BusMessage.reply { $0.field("description", text) }
        default:
            throw .methodNotFound(method: call.method)
        }
    }

    private func read<Value: BusObject>(_ type: Value.Type, _ call: BusMessage.Call) throws(AgentError) -> Value {
        do throws(FieldError) {
            return try ObjectReader.read(type, from: call.parameters, unknown: .refused)
        } catch {
            throw .invalidParameter(parameter: error.field)
        }
    }

    /// What can be said about a call without knowing what the agent knows (``Limits/Bus``).
    private func check(_ call: AgentCall, more: Bool) throws(AgentError) {
        switch call {
        case .register(let parameters):
            // Nothing can live on, and nothing can be kept awake, in a single reply.
            if !more, parameters.keep == true || parameters.heartbeat == true { throw .expectedMore }
            try count(
                parameters.labels.count, "labels", more ? Limits.Labels.perSubscriptionMax : Limits.Labels.perReplyMax)
            try check(parameters.labels, in: "labels")
        case .adjust(let parameters):
            try count(parameters.add?.count, "labels", Limits.Labels.perSubscriptionMax)
            try count(parameters.remove?.count, "labels", Limits.Labels.perSubscriptionMax)
            try count(parameters.visible?.count, "labels", Limits.Labels.perSubscriptionMax)
            try count(parameters.hidden?.count, "labels", Limits.Labels.perSubscriptionMax)
            try check(parameters.add ?? [], in: "add")
        case .watch(let parameters):
            if !more, parameters.heartbeat == true { throw .expectedMore }
        case .list(let parameters):
            if let limit = parameters.limit, limit < 1 { throw .invalidParameter(parameter: "limit") }
        case .fetch(let parameters):
            try count(parameters.names.count, "names", Limits.Labels.fetchNamesMax)
            try visibility(parameters.visibility, "visibility")
        case .upload(let parameters):
            let path = parameters.path
            guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count < Limits.Bus.pathBytesMax,
                !path.utf8.contains(0)
            else {
                throw .invalidParameter(parameter: "path")
            }
        case .pause(let parameters): try direction(parameters.direction)
        case .resume(let parameters): try direction(parameters.direction)
        case .login(let parameters):
            if parameters.uid < 1 { throw .invalidParameter(parameter: "uid") }
            if !(1...65_535).contains(parameters.server.port) { throw .invalidParameter(parameter: "server.port") }
            if parameters.server.host.isEmpty { throw .invalidParameter(parameter: "server.host") }
            let bytes = parameters.token.utf8.count
            if bytes == 0 || bytes > Limits.Token.bytesMax { throw .invalidParameter(parameter: "token") }
        case .get, .forget, .dismiss, .logout, .status, .explain, .check, .verify: break
        }
    }

    private func count(_ count: Int?, _ what: String, _ limit: Int) throws(AgentError) {
        if let count, count > limit { throw .tooMany(what: what, limit: limit) }
    }

    private func check(_ labels: [LabelRequest], in field: String) throws(AgentError) {
        for (index, label) in labels.enumerated() {
            if label.label.isEmpty || label.label.utf8.count > Limits.Bus.labelBytesMax {
                throw .invalidParameter(parameter: "\(field)[\(index)].label")
            }
            if label.name == nil, label.owner == nil { throw .invalidParameter(parameter: "\(field)[\(index)].name") }
            if let owner = label.owner, owner < 1 { throw .invalidParameter(parameter: "\(field)[\(index)].owner") }
            guard isVisibility(label.visibility) else {
                throw .invalidParameter(parameter: "\(field)[\(index)].visibility")
            }
        }
    }

    private func visibility(_ word: String?, _ field: String) throws(AgentError) {
        guard isVisibility(word) else { throw .invalidParameter(parameter: field) }
    }

    private func isVisibility(_ word: String?) -> Bool { word.map { Visibility(rawValue: $0) != nil } ?? true }

    private func direction(_ word: String?) throws(AgentError) {
        guard let word else { return }
        guard Direction(rawValue: word) != nil else { throw .invalidParameter(parameter: "direction") }
    }
}

private struct DescriptionParameters: BusObject {
    let interface: String

    init(from fields: inout ObjectReader) throws(FieldError) { interface = try fields.string("interface") }
    func write(to writer: inout JSONWriter) { writer.field("interface", interface) }
}
