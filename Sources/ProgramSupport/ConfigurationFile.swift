internal import AvatarCore
internal import Configuration
internal import Foundation
internal import Glibc
internal import Yams

/// A YAML file: its values as the configuration library reads them, and the line of each key.
struct ConfigurationFile: Sendable {
    /// A key that stands in the file, with its sections: `server.host`.
    struct Entry: Sendable {
        let key: String
        let line: Int
        /// Nil for what is no plain text.
        let text: String?
        /// Whether it has keys of its own below it.
        let isSection: Bool
    }

    let path: String
    /// In the file's order. Of a section that no key lies in, only the section.
    let entries: [Entry]
    /// Nil for a file that says nothing, comments aside.
    let values: YAMLSnapshot?

    /// Reads and parses the file.
    ///
    /// - Parameter isSection: whether there are keys below a name; others are not looked into, however deep they are.
    init(path: String, isSection: (String) -> Bool) throws(ConfigurationError) {
        self.path = path
        let text = try Self.text(ofFile: path)
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch { throw Self.fault(path, error, text) }
        guard let root, root.null == nil || root.scalar?.style != .plain else {
            (entries, values) = ([], nil)
            return
        }
        guard let mapping = root.mapping else {
            throw ConfigurationError(
                key: nil, source: .file(path, line: root.mark?.line),
                reason: "is no list of keys, such as log: {level: info}")
        }
        var entries: [Entry] = []
        Self.collect(mapping, below: "", isSection, into: &entries)
        self.entries = entries
        do {
            values = try YAMLSnapshot(
                data: Array(text.utf8).span.bytes, providerName: path,
                parsingOptions: YAMLSnapshot.ParsingOptions(secretsSpecifier: .all))
        } catch {
            // What the library cannot hold is a list whose elements are no plain texts.
            throw ConfigurationError(
                key: nil, source: .file(path, line: nil), reason: "has a list with more in it than plain words")
        }
    }

    /// The line of a key that stands in the file.
    func line(of key: String) -> Int? { entries.first { $0.key.utf8.elementsEqual(key.utf8) }?.line }

    private static func collect(
        _ mapping: Node.Mapping, below section: String, _ isSection: (String) -> Bool, into entries: inout [Entry]
    ) {
        for (name, value) in mapping {
            let key = section + (name.scalar?.string ?? "(no plain word)")
            if let inner = value.mapping, isSection(key) {
                collect(inner, below: key + ".", isSection, into: &entries)
            } else {
                entries.append(
                    Entry(
                        key: key, line: name.mark?.line ?? 1, text: value.scalar?.string,
                        isSection: value.mapping != nil))
            }
        }
    }

    // MARK: What can be wrong with a file

    private static func text(ofFile file: String) throws(ConfigurationError) -> String {
        let descriptor = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(file) }
        defer { close(descriptor) }
        var data: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let got = Glibc.read(descriptor, &chunk, chunk.count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw unreadable(file) }
            if got == 0 { break }
            data += chunk[..<got]
            guard data.count <= Limits.Configuration.fileBytesMax else {
                throw ConfigurationError(
                    key: nil, source: .file(file, line: nil),
                    reason: "has more than \(Limits.Configuration.fileBytesMax) bytes, which no configuration needs")
            }
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(
                key: nil, source: .file(file, line: nil), reason: "is not UTF-8: save it as UTF-8")
        }
        return text
    }

    private static func unreadable(_ file: String) -> ConfigurationError {
        ConfigurationError(
            key: nil, source: .file(file, line: nil), reason: "cannot be read: \(String(cString: strerror(errno)))")
    }

    /// libyaml's words, with their line.
    private static func fault(_ file: String, _ error: any Error, _ text: String) -> ConfigurationError {
        let hint = text.contains(/:[ \t]+[\[{]/) ? LayeredConfigurationHint.brackets : ""
        func fault(_ line: Int?, _ reason: String) -> ConfigurationError {
            ConfigurationError(key: nil, source: .file(file, line: line), reason: reason)
        }
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return fault(mark.line, "is no YAML: \(problem)\(hint)")
        case .reader(let problem, _, _, _): return fault(nil, "is no YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            return fault(context.mark.line, "has keys twice: \(duplicates.joined(separator: ", "))")
        default: return fault(nil, "is no YAML\(hint)")
        }
    }
}

/// What to do about a value that YAML takes for a list or a mapping.
enum LayeredConfigurationHint {
    static let brackets = "; one that begins with [ or { needs quotes, such as \"[::1]:9090\""
}
