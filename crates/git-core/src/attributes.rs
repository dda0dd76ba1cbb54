//! The attributes of paths as the files of a working tree and those outside of it give them (`gitattributes(5)`).

use crate::Repository;
use bstr::ByteSlice as _;
use git_core_config::WildOptions;
use git_core_store::config::ConfigError;
use git_core_worktree::attributes::{AttributeStack, Attributes, MAX_FILE_LEN, OuterAttributes};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Attributes files that belong to no repository.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SharedAttributes {
    /// The system's.
    pub system: Option<PathBuf>,
    /// The user's, unless `core.attributesFile` names another.
    pub user: Option<PathBuf>,
}

/// Reads the attributes files outside of the tree.
///
/// # Errors
/// [`ConfigError`] when the configuration cannot be understood; files that cannot be read say nothing.
pub fn outer_attributes(
    repository: &Repository,
    shared: &SharedAttributes,
) -> Result<OuterAttributes, ConfigError> {
    let config = repository.config();
    let mut outer = OuterAttributes::default();
    if let Some(ignore_case) = config.bool("core.ignoreCase")? {
        outer.options = WildOptions { ignore_case, ..WildOptions::default() };
    }
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    if let Some(system) = &shared.system {
        outer.system = read(system);
    }
    let user = config.path("core.attributesFile")?.or_else(|| shared.user.clone());
    if let Some(user) = user {
        outer.user = read(&user);
    }
    if let Some(layout) = repository.layout() {
        outer.info = read(&layout.common_dir.join("info/attributes"));
    }
    Ok(outer)
}

/// Answers for the paths of a repository, one after the other; best in the order of a tree.
#[derive(Debug)]
pub struct PathAttributes {
    stack: AttributeStack,
    /// The top of the working tree, if there is one.
    top: Option<PathBuf>,
    /// The directories entered, each with a `/` at its end; the top is the empty one.
    entered: Vec<Vec<u8>>,
    /// What the files of directories say, as far as they were read.
    files: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl PathAttributes {
    /// Of a repository whose files outside of the tree say this.
    pub fn new(repository: &Repository, outer: &OuterAttributes) -> Self {
        let mut paths = PathAttributes {
            stack: AttributeStack::new(outer),
            top: repository.work_tree().map(Path::to_path_buf),
            entered: Vec::new(),
            files: HashMap::new(),
        };
        paths.enter(Vec::new());
        paths
    }

    /// What is said of a file.
    pub fn of_file(&mut self, path: &[u8]) -> Attributes<'_> {
        let directory = &path[..path.rfind_byte(b'/').map_or(0, |slash| slash + 1)];
        while self.entered.last().is_some_and(|last| !directory.starts_with(last)) {
            self.entered.pop();
            self.stack.leave();
        }
        let mut from = self.entered.last().map_or(0, Vec::len);
        while let Some(length) = directory[from..].find_byte(b'/') {
            from += length + 1;
            self.enter(directory[..from].to_vec());
        }
        self.stack.of_file(path)
    }

    fn enter(&mut self, directory: Vec<u8>) {
        if !self.files.contains_key(&directory) {
            let text = self.top.as_ref().and_then(|top| attributes_file(top, &directory));
            self.files.insert(directory.clone(), text);
        }
        let text = self.files.get(&directory).and_then(Option::as_deref);
        self.stack.enter(directory.len(), text);
        self.entered.push(directory);
    }
}

/// The content of a directory's `.gitattributes`, if it has one.
pub fn attributes_file(top: &Path, directory: &[u8]) -> Option<Vec<u8>> {
    let path = top.join(directory.to_path().ok()?).join(".gitattributes");
    // Links are not followed, as in git.
    let found = path.symlink_metadata().ok().filter(|found| found.is_file() && found.len() <= MAX_FILE_LEN);
    found.and_then(|_| std::fs::read(&path).ok())
}
