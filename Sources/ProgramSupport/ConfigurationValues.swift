internal import AvatarCore

/// Turns what the layers say into values, or into an error that says which key, where, and why. An empty value counts as none.
package struct ConfigurationValues<Key: ConfigurationKey> {
    private let configuration: LayeredConfiguration<Key>

    /// The values of layers that were read.
    package init(_ configuration: LayeredConfiguration<Key>) { self.configuration = configuration }

    /// Any text, or one of certain words.
    package func text(
        _ key: Key, oneOf words: [String]? = nil, _ take: (String) -> Void
    ) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        if let words, !words.contains(value.text) {
            throw fault(key, value, "must be one of \(words.joined(separator: ", "))")
        }
        take(value.text)
    }

    /// An absolute path.
    package func path(_ key: Key, _ take: (String) -> Void) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard value.text.hasPrefix("/") else { throw fault(key, value, "must be an absolute path") }
        take(value.text)
    }

    /// A host, perhaps with its port, and a port of its own key. A port in the host's text counts like one under the port's key in the same
    /// layer: the stronger layer wins, and two that differ in one layer are an error.
    package func address(
        _ hostKey: Key, _ portKey: Key, ports: ClosedRange<Int> = 1...65_535, host takeHost: (String) -> Void,
        port takePort: (Int) -> Void
    ) throws(ConfigurationError) {
        var given: Int?
        try number(portKey, in: ports) { given = $0 }
        guard let value = try configuration.value(of: hostKey), !value.text.isEmpty else {
            if let given { takePort(given) }
            return
        }
        let address: HostPort
        do throws(HostPortError) { address = try HostPort(value.text, ports: ports) } catch {
            throw fault(hostKey, value, error.description)
        }
        takeHost(address.host)
        guard let named = address.port, let given, let beside = try configuration.value(of: portKey) else {
            if let port = address.port ?? given { takePort(port) }
            return
        }
        if beside.rank == value.rank, named != given {
            throw fault(hostKey, value, HostPortError.otherPort(named, beside: given).description)
        }
        takePort(beside.rank < value.rank ? given : named)
    }

    /// A whole number in a range.
    package func number(
        _ key: Key, in range: ClosedRange<Int>, _ take: (Int) -> Void
    ) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard let number = Int(value.text) else { throw fault(key, value, "must be a whole number") }
        guard range.contains(number) else {
            throw fault(key, value, "must lie from \(range.lowerBound) to \(range.upperBound)")
        }
        take(number)
    }

    /// A number of bytes in a range, perhaps with a unit (``AvatarCore/ByteCount``).
    package func bytes(
        _ key: Key, in range: ClosedRange<Int>, _ take: (Int) -> Void
    ) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard let count = ByteCount(text: value.text) else {
            throw fault(key, value, "must be a number of bytes, such as 1048576, 512KiB or 10GB")
        }
        guard range.contains(count.bytes) else {
            throw fault(key, value, "must lie from \(range.lowerBound) to \(range.upperBound) bytes")
        }
        take(count.bytes)
    }

    /// True or false, in YAML's words.
    package func flag(_ key: Key, _ take: (Bool) -> Void) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        switch value.text {
        case "true", "yes", "on", "1": take(true)
        case "false", "no", "off", "0": take(false)
        default: throw fault(key, value, "must be true or false")
        }
    }

    /// One of an enum's cases.
    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: Key, _ take: (Choice) -> Void
    ) throws(ConfigurationError) where Choice.RawValue == String {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard let choice = Choice(rawValue: value.text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw fault(key, value, "must be one of \(words)")
        }
        take(choice)
    }

    /// Some of an enum's cases, with commas between them or as a YAML list.
    package func choices<Choice: RawRepresentable & CaseIterable & Hashable>(
        _ key: Key, _ take: (Set<Choice>) -> Void
    ) throws(ConfigurationError) where Choice.RawValue == String {
        guard let value = try configuration.value(of: key, asList: true), !value.text.isEmpty else { return }
        var chosen: Set<Choice> = []
        for word in value.text.split(whereSeparator: { $0 == "," || $0 == " " }) {
            guard let choice = Choice(rawValue: word.lowercased()) else {
                let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                throw fault(key, value, "has the word \"\(word)\"; each must be one of \(words)")
            }
            chosen.insert(choice)
        }
        guard !chosen.isEmpty else { throw fault(key, value, "names nothing") }
        take(chosen)
    }

    /// Any words, with commas between them or as a YAML list.
    ///
    /// - Parameter fault: what is wrong with a word; nil when it is right.
    package func words(
        _ key: Key, unless fault: (String) -> String?, _ take: ([String]) -> Void
    ) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key, asList: true), !value.text.isEmpty else { return }
        let words = value.text.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
        for word in words {
            if let reason = fault(word) { throw self.fault(key, value, "has the word \"\(word)\", which \(reason)") }
        }
        take(words)
    }

    private func fault(
        _ key: Key, _ value: ConfigurationValue, _ reason: String
    ) -> ConfigurationError {
        let shown = key.isSecret ? "the value" : "\"\(value.text)\""
        return ConfigurationError(key: key.rawValue, source: value.source, reason: "\(shown) \(reason)")
    }
}
