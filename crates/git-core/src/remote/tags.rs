//! Which tags a fetch brings.

/// Which tags a fetch brings beside what its refspecs say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// Those that point into the history that is fetched or here already.
    #[default]
    Follow,
    /// All of them (`--tags`).
    All,
    /// None (`--no-tags`).
    None,
}
