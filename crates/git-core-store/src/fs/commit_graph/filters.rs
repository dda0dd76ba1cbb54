//! The changed-path filters of a commit-graph file: taken over where they are known, made from the trees where not.

use super::collect::Commits;
use super::write::GraphWriteError;
use crate::Snapshot;
use crate::walk::changed::{Compare, TreeCompare};
use git_core_idx::SharedBytes;
use git_core_idx::graph::{
    CommitGraph, FilterBuilder, FilterSettings, FilterTable, GraphError, GraphPosition,
};
use git_core_object::{Context, ObjectId, Phase, ReadError};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Commits that a thread takes at once.
const CHUNK: usize = 256;

/// Which filters are to be made.
pub(super) struct FilterWish {
    pub(super) settings: FilterSettings,
    /// How many may be made anew.
    pub(super) max_new: u64,
}

/// Two trees to compare, for the commit at a place.
struct Job {
    place: u32,
    old: Option<ObjectId>,
    new: ObjectId,
}

/// The filters of all commits.
pub(super) fn make(
    snapshot: &dyn Snapshot,
    known: Option<&CommitGraph<SharedBytes>>,
    base: Option<&CommitGraph<SharedBytes>>,
    commits: &Commits,
    wish: &FilterWish,
    cx: &Context,
) -> Result<FilterTable, GraphWriteError> {
    let mut done: Vec<Vec<u8>> = vec![Vec::new(); commits.len()];
    let mut jobs = Vec::new();
    let first = base.map_or(0, CommitGraph::count);
    for place in commits.by_generation() {
        let at = place as usize;
        let filter = known.and_then(|graph| graph.filter(graph.lookup(&commits.id(at))?));
        if let Some((settings, filter)) = filter
            && settings == wish.settings
        {
            done[at] = filter.as_bytes().to_vec();
        } else if (jobs.len() as u64) < wish.max_new {
            let old = commits.first_parent(at).map(|parent| match base {
                Some(base) if parent < first => base.tree(GraphPosition(parent)),
                _ => commits.tree((parent - first) as usize),
            });
            jobs.push(Job { place, old, new: commits.tree(at) });
        }
    }
    for (place, filter) in run(snapshot, wish.settings, &jobs, cx)? {
        done[place as usize] = filter;
    }
    let (mut ends, mut data) = (Vec::with_capacity(done.len()), Vec::new());
    for filter in done {
        data.extend_from_slice(&filter);
        let too_large = GraphError::TooLarge { what: "the sum of all filters" };
        ends.push(u32::try_from(data.len()).map_err(|_| too_large)?);
    }
    Ok(FilterTable { settings: wish.settings, ends, data })
}

fn run(
    snapshot: &dyn Snapshot,
    settings: FilterSettings,
    jobs: &[Job],
    cx: &Context,
) -> Result<Vec<(u32, Vec<u8>)>, GraphWriteError> {
    let chunks: Vec<_> = jobs.chunks(CHUNK).collect();
    let threads = cx.limits().thread_count().min(chunks.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let task = Mutex::new(cx.task(Phase::GraphFilters, Some(jobs.len() as u64)));
    let work = || -> Result<Vec<(u32, Vec<u8>)>, ReadError> {
        let (mut compare, mut made) = (TreeCompare::new(snapshot), Vec::new());
        let builder = FilterBuilder::new(settings);
        while !failed.load(Ordering::Relaxed)
            && let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
        {
            cx.check()?;
            for job in *chunk {
                let paths =
                    changed(&mut compare, job).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                let mut filter = Vec::new();
                builder.build(paths.as_ref().map(|paths| paths.iter().map(Vec::as_slice)), &mut filter);
                made.push((job.place, filter));
            }
            task.lock().unwrap_or_else(PoisonError::into_inner).add(chunk.len() as u64);
        }
        Ok(made)
    };
    if threads <= 1 {
        return Ok(work()?);
    }
    let made = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        for thread in others {
            let more = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            made = made.and_then(|mut made| {
                made.append(&mut more?);
                Ok(made)
            });
        }
        made
    });
    Ok(made?)
}

/// The paths that differ and the directories above them; `None` for too many.
fn changed(compare: &mut TreeCompare<'_>, job: &Job) -> Result<Option<HashSet<Vec<u8>>>, ReadError> {
    let (mut paths, mut count) = (HashSet::new(), 0);
    compare.compare(job.old, Some(job.new), &mut |_| true, &mut |path| {
        count += 1;
        if count > FilterSettings::MAX_PATHS {
            return Compare::Stop;
        }
        let mut path = path;
        // A directory that is there has those above it.
        while paths.insert(path.to_vec()) {
            match path.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => path = &path[..slash],
                None => break,
            }
        }
        Compare::On
    })?;
    Ok((count <= FilterSettings::MAX_PATHS).then_some(paths))
}
