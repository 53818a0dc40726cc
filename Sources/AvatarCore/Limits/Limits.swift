/// Every bound of the project, by area, its unit last in its name. A number that limits something stands here or nowhere.
///
/// Each area has a file of its own beside this one.
package enum Limits {
    /// Names of pictures.
    package enum Name {
        /// Bytes of UTF-8 in one name (docs/architecture.md, "Identity").
        package static let bytesMax = 200
    }
}
