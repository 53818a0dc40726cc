internal import Glibc

/// What the process was started with: its environment and its command line, as far as they are UTF-8.
///
/// Swift's own ways to them repair what is not, and a repaired path leads elsewhere.
package struct ProcessEnvironment: Sendable {
    /// The variables whose values are UTF-8.
    package let variables: [String: String]
    /// The names of the others.
    private let unreadable: [String]

    /// Variables of a test, or of a part of a program.
    package init(_ variables: [String: String], unreadable: [String] = []) {
        self.variables = variables
        self.unreadable = unreadable
    }

    /// The process's own.
    package static func current() -> ProcessEnvironment {
        var variables: [String: String] = [:]
        var unreadable: [String] = []
        var entry = environ
        while let text = entry.pointee {
            entry += 1
            let bytes = UnsafeRawBufferPointer(start: text, count: strlen(text))
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = String(decoding: bytes[..<equals], as: UTF8.self)
            // As getenv(3): the first of two counts.
            guard variables[name] == nil, !unreadable.contains(name) else { continue }
            if let value = String(validating: bytes[(equals + 1)...], as: UTF8.self) {
                variables[name] = value
            } else {
                unreadable.append(name)
            }
        }
        return ProcessEnvironment(variables, unreadable: unreadable)
    }

    /// A variable's value; nil where it is not set, or empty, which the XDG base directory specification takes for the same.
    package func text(_ name: String) throws(ConfigurationError) -> String? {
        if unreadable.contains(name) {
            throw ConfigurationError(
                key: nil, source: .environment(name),
                reason: "is not UTF-8, and only paths and values that are can be used: set it to another one")
        }
        return variables[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The names of variables with this prefix, those that are not UTF-8 among them.
    func names(from prefix: String) -> [String] {
        (variables.keys + unreadable).filter { $0.hasPrefix(prefix) }.sorted()
    }

    /// Refuses a command line that is not UTF-8.
    package static func checkCommandLine() throws(ConfigurationError) {
        var last = ""
        for number in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[number] else { break }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ConfigurationError(
                    key: nil, source: .commandLine(last.hasPrefix("-") ? last : "argument \(number)"),
                    reason:
                        "\"\(String(decoding: bytes, as: UTF8.self))\" is not UTF-8, and only paths and values that are can be used"
                )
            }
            last = text
        }
    }
}
