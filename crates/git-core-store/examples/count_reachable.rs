//! Counts what the refs of a repository reach, as a server does before it sends a clone:
//! `count_reachable <git-dir> [threads]`, or `count_reachable <git-dir> list` for the ids with paths.

use git_core_object::{Context, Limits, ObjectFormat};
use git_core_store::Storage as _;
use git_core_store::fs::{FsOptions, FsStorage};
use git_core_store::walk::{self, Listed, Query};
use std::io::Write as _;
use std::ops::ControlFlow;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let git_dir = arguments.next().ok_or("usage: count_reachable <git-dir> [threads | list]")?;
    let mode = arguments.next().unwrap_or_default();
    let mut options = FsOptions::default();
    options.format = ObjectFormat::Sha1;
    let storage = FsStorage::open(&git_dir, &git_dir, options)?;
    let snapshot = storage.snapshot()?;
    let mut query = Query::default();
    snapshot.for_each_ref(b"", &mut |found| {
        query.include.extend(found.target.id());
        ControlFlow::Continue(())
    })?;
    if mode == "list" {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        walk::list_objects(&*snapshot, &query, &Context::new(), &mut |listed| {
            let written = match listed {
                Listed::Commit(commit) => writeln!(out, "{}", commit.id),
                Listed::Object { id, path, .. } => {
                    write!(out, "{id} ").and_then(|()| out.write_all(path)).and_then(|()| writeln!(out))
                }
                // Nobody asked for more.
                _ => Ok(()),
            };
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        return Ok(());
    }
    let mut limits = Limits::default();
    limits.threads = mode.parse().unwrap_or(0);
    let set = walk::reachable(&*snapshot, &query, &Context::new().with_limits(limits))?;
    println!("{} objects from {} refs", set.len(), query.include.len());
    Ok(())
}
