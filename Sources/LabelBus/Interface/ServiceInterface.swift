/// `org.varlink.service`, which every Varlink service answers (UAPI.20, "Service interface").
package enum ServiceInterface {
    /// The interface's name, and the prefix of its methods and errors.
    package static let name = "org.varlink.service"

    /// The text that `GetInterfaceDescription` answers for ``name``.
    package static let description = """
        # Answered by every Varlink service: what it is, and what interfaces it has.
        interface org.varlink.service

        # Who made the service, and the interfaces that it answers, this one among them.
        method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

        # The text of one interface.
        method GetInterfaceDescription(interface: string) -> (description: string)

        error InterfaceNotFound (interface: string)
        error MethodNotFound (method: string)
        error MethodNotImplemented (method: string)
        error InvalidParameter (parameter: string)
        error PermissionDenied ()
        error ExpectedMore ()

        """
}
