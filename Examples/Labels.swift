// Prints what labels would show, in Swift: at once, and again whenever one of the pictures is there.
//
//     .package(path: "../avatard")                                    in the package's dependencies
//     .product(name: "AvatarAgentClient", package: "avatard")         in the target's
import AvatarAgentClient
import LabelBus

@main
struct Labels {
    static func main() async throws {
        let agent = AgentClient()
        let labels = CommandLine.arguments.dropFirst().map { LabelRequest(label: $0, name: $0) }
        do {
            for try await reply in try await agent.register(labels) {
                for state in reply.labels {
                    print(state.label, state.avatar.state, state.avatar.path ?? state.avatar.fallback ?? "-")
                }
            }
        } catch let error as AgentError {
            print("the agent says no: \(error)")
        } catch let error as AgentClientError where error.code == .notReachable {
            print("no agent runs: \(error)")
        }
    }
}
