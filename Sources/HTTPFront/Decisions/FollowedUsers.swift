package import AvatarCore

/// Reads whom a client wants to follow.
package enum FollowedUsers {
    /// What is wrong with the list, for a person.
    package struct Fault: Error, Hashable, Sendable {
        package let detail: String
    }

    /// The `user` fields of a target's query: `?user=1001&user=1002`. Other fields are not looked at.
    package static func inQuery(_ target: String) throws(Fault) -> Set<UserID> {
        var users: Set<UserID> = []
        guard let mark = target.firstIndex(of: "?") else { return users }
        for field in target[target.index(after: mark)...].split(separator: "&") where field.hasPrefix("user=") {
            let text = field.dropFirst("user=".count)
            guard let user = UserID(digits: text) else {
                throw Fault(detail: "user=\(text.prefix(20)) in the query: a user is a number from 1 on")
            }
            users.insert(user)
        }
        return try bounded(users)
    }

    /// A posted object `{"users": [1001, 1002]}`. Other members are not looked at.
    package static func inBody(_ bytes: [UInt8]) throws(Fault) -> Set<UserID> {
        let json: JSON
        do {
            json = try JSON.parse(bytes)
        } catch {
            throw Fault(detail: "the body is no JSON: \(error)")
        }
        guard case .object(let members) = json,
            case .array(let items) = members.first(where: { $0.name.string == "users" })?.value
        else { throw Fault(detail: "the body must be an object with a list: {\"users\": [1001, 1002]}") }
        var users: Set<UserID> = []
        for (index, item) in items.enumerated() {
            guard let user = item.wholeNumber.flatMap({ UserID(Int64($0)) }) else {
                throw Fault(detail: "users[\(index)] in the body: a user is a number from 1 on")
            }
            users.insert(user)
        }
        return try bounded(users)
    }

    private static func bounded(_ users: Set<UserID>) throws(Fault) -> Set<UserID> {
        guard users.count <= Limits.Changes.usersMax else {
            throw Fault(
                detail: "\(users.count) users; one stream follows at most \(Limits.Changes.usersMax)")
        }
        return users
    }
}
