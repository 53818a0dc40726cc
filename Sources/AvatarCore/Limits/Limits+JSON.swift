extension Limits {
    /// JSON from outside, on the label bus and in the classic dialect.
    package enum JSON {
        /// Containers that a value may stand in. The label bus needs 4, the classic dialect 1.
        package static let depthMax = 16
        /// Values in one document, however small each is: what one message may unfold into in memory.
        package static let valuesMax = 200_000
        /// Members of one object.
        package static let membersMax = 1024
    }
}
