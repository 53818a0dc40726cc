extension Limits {
    /// When `avatarctl doctor` says that something is short or slow.
    package enum Doctor {
        /// Bytes below which a folder's file system is short of space: some hundred pictures.
        package static let freeBytesLow: Int64 = 100 * 1024 * 1024
        /// Bytes below which not even one large picture has room beside its part.
        package static let freeBytesBad: Int64 = 1024 * 1024
        /// Bytes of the cookie that is written into each folder.
        package static let cookieBytes = 4096
        /// A disk that takes longer for a cookie is slow: flash and spinning disks take some 10 to 100 ms.
        package static let cookieSlow = Duration.milliseconds(500)
        /// How long a cookie may take before the disk counts as hanging.
        package static let cookiePatience = Duration.seconds(10)
        /// A certificate with less time left is to be renewed now: who renews by a timer does so 30 days before the end.
        package static let certificateLeft = Duration.seconds(14 * 86_400)
        /// How far this machine's clock may be from the server's.
        package static let clockSkew = Duration.seconds(300)
    }
}
