/// Which release the programs of this package are.
package enum Version {
    /// By Semantic Versioning: what `--version` of each program prints, what agent and server say of themselves, and the number of the
    /// Debian packages. The head of CHANGELOG.md and of the man pages is the same.
    package static let current = "0.1.0"
}
