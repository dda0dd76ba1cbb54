//! The repository that a command works on: found by the environment and the options before the command.

use crate::fail::{Failure, chain};
use crate::globals::Globals;
use git_core::hooks::{HookNotice, HookUse};
use git_core::repository::{Links, OpenError, ReplaceRefs};
use git_core::server::Namespace;
use git_core::store::fs::FsStorage;
use git_core::{Environment, Repository};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the environment says, with the options before the command over it.
pub(crate) fn environment(globals: &Globals) -> Result<Environment, Failure> {
    let mut environment =
        Environment::from_variables(&|name| globals.var(name).map(std::ffi::OsStr::to_os_string))?;
    environment.hooks = HookUse::Run(HookNotice::new(|text| eprintln!("{text}")));
    if let Some(name) = &globals.namespace {
        environment.namespace = Namespace::new(name.as_encoded_bytes()).unwrap_or_default();
    }
    if globals.no_replace_objects {
        environment.replace = ReplaceRefs::Ignored;
    }
    if let Some(file) = &globals.shallow_file {
        environment.shallow_file = Some(file.clone());
    }
    environment.open.overrides.git_dir.clone_from(&globals.git_dir);
    environment.open.overrides.work_tree.clone_from(&globals.work_tree);
    if globals.bare {
        if environment.open.overrides.git_dir.is_none() {
            environment.open.overrides.git_dir = Some(current_dir()?);
        }
        environment.config = environment.config.with_override("core.bare=true")?;
    }
    for (name, value) in &globals.config {
        let mut text = name.clone().into_bytes();
        if let Some(value) = value {
            text.push(b'=');
            text.extend_from_slice(value.as_encoded_bytes());
        }
        environment.config = environment.config.with_override(text)?;
    }
    Ok(environment)
}

/// The repository around the current directory, or the one that was named.
pub(crate) fn open(globals: &Globals) -> Result<Repository, Failure> {
    lazily(globals, Repository::discover(current_dir()?, &environment(globals)?)?)
}

/// As [`open`], but what a partial clone lacks is not fetched.
pub(crate) fn open_as_it_is(globals: &Globals) -> Result<Repository, Failure> {
    Ok(Repository::discover(current_dir()?, &environment(globals)?)?)
}

/// The repository, which fetches what a partial clone lacks unless the environment forbids it.
fn lazily(globals: &Globals, repository: Repository) -> Result<Repository, Failure> {
    let forbidden =
        globals.text("GIT_NO_LAZY_FETCH").is_some_and(|text| !matches!(text, "0" | "false" | "no" | "off"));
    Ok(if forbidden { repository } else { repository.fetching_lazily(links(globals))? })
}

/// How remotes are reached while a command runs.
pub(crate) fn links(globals: &Globals) -> Links {
    let globals = globals.clone();
    // What is wrong with the configuration has been said before the command began to work.
    Links::new(move || crate::reach::link(&globals).unwrap_or_default())
}

/// As [`open`], with configuration over all other: `name=value`.
pub(crate) fn open_under(globals: &Globals, overrides: &[&str]) -> Result<Repository, Failure> {
    let mut environment = environment(globals)?;
    for text in overrides {
        environment.config = environment.config.with_override(text)?;
    }
    lazily(globals, Repository::discover(current_dir()?, &environment)?)
}

/// As [`open`], for commands that can do without: `None` when there is no repository here, an error when there
/// is one that cannot be opened.
pub(crate) fn open_optional(globals: &Globals) -> Result<Option<Repository>, Failure> {
    use git_core::store::fs::layout::OpenError as Layout;
    match Repository::discover(current_dir()?, &environment(globals)?) {
        Ok(repository) => Ok(Some(repository)),
        Err(OpenError::Layout(Layout::NotFound { .. } | Layout::Boundary { .. })) => Ok(None),
        Err(error) => Err(Failure::fatal(chain(&error))),
    }
}

/// The current directory.
pub(crate) fn current_dir() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::fatal(format_args!("Unable to read current working directory: {error}")))
}

/// The storage of a repository on a disk, which is where all repositories of the program are.
pub(crate) fn on_disk(repository: &Repository) -> Result<&FsStorage, Failure> {
    repository.on_disk().ok_or_else(|| Failure::fatal("the repository is not on a disk"))
}

/// A path below the git directory as git writes it: relative to the working tree, or as the git directory was
/// given.
pub(crate) fn shown_path(globals: &Globals, repository: &Repository, path: &Path) -> PathBuf {
    let Some(layout) = repository.layout() else { return path.to_path_buf() };
    let Ok(rest) = path.strip_prefix(&layout.git_dir) else { return path.to_path_buf() };
    let given = globals.git_dir.clone().or_else(|| globals.var("GIT_DIR").map(PathBuf::from));
    if let Some(given) = given {
        return given.join(rest);
    }
    match &layout.work_tree {
        Some(tree) if layout.git_dir == tree.join(".git") => Path::new(".git").join(rest),
        None if std::env::current_dir().is_ok_and(|here| here == layout.git_dir) => Path::new(".").join(rest),
        _ => path.to_path_buf(),
    }
}

/// Whether the repository lets nothing be removed from its objects (`extensions.preciousObjects`).
pub(crate) fn is_precious(repository: &Repository) -> Result<bool, Failure> {
    Ok(repository.config().bool("extensions.preciousObjects")? == Some(true))
}

/// An operand as bytes.
pub(crate) fn operand(text: OsString) -> Vec<u8> {
    text.into_encoded_bytes()
}
