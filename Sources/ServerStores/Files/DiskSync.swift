package import PosixFiles

/// How a store makes what it wrote survive a power cut (`storage.sync`).
package struct DiskSync: Sendable {
    /// Waits until the bytes of a file are on the disk.
    package let file: @Sendable (borrowing OpenFile) throws(PosixError) -> Void
    /// Waits until the names in a folder are on the disk.
    package let folder: @Sendable (borrowing Folder) throws(PosixError) -> Void

    package init(
        file: @escaping @Sendable (borrowing OpenFile) throws(PosixError) -> Void,
        folder: @escaping @Sendable (borrowing Folder) throws(PosixError) -> Void
    ) {
        self.file = file
        self.folder = folder
    }

    /// fdatasync(2) and fsync(2): `storage.sync: full`.
    package static let full = DiskSync(
        file: { file throws(PosixError) in try file.syncData() },
        folder: { folder throws(PosixError) in try folder.sync() })
    /// No sync: what is written survives the death of the process only.
    package static let none = DiskSync(
        file: { _ throws(PosixError) in }, folder: { _ throws(PosixError) in })
}
