package import TransferMachines

/// A store that could not do what it was asked: what kind of failure, and what a person should read about it.
package struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the answer to the client depends on.
    package let failure: StoreFailure
    /// What was tried and why it failed; holds no secret.
    package let detail: String

    package init(_ failure: StoreFailure, _ detail: String) {
        self.failure = failure
        self.detail = detail
    }

    package var description: String { detail }
}
