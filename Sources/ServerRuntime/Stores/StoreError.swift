package import TransferMachines

/// A store could not do what it was asked to do.
package struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the answer to the client depends on.
    package typealias Code = StoreErrorCode

    /// Which kind of error it is.
    package let code: Code
    /// What the store tried and why that failed, for a person to read. Holds no secret.
    package let cause: String
    /// The file and the line that made the error.
    package let location: String

    package init(_ code: Code, _ cause: String, file: String = #fileID, line: Int = #line) {
        self.code = code
        self.cause = cause
        location = "\(file):\(line)"
    }

    package var description: String { cause }
}
