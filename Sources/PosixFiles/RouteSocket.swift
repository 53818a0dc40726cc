internal import CLinux
internal import Glibc

/// A netlink socket that hears of every change of links, addresses and routes (rtnetlink(7)); no privilege is needed.
package enum RouteSocket {
    /// Opens and binds it. Throws where a sandbox forbids netlink.
    package static func open() throws(PosixError) -> OpenFile {
        let descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), NETLINK_ROUTE)
        guard descriptor >= 0 else { throw .last("socket", path: "NETLINK_ROUTE") }
        let file = OpenFile(adopting: descriptor)
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = UInt32(
            RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard bound == 0 else { throw .last("bind", path: "NETLINK_ROUTE") }
        return file
    }
}
