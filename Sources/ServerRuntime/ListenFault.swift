internal import AvatarCore
package import NIOCore
internal import ProgramSupport

/// The server cannot listen at an address of its configuration.
package struct ListenFault: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    package init(host: String, port: Int, _ error: IOError) {
        self.init(
            "cannot listen on \(HostPort.text(host: host, port: port)): " + ErrorWords.text(error))
    }

    /// What `body` gives, or its error in words.
    static func wrapping<Value>(
        _ host: String, _ port: Int, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch let error as IOError {
            throw ListenFault(host: host, port: port, error)
        } catch let error where error is SocketAddressError || error is SocketAddressError.UnknownHost {
            throw ListenFault("cannot listen on \(HostPort.text(host: host, port: port)): \(ErrorWords.text(error))")
        }
    }
}
