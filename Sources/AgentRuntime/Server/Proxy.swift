internal import AvatarCore

/// The proxy that the environment names for HTTP, by the variables that curl(1) reads too.
struct ProxyRule: Sendable {
    private let secure: String?
    private let plain: String?
    private let exceptions: [String]

    /// - Parameter variable: the environment's value of a variable, where it has one.
    init(_ variable: (String) -> String?) {
        func value(_ names: String...) -> String? { names.lazy.compactMap(variable).first { !$0.isEmpty } }
        secure = value("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        // HTTP_PROXY in capitals can come from a request's field in CGI programs, so that nobody reads it.
        plain = value("http_proxy", "all_proxy", "ALL_PROXY")
        exceptions = (value("no_proxy", "NO_PROXY") ?? "").split(whereSeparator: { $0 == "," || $0 == " " })
            .map { $0.lowercased() }
    }

    /// Through which proxy the server is reached; nil for straight.
    func proxy(to url: ServerURL) -> HostPort? {
        guard let text = url.isSecure ? secure : plain, HostReach(host: url.host) != .loopback, !isException(url.host)
        else { return nil }
        let address = text.split(separator: "://", maxSplits: 1).last.map { String($0.prefix { $0 != "/" }) } ?? text
        return try? HostPort(address)
    }

    private func isException(_ host: String) -> Bool {
        exceptions.contains { exception in
            if exception == "*" { return true }
            let domain = exception.hasPrefix(".") ? String(exception.dropFirst()) : exception
            return host == domain || host.hasSuffix("." + domain)
        }
    }
}
