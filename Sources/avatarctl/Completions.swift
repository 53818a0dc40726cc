internal import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import LabelBus

/// What a shell offers for an unfinished word, told by the agent that runs. A shell waits for it at every Tab, so it gives up soon, offers
/// nothing then, and says nothing.
enum Completions {
    /// The names that the agent knows, as far as they begin like the word.
    static let names = CompletionKind.custom { _, _, word in await known(word) }

    private static func known(_ word: String) async -> [String] {
        guard let path = try? AgentSocket.path(flag: nil) else { return [] }
        return await withTaskGroup(of: [String].self) { group in
            group.addTask { await names(in: AgentClient(socketPath: path), from: word) }
            group.addTask {
                try? await Task.sleep(for: Limits.Completion.patience)
                return []
            }
            defer { group.cancelAll() }
            return await group.next() ?? []
        }
    }

    /// The list is in the order of the names' bytes: those that begin like the word follow it. The word itself is asked for by its name, since a
    /// page begins behind what it is given.
    private static func names(in client: AgentClient, from word: String) async -> [String] {
        var names: [String] = []
        if !word.isEmpty, let avatar = try? await client.get(word), let name = avatar.name { names.append(name) }
        let after = (try? AvatarName(word)) == nil ? nil : word
        guard let page = try? await client.listPage(after: after, limit: Limits.Completion.namesMax) else {
            return names
        }
        return names + page.avatars.compactMap(\.name).filter { $0.utf8.starts(with: word.utf8) }
    }
}
