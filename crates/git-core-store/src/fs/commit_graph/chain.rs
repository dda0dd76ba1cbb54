//! Dividing a commit-graph into a chain of files, so that little is written when little is new.

use super::Found;
use super::write::{GraphWriteError, unavailable};
use super::{chain_dir, chain_path, layer_path, single_path};
use crate::fs::sys::{Access, Disk, scratch_name};
use crate::lock::LockFile;
use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How a graph is divided into files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SplitOptions {
    /// When files are joined.
    pub strategy: SplitStrategy,
    /// A file is joined with the new one if it has no more than so many times its commits; 0 stands for 2.
    pub size_multiple: u64,
    /// A file is joined with the new one if that has more than so many commits; 0 is no limit.
    pub max_commits: u64,
    /// Files that are no longer used are removed if they were changed before this: now, if it is not said.
    pub expire_before: Option<SystemTime>,
}

impl Default for SplitOptions {
    fn default() -> Self {
        SplitOptions {
            strategy: SplitStrategy::default(),
            size_multiple: 2,
            max_commits: 0,
            expire_before: None,
        }
    }
}

/// When files of a chain are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitStrategy {
    /// When the sizes ask for it.
    #[default]
    Merge,
    /// Never: what is new gets a file of its own.
    NoMerge,
    /// Always: all in one file.
    Replace,
}

impl SplitOptions {
    /// How many files of the chain stay below a new one of so many commits.
    pub(super) fn kept(&self, existing: &Found, objects: &Path, new: u64) -> usize {
        let layers = existing.graph.layers();
        match self.strategy {
            SplitStrategy::Replace => return 0,
            SplitStrategy::NoMerge => return layers.len(),
            SplitStrategy::Merge => {}
        }
        let multiple = if self.size_multiple == 0 { 2 } else { self.size_multiple };
        let (mut kept, mut commits) = (layers.len(), new);
        while let Some(layer) = kept.checked_sub(1) {
            let below = u64::from(layers[layer].count());
            let small = below <= multiple.saturating_mul(commits);
            let large = self.max_commits > 0 && commits > self.max_commits;
            // What belongs to an alternate is not ours to join.
            if !(small || large) || !existing.paths[layer].starts_with(objects) {
                break;
            }
            commits += below;
            kept = layer;
        }
        kept
    }
}

/// Puts a graph in its place, with `kept` files of the existing chain below it, or as the one file there is.
pub(super) fn publish(
    objects: &Path,
    disk: &Arc<dyn Disk>,
    existing: Option<&Found>,
    split: Option<(&SplitOptions, usize)>,
    hash: &str,
    bytes: &[u8],
) -> Result<(), GraphWriteError> {
    let info = objects.join("info");
    disk.create_dir_all(&info).map_err(|error| unavailable(&info, error))?;
    let Some((options, kept)) = split else {
        let path = single_path(objects);
        let mut lock = LockFile::acquire_as(disk, &path, Duration::ZERO, Access::ReadOnly)?;
        lock.write_all(bytes).map_err(|error| unavailable(lock.path(), error))?;
        lock.commit().and_then(|()| disk.sync_dir(&info)).map_err(|error| unavailable(&path, error))?;
        match disk.remove_file(&chain_path(objects)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unavailable(&chain_path(objects), error));
            }
            _ => return expire(objects, disk, &HashSet::new(), SystemTime::now()),
        }
    };
    let (dir, list) = (chain_dir(objects), chain_path(objects));
    disk.create_dir_all(&dir).map_err(|error| unavailable(&dir, error))?;
    let mut lock = LockFile::acquire_as(disk, &list, Duration::ZERO, Access::ReadOnly)?;
    let scratch = scratch_name(&dir, "tmp_graph_");
    let write = || {
        let mut file = disk.create_new(&scratch, Access::ReadOnly)?;
        file.write_all(bytes)?;
        file.sync()?;
        disk.rename(&scratch, &layer_path(objects, hash))
    };
    write().map_err(|error| {
        let _ = disk.remove_file(&scratch);
        unavailable(&scratch, error)
    })?;
    let mut names: Vec<String> = Vec::new();
    let old = existing.map(|found| found.graph.layers()).unwrap_or_default();
    for layer in &old[..kept] {
        names.push(layer.checksum().to_string());
    }
    names.push(hash.to_owned());
    let single = single_path(objects);
    // The one file comes before the chain when a graph is looked for: it becomes the chain's lowest, or goes.
    if existing.is_some_and(|found| !found.chained && found.paths[0] == single) {
        let moved = match kept {
            0 => disk.remove_file(&single),
            _ => disk.rename(&single, &layer_path(objects, &names[0])),
        };
        moved.map_err(|error| unavailable(&single, error))?;
    }
    let content: String = names.iter().map(|name| format!("{name}\n")).collect();
    lock.write_all(content.as_bytes()).map_err(|error| unavailable(lock.path(), error))?;
    lock.commit().and_then(|()| disk.sync_dir(&dir)).map_err(|error| unavailable(&list, error))?;
    let used: HashSet<String> = names.iter().map(|name| format!("graph-{name}.graph")).collect();
    // Who has read the list may still look for a file that has only now gone out of use.
    for layer in old {
        let name = layer.checksum().to_string();
        if !names.contains(&name) {
            let _ = disk.touch(&layer_path(objects, &name));
        }
    }
    expire(objects, disk, &used, options.expire_before.unwrap_or_else(SystemTime::now))
}

/// Removes the files of chains that are not in use and were not changed after `before`.
fn expire(
    objects: &Path,
    disk: &Arc<dyn Disk>,
    used: &HashSet<String>,
    before: SystemTime,
) -> Result<(), GraphWriteError> {
    let dir = chain_dir(objects);
    let Ok(entries) = std::fs::read_dir(&dir) else { return Ok(()) };
    // Times are compared by whole seconds, as git does.
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.ends_with(".graph") || used.contains(&name) {
            continue;
        }
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| seconds(modified) <= seconds(before)) {
            let _ = disk.remove_file(&entry.path());
        }
    }
    Ok(())
}
