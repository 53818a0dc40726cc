/// The names of the agent's own unfinished files, where such a file must lie beside finished ones. They begin with a dot, which no
/// picture's name does, and the folder watch ignores them.
package enum WorkFile {
    /// What such names begin with.
    package static let prefix = ".avatard-"
}
