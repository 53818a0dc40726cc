extension Limits {
    /// Pictures, wherever they come from.
    package enum Picture {
        /// The largest picture uploaded unless `upload.bytesMax` says otherwise.
        package static let uploadBytesMaxDefault: Int64 = 8 * 1024 * 1024
        /// The largest picture fetched; a server that claims more is refused.
        package static let downloadBytesMax: Int64 = 64 * 1024 * 1024
        /// Width times height that a header may claim: past it, decoding would hurt whoever shows the picture.
        package static let pixelsMax: Int64 = 64_000_000
        /// Bytes that a PNG's rows may unpack to for their checksum and filters to be looked at: 16 million pixels of four bytes. A larger one
        /// would take a thread for long, however small its file is.
        package static let unpackedCheckedMax = 64 * 1024 * 1024
    }
}
