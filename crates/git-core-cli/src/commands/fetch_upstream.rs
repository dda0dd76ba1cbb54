//! `fetch --set-upstream`: the branch that is checked out follows what was fetched from now on.

use super::fetch_table::Screen;
use crate::fail::Failure;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::config::Key;
use git_core::refs::refspec::FetchSource;
use git_core::refs::{RefName, Target};
use git_core::remote::{Fetched, Remote};
use git_core::store::config::{EditOptions, edit_file};
use git_core::store::fs::sys::{Disk, RealDisk};
use std::sync::Arc;

/// Lets the branch follow the one ref that was fetched into `FETCH_HEAD` alone; says why not, if not.
pub(super) fn set(remote: &Remote, fetched: &Fetched, screen: &Screen) -> Result<(), Failure> {
    let repository = remote.repository();
    let mut only = fetched
        .updates
        .iter()
        .filter(|update| update.local.is_none())
        .filter_map(|update| update.source.as_ref());
    let Some(source) = only.next() else {
        screen.say(
            "warning: no source branch found;\nyou need to specify exactly one branch with the --set-upstream option",
        );
        return Ok(());
    };
    if only.next().is_some() {
        screen.say("warning: multiple branches detected, incompatible with --set-upstream");
        return Ok(());
    }
    let there = match source {
        FetchSource::Ref(name) => name,
        FetchSource::Id(_) => {
            screen.say("warning: unknown branch type");
            return Ok(());
        }
    };
    let Some(branch) = current(repository)? else {
        let short = there.to_string();
        let short = short.strip_prefix("refs/heads/").unwrap_or(&short);
        screen.say(format_args!(
            "warning: could not set upstream of HEAD to '{short}' from '{}' when it does not point to any branch.",
            remote.label()
        ));
        return Ok(());
    };
    if there.is_head() || there.is_branch() {
        return follow(repository, &branch, remote, there);
    }
    screen.say(match () {
        () if there.is_remote() => "warning: not setting upstream for a remote remote-tracking branch",
        () if there.is_tag() => "warning: not setting upstream for a remote tag",
        () => "warning: unknown branch type",
    });
    Ok(())
}

fn current(repository: &Repository) -> Result<Option<RefName>, Failure> {
    Ok(match repository.refs().get("HEAD")? {
        Some(Target::Symbolic(branch)) if branch.is_branch() => Some(branch),
        _ => None,
    })
}

fn follow(
    repository: &Repository,
    branch: &RefName,
    remote: &Remote,
    there: &RefName,
) -> Result<(), Failure> {
    let Some(layout) = repository.layout() else { return Ok(()) };
    let short = branch.short();
    let key = |name: &str| Key::new("branch", Some(short.as_bytes()), name);
    let (remote_key, merge_key) = (key("remote")?, key("merge")?);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    edit_file(&disk, &layout.common_dir.join("config"), &EditOptions::default(), |document| {
        document.replace_all(&remote_key, remote.label())?;
        document.replace_all(&merge_key, there.as_bytes())
    })?;
    Ok(())
}
