/// Sockets that systemd opened for this process (sd_listen_fds(3), `systemd-socket-activate`).
package enum SocketActivation {
    /// The name that the socket must have, `FileDescriptorName=varlink` in the socket unit (docs/label-bus.md, "Where the socket comes
    /// from").
    package static let descriptorName = "varlink"
    /// The variables, which are not for children of this process.
    package static let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]

    /// The bus's socket among those that were handed over, or nil when this process was not activated.
    ///
    /// Throws when sockets were handed over but none has the name: the unit is wrong, and listening elsewhere would leave
    /// its clients waiting for ever.
    package static func descriptor(
        in environment: [String: String], processID: Int32
    ) throws(BusSocketError) -> Int32? {
        guard let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), count > 0,
            environment["LISTEN_PID"].flatMap({ Int32($0) }) == processID
        else { return nil }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        guard let index = names.prefix(Int(count)).firstIndex(where: { $0 == descriptorName }) else {
            throw .activationWithoutName
        }
        return 3 + Int32(index)
    }
}
