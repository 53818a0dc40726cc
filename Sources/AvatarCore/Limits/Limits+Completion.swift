extension Limits {
    /// What a shell is offered for an unfinished word.
    package enum Completion {
        /// How long the agent may take before nothing is offered.
        package static let patience = Duration.milliseconds(500)
        /// Names that are offered at once.
        package static let namesMax = 200
    }
}
