/// The agent's own unfinished files where they must lie beside finished ones: no picture's name can be such a name, because of the
/// leading dot, and the folder watch passes over them.
package enum WorkFile {
    /// What such names begin with.
    package static let prefix = ".avatard-"
}
