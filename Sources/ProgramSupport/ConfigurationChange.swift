/// A key whose value is another one since the configuration was read again.
package struct ConfigurationChange<Key: ConfigurationKey>: Hashable, Sendable, CustomStringConvertible {
    package let key: Key
    /// The values, as texts; empty for none.
    package let before: String
    package let after: String

    package init(_ key: Key, before: String, after: String) {
        self.key = key
        self.before = before
        self.after = after
    }

    /// The keys with different texts, in the order of the keys.
    package static func all(
        from before: (Key) -> String, to after: (Key) -> String
    ) -> [ConfigurationChange<Key>] {
        Key.allCases.compactMap { key in
            let (old, new) = (before(key), after(key))
            return old.utf8.elementsEqual(new.utf8) ? nil : ConfigurationChange(key, before: old, after: new)
        }
    }

    /// One sentence for the log.
    package var description: String {
        let what =
            key.isSecret
            ? "\(key.rawValue) has changed" : "\(key.rawValue) is \(shown(after)) now, and was \(shown(before))"
        return key.isReloadable ? what : what + ": it takes effect after a restart"
    }

    private func shown(_ text: String) -> String { text.isEmpty ? "not set" : text }
}
