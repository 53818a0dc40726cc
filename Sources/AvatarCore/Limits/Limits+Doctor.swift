extension Limits {
    /// When `avatarctl doctor` says that space is short.
    package enum Doctor {
        /// Bytes below which a folder's file system is short of space: some hundred pictures.
        package static let freeBytesLow: Int64 = 100 * 1024 * 1024
        /// Bytes below which not even one large picture has room beside its part.
        package static let freeBytesBad: Int64 = 1024 * 1024
    }
}
