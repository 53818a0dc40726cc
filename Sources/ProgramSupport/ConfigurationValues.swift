internal import AvatarCore

/// Turns what the layers say into values, and collects what makes no sense: which key, where, and why. An empty value counts as none.
package struct ConfigurationValues<Key: ConfigurationKey> {
    private let configuration: LayeredConfiguration<Key>
    private var faults: [ConfigurationFault]

    /// The values of layers that were read, with what was wrong with these.
    package init(_ configuration: LayeredConfiguration<Key>) {
        self.configuration = configuration
        faults = configuration.faults
    }

    /// Throws everything that was wrong, once everything was asked for.
    package func finish() throws(ConfigurationError) {
        if let error = ConfigurationError(faults) { throw error }
    }

    /// Keeps what `body` throws for ``finish()``.
    package mutating func collect(_ body: () throws(ConfigurationError) -> Void) {
        do throws(ConfigurationError) { try body() } catch { add(error.faults) }
    }

    /// Adds a fault that several keys have together, at the place of one of them.
    package mutating func refuse(_ key: Key, _ reason: String) {
        faults.append(
            ConfigurationFault(key: key.rawValue, source: configuration.source(of: key), reason: reason))
    }

    /// Any text, or one of certain words.
    package mutating func text(
        _ key: Key, oneOf words: [String]? = nil, _ take: (String) -> Void
    ) {
        guard let value = value(of: key) else { return }
        if let words, !words.contains(value.text) {
            return fault(key, value, "must be one of \(words.joined(separator: ", "))")
        }
        take(value.text)
    }

    /// Which of two keys that say one thing counts: the one in the stronger layer. Nil where neither is there, and a fault where one layer has
    /// both.
    package mutating func chosen(_ key: Key, or other: Key, _ reason: String) -> Key? {
        guard let value = value(of: key) else { return self.value(of: other).map { _ in other } }
        guard let beside = self.value(of: other) else { return key }
        if beside.rank == value.rank { refuse(key, reason) }
        return beside.rank < value.rank ? other : key
    }

    /// An absolute path.
    package mutating func path(_ key: Key, _ take: (String) -> Void) {
        guard let value = value(of: key) else { return }
        guard value.text.hasPrefix("/") else { return fault(key, value, "must be an absolute path") }
        take(value.text)
    }

    /// A host, perhaps with its port, and a port of its own key. A port in the host's text counts like one under the port's key in the same
    /// layer: the stronger layer wins, and two that differ in one layer are an error.
    package mutating func address(
        _ hostKey: Key, _ portKey: Key, ports: ClosedRange<Int> = 1...65_535, host takeHost: (String) -> Void,
        port takePort: (Int) -> Void
    ) {
        var given: Int?
        number(portKey, in: ports) { given = $0 }
        guard let value = value(of: hostKey) else {
            if let given { takePort(given) }
            return
        }
        let address: HostPort
        do throws(HostPortError) { address = try HostPort(value.text, ports: ports) } catch {
            return fault(hostKey, value, error.description)
        }
        takeHost(address.host)
        guard let named = address.port, let given, let beside = self.value(of: portKey) else {
            if let port = address.port ?? given { takePort(port) }
            return
        }
        if beside.rank == value.rank, named != given {
            return fault(hostKey, value, HostPortError.otherPort(named, beside: given).description)
        }
        takePort(beside.rank < value.rank ? given : named)
    }

    /// A whole number in a range.
    package mutating func number(
        _ key: Key, in range: ClosedRange<Int>, _ take: (Int) -> Void
    ) {
        guard let value = value(of: key) else { return }
        guard let number = Int(value.text) else { return fault(key, value, "must be a whole number") }
        guard range.contains(number) else {
            return fault(key, value, "must lie from \(range.lowerBound) to \(range.upperBound)")
        }
        take(number)
    }

    /// A number of bytes in a range, perhaps with a unit (``AvatarCore/ByteCount``).
    package mutating func bytes(
        _ key: Key, in range: ClosedRange<Int>, _ take: (Int) -> Void
    ) {
        guard let value = value(of: key) else { return }
        guard let count = ByteCount(text: value.text) else {
            return fault(key, value, "must be a number of bytes, such as 1048576, 512KiB or 10GB")
        }
        guard range.contains(count.bytes) else {
            return fault(key, value, "must lie from \(range.lowerBound) to \(range.upperBound) bytes")
        }
        take(count.bytes)
    }

    /// True or false, in YAML's words.
    package mutating func flag(_ key: Key, _ take: (Bool) -> Void) {
        guard let value = value(of: key) else { return }
        switch value.text {
        case "true", "yes", "on", "1": take(true)
        case "false", "no", "off", "0": take(false)
        default: fault(key, value, "must be true or false")
        }
    }

    /// One of an enum's cases.
    package mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: Key, _ take: (Choice) -> Void
    ) where Choice.RawValue == String {
        guard let value = value(of: key) else { return }
        guard let choice = Choice(rawValue: value.text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            return fault(key, value, "must be one of \(words)")
        }
        take(choice)
    }

    /// Some of an enum's cases, with commas between them or as a YAML list.
    package mutating func choices<Choice: RawRepresentable & CaseIterable & Hashable>(
        _ key: Key, _ take: (Set<Choice>) -> Void
    ) where Choice.RawValue == String {
        guard let value = value(of: key, asList: true) else { return }
        var chosen: Set<Choice> = []
        for word in value.text.split(whereSeparator: { $0 == "," || $0 == " " }) {
            guard let choice = Choice(rawValue: word.lowercased()) else {
                let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                return fault(key, value, "has the word \"\(word)\"; each must be one of \(words)")
            }
            chosen.insert(choice)
        }
        guard !chosen.isEmpty else { return fault(key, value, "names nothing") }
        take(chosen)
    }

    /// Any words, with commas between them or as a YAML list.
    ///
    /// - Parameter fault: what is wrong with a word; nil when it is right.
    package mutating func words(_ key: Key, unless fault: (String) -> String?, _ take: ([String]) -> Void) {
        guard let value = value(of: key, asList: true) else { return }
        let words = value.text.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
        for word in words {
            if let reason = fault(word) { return self.fault(key, value, "has the word \"\(word)\", which \(reason)") }
        }
        take(words)
    }

    /// A key that is asked for twice is told of once.
    private mutating func add(_ more: [ConfigurationFault]) { faults += more.filter { !faults.contains($0) } }

    private mutating func value(of key: Key, asList: Bool = false) -> ConfigurationValue? {
        do throws(ConfigurationError) {
            return try configuration.value(of: key, asList: asList).flatMap { $0.text.isEmpty ? nil : $0 }
        } catch {
            add(error.faults)
            return nil
        }
    }

    private mutating func fault(_ key: Key, _ value: ConfigurationValue, _ reason: String) {
        let shown = key.isSecret ? "the value" : "\"\(value.text)\""
        faults.append(
            ConfigurationFault(key: key.rawValue, source: value.source, reason: "\(shown) \(reason)"))
    }
}
