import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import NIOCore
import Testing

/// One struct of the interface with every field set, and what becomes of it on the way through the Swift type.
private struct Sample: Sendable, CustomTestStringConvertible {
    enum Place: Hashable, Sendable {
        case type(String)
        case input(String)
        case output(String)
        case error(String)
    }

    let place: Place
    /// Every field set, as the Swift type writes it.
    let full: JSON
    /// The Swift type's own stored properties.
    let properties: Int?
    /// Reads JSON as the Swift type and writes it again.
    let roundTrip: @Sendable (JSON) throws -> JSON

    var testDescription: String { "\(place)" }

    init<Value: BusObject>(_ place: Place, _ value: Value, properties: Int? = nil) {
        self.place = place
        full = Self.encode { value.write(to: &$0) }
        self.properties = properties ?? Mirror(reflecting: value).children.count
        roundTrip = { json in
            let value = try ObjectReader.read(Value.self, from: json, unknown: .refused)
            return Self.encode { value.write(to: &$0) }
        }
    }

    init(_ error: AgentError) {
        place = .error(String(error.name.split(separator: ".").last ?? ""))
        full = Self.encode { error.write(to: &$0) }
        properties = nil
        roundTrip = { json in
            var fields = try ObjectReader(json, unknown: .refused)
            let read = try AgentError(name: error.name, from: &fields)
            return Self.encode { read.write(to: &$0) }
        }
    }

    static func encode(_ body: (inout JSONWriter) -> Void) -> JSON {
        var writer = JSONWriter()
        writer.object(body)
        return (try? JSON.parse(writer.bytes)) ?? .null
    }
}

private let avatar = Avatar(
    name: "a.png", owner: 7, state: .ready, path: "/a", fallback: "/f", size: 1, transferred: 1, sha256: "00",
    assurance: "digest", generation: 1, reason: "r", retryAt: "t")
private let request = LabelRequest(label: "l", name: "a.png", owner: 7, visibility: "near")
private let certificate = Certificate(issuer: "Some CA", until: "2026-09-26T09:00:00Z")
private let change = Change(
    cursor: 1, at: "2026-09-26T09:00:00Z", kind: .ready, size: 20_480, reason: "gone", avatar: avatar)
private let server = Server(host: "h", port: 1, url: "u")
private let problem = Problem(what: "w", since: "s", remedy: "r")
private let difference = Difference(folder: "crops", name: "n", what: "new", reason: "r")
private let step = Step(at: "a", what: "w", detail: "d")

private let types = [
    Sample(.type("Avatar"), avatar), Sample(.type("LabelRequest"), request),
    Sample(.type("LabelState"), LabelState(label: "l", avatar: avatar)), Sample(.type("Change"), change),
    Sample(.type("Step"), step), Sample(.type("Server"), server), Sample(.type("Problem"), problem),
    Sample(.type("Difference"), difference), Sample(.type("Certificate"), certificate),
]

private let inputs = [
    Sample(.input("Register"), RegisterParameters(labels: [request], keep: true, heartbeat: true)),
    Sample(
        .input("Adjust"),
        AdjustParameters(subscription: "s", add: [request], remove: ["a"], visible: ["b"], hidden: ["c"])),
    Sample(.input("Watch"), WatchParameters(epoch: "e", since: 1, heartbeat: true)),
    Sample(.input("Get"), GetParameters(name: "n", owner: 7)),
    Sample(.input("List"), ListParameters(state: "s", after: "a", limit: 1)),
    Sample(.input("Fetch"), FetchParameters(names: ["n"], visibility: "near", again: true)),
    Sample(.input("Upload"), UploadParameters(path: "/p")), Sample(.input("Forget"), ForgetParameters(name: "n")),
    Sample(.input("Dismiss"), DismissParameters(name: "n")),
    Sample(.input("Pause"), PauseParameters(direction: "up")),
    Sample(.input("Resume"), ResumeParameters(direction: "up")),
    Sample(.input("Login"), LoginParameters(server: server, uid: 7, token: "t")), Sample(.input("Logout"), NoFields()),
    Sample(.input("Status"), NoFields()), Sample(.input("Explain"), ExplainParameters(name: "n")),
    Sample(.input("Check"), CheckParameters(look: true)),
    Sample(.input("Verify"), NoFields()),
]

private let outputs =
    [
        Sample(
            .output("Register"),
            RegisterReply(subscription: "s", labels: [LabelState(label: "l", avatar: avatar)], synced: true)),
        Sample(.output("Watch"), WatchReply(epoch: "e", cursor: 1, reset: true, changes: [change])),
        Sample(.output("Get"), AvatarReply(avatar: avatar)), Sample(.output("Upload"), AvatarReply(avatar: avatar)),
        Sample(.output("List"), ListReply(avatars: [avatar], next: "n")),
        Sample(.output("Fetch"), FetchReply(accepted: 1, avatar: avatar)),
        Sample(
            .output("Status"),
            StatusReply(
                version: "v", connection: "c", since: "s", server: server, uid: 7, dialect: "classic", icon: avatar,
                downloads: 1, uploads: 1, labels: 1, cached: 1, bytes: 1, problems: [problem], figures: ["f": 0.5])),
        Sample(.output("Explain"), ExplainReply(steps: [step])),
        Sample(.output("Check"), CheckReply(differences: [difference], total: 1)),
        Sample(
            .output("Verify"),
            VerifyReply(
                server: server, uid: 7, dialect: "https", version: "1.0", date: "2026-09-26T09:00:00Z", tls: "TLS 1.3",
                certificate: certificate)),
    ] + ["Adjust", "Forget", "Dismiss", "Pause", "Resume", "Login", "Logout"].map { Sample(.output($0), NoFields()) }

private let errors = [
    AgentError.notLoggedIn, .unknownAvatar(name: "n"), .invalidName(name: "n", reason: "r"),
    .notAnImage(path: "p", reason: "r"), .tooLarge(path: "p", size: 1, limit: 1), .serverRefused(code: 1, reason: "r"),
    .storageFailed(reason: "r"), .serverUnreachable(reason: "r"), .loginFixed(reason: "r"), .lagging(dropped: 1),
    .tooMany(what: "w", limit: 1),
    .unknownSubscription(subscription: "s"),
].map { Sample($0) }

private let serviceErrors = [
    AgentError.interfaceNotFound(interface: "i"), .methodNotFound(method: "m"), .methodNotImplemented(method: "m"),
    .invalidParameter(parameter: "p"), .permissionDenied, .expectedMore,
].map { Sample($0) }

@Suite("The interface", .timeLimit(.minutes(1)))
struct InterfaceTests {
    /// The description as a client reads it.
    private func served(_ interface: String) async throws -> String {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            try await client.send(
                #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"\#(interface)"}}"#)
            let reply = try #require(try await client.next())
            let object = try JSONSerialization.jsonObject(with: Data(reply.utf8)) as? [String: [String: String]]
            return try #require(object?["parameters"]?["description"])
        }
    }

    @Test("GetInfo names both interfaces")
    func info() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            try await client.send(#"{"method":"org.varlink.service.GetInfo"}"#)
            #expect(
                try await client.next()
                    == #"{"parameters":{"vendor":"avatard","product":"avatard","version":"1.0","url":"","interfaces":"#
                    + #"["org.avatard.Agent","org.varlink.service"]}}"#)
        }
    }

    @Test("the description that is served, and the Swift types, say the same of every struct")
    func nothingDrifts() async throws {
        let text = try await served("org.avatard.Agent")
        #expect(text == AgentInterface.description)
        let description = try InterfaceDescription(text)
        #expect(description.name == AgentInterface.name)
        #expect(Set(description.methods.keys) == Set(AgentCall.methods))
        let expected =
            description.types.map { (Sample.Place.type($0), $1) }
            + description.methods.map { (Sample.Place.input($0), $1.input) }
            + description.methods.map { (Sample.Place.output($0), $1.output) }
            + description.errors.map { (Sample.Place.error($0), $1) }
        let samples = types + inputs + outputs + errors
        #expect(Set(samples.map(\.place)) == Set(expected.map(\.0)))
        #expect(samples.count == expected.count)
        for sample in samples {
            let fields = try #require(expected.first { $0.0 == sample.place }?.1)
            try compare(sample, fields, in: description)
        }
    }

    @Test("org.varlink.service has the errors that the bus answers")
    func serviceErrorsDoNotDrift() async throws {
        let description = try InterfaceDescription(try await served("org.varlink.service"))
        #expect(Set(description.methods.keys) == ["GetInfo", "GetInterfaceDescription"])
        #expect(Set(serviceErrors.map(\.place)) == Set(description.errors.keys.map { Sample.Place.error($0) }))
        for (name, fields) in description.errors {
            let sample = try #require(serviceErrors.first { $0.place == .error(name) })
            try compare(sample, fields, in: description)
        }
    }

    /// The same names, the same types, and exactly the `?` fields may be missing.
    private func compare(
        _ sample: Sample, _ fields: InterfaceDescription.Fields, in description: InterfaceDescription
    ) throws {
        guard case .object(let members) = sample.full else {
            Issue.record("\(sample.place) is no object")
            return
        }
        #expect(Set(members.map(\.name.string)) == Set(fields.keys), "\(sample.place)")
        if let properties = sample.properties { #expect(properties == fields.count, "\(sample.place)") }
        #expect(try sample.roundTrip(sample.full) == sample.full, "\(sample.place)")
        for member in members {
            let type = try #require(fields[member.name.string], "\(sample.place) \(member.name)")
            #expect(matches(member.value, type, in: description), "\(sample.place) \(member.name)")
            var isOptional = false
            if case .optional = type { isOptional = true }
            let rest = members.filter { $0.name != member.name }
            let null = rest + [JSON.Member(name: member.name, value: .null)]
            for shorter in [rest, null] {
                let isRead = (try? sample.roundTrip(.object(shorter))) != nil
                #expect(isRead == isOptional, "\(sample.place) without \(member.name)")
            }
            let unknown = members + [JSON.Member(name: "not_\(member.name)", value: .null)]
            if sample.place.isRead { #expect((try? sample.roundTrip(.object(unknown))) == nil) }
        }
    }

    private func matches(
        _ value: JSON, _ type: InterfaceDescription.FieldType, in description: InterfaceDescription
    ) -> Bool {
        switch (value, type) {
        case (_, .optional(let type)): matches(value, type, in: description)
        case (.bool, .bool), (.int, .int), (.double, .float), (.string, .string), (.object, .object): true
        case (.array(let elements), .array(let type)):
            !elements.isEmpty && elements.allSatisfy { matches($0, type, in: description) }
        case (.object(let members), .map(let type)):
            !members.isEmpty && members.allSatisfy { matches($0.value, type, in: description) }
        case (.object(let members), .named(let name)):
            Set(members.map(\.name.string)) == description.types[name].map { Set($0.keys) }
        default: false
        }
    }
}

extension Sample.Place {
    /// Whether an unknown field is refused by the ordinary way of reading it.
    fileprivate var isRead: Bool {
        if case .error = self { false } else { true }
    }
}

@Suite("Replies that are put together from what was encoded before")
struct LabelsReplyTests {
    @Test("are those that the Swift type writes, byte for byte")
    func sameBytes() async throws {
        let states = ["l", "\"quoted\""].map { LabelState(label: $0, avatar: avatar) }
        let encoded = EncodedAvatar(avatar)
        try await withBus(ScriptedAgent(held: ["Register"])) { bus in
            let client = try await RawClient(bus.path)
            let call = #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[]},"more":true}"#
            for synced in [nil, true] {
                try await client.send(call)
                await bus.agent.untilCalled("Register")
                let held = try #require(bus.agent.held.last)
                let whole = RegisterReply(subscription: "s", labels: states, synced: synced)
                held.send(.register(whole), continues: true)
                held.send(
                    LabelsReply(
                        subscription: "s", labels: states.map { (label: $0.label, avatar: encoded) }, synced: synced),
                    continues: true)
                held.send(.register(whole), continues: false)
                let replies = [try await client.next(), try await client.next()]
                #expect(replies[0] != nil && replies[0] == replies[1])
                _ = try await client.next()
            }
        }
    }
}
