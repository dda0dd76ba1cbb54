//! Where the content of a file is changed on its way between the repository and the working tree.

use bstr::BStr;
use git_core_object::BoxError;
use std::borrow::Cow;

/// Changes contents on their way to the working tree: line endings, identifiers, encodings, filters.
/// Links and submodules never pass through it.
pub trait Converter: Send + Sync {
    /// What to write for the file at `path`, whose blob is `content`.
    ///
    /// # Errors
    /// Whatever hinders it; the checkout ends, naming the path.
    fn to_worktree<'a>(&self, path: &BStr, content: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError>;
}

/// Leaves every content as it is, as git does without attributes and with `core.autocrlf=false`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchanged;

impl Converter for Unchanged {
    fn to_worktree<'a>(&self, _path: &BStr, content: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        Ok(Cow::Borrowed(content))
    }
}
