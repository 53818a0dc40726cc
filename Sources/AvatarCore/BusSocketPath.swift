/// Where the label bus's socket lies when nothing names it: one rule for agent, `avatarctl`, client library and examples
/// (docs/label-bus.md).
package enum BusSocketPath {
    /// The variable that names the socket for agent and clients alike; it is the key `bus.socket`.
    package static let variable = "AVATARD_BUS_SOCKET"

    /// Below XDG_RUNTIME_DIR; where that is not set, below the folder that systemd gives a user, if it is there; else nil.
    package static func inRuntimeFolder(_ runtime: String?, user: UInt32, isFolder: (String) -> Bool) -> String? {
        if let runtime { return runtime + "/avatard/agent.sock" }
        let given = "/run/user/\(user)"
        return isFolder(given) ? given + "/avatard/agent.sock" : nil
    }

    /// Below XDG_STATE_HOME, where there is no runtime folder.
    package static func inStateFolder(_ state: String) -> String { state + "/avatard/agent.sock" }
}
