//! Whether one commit leads to another: what makes an update of a branch a fast-forward.

use super::graph::{ByTime, Flags, Graph, Node, UNKNOWN};
use crate::Snapshot;
use git_core_object::{Context, ObjectId, ReadError};

/// Whether `descendant` is `ancestor` or has it among its ancestors: whether moving a branch from the latter
/// to the former is a fast-forward.
///
/// # Errors
/// [`ReadError`] when a commit on the way is missing or damaged.
pub fn is_ancestor(
    snapshot: &dyn Snapshot,
    shallow: &[ObjectId],
    ancestor: &ObjectId,
    descendant: &ObjectId,
    cx: &Context,
) -> Result<bool, ReadError> {
    if ancestor == descendant {
        return Ok(true);
    }
    let mut graph = Graph::new(snapshot, shallow);
    let (target, start) = (graph.node(ancestor), graph.node(descendant));
    graph.require(target)?;
    graph.require(start)?;
    match graph.generation(target)? {
        UNKNOWN => by_both_sides(&mut graph, target, start, cx),
        bound => by_generation(&mut graph, target, start, bound, cx),
    }
}

/// Goes back from the descendant, as far as the commits can have the ancestor below them.
fn by_generation(
    graph: &mut Graph<&dyn Snapshot>,
    target: Node,
    start: Node,
    bound: u64,
    cx: &Context,
) -> Result<bool, ReadError> {
    const SEEN: u8 = 1;
    let (mut flags, mut stack, mut visited) = (Flags::default(), vec![start], 0u64);
    flags.set(start, SEEN);
    while let Some(node) = stack.pop() {
        visited += 1;
        if visited.is_multiple_of(1024) {
            cx.check()?;
        }
        graph.require(node)?;
        // First parents are popped first: most often the ancestor lies there.
        for at in graph.parents(node).rev() {
            let parent = graph.parent(at);
            if parent == target {
                return Ok(true);
            }
            // With equal numbers neither reaches the other, unless the numbers have reached their limit.
            if graph.generation(parent)? >= bound && flags.set(parent, SEEN) {
                stack.push(parent);
            }
        }
    }
    Ok(false)
}

/// Walks both sides at once, the newest commit first. Once every commit left to visit is reached from the
/// ancestor's side, nothing of the descendant's side can lead to it any more.
fn by_both_sides(
    graph: &mut Graph<&dyn Snapshot>,
    target: Node,
    start: Node,
    cx: &Context,
) -> Result<bool, ReadError> {
    const OURS: u8 = 1;
    const THEIRS: u8 = 2;
    const QUEUED: u8 = 4;
    let (mut flags, mut queue) = (Flags::default(), ByTime::default());
    for (node, side) in [(target, THEIRS), (start, OURS)] {
        flags.set(node, side | QUEUED);
        queue.push(graph.time(node), node);
    }
    let (mut visited, mut open) = (0u64, 1usize);
    while open > 0
        && let Some(node) = queue.pop()
    {
        visited += 1;
        if visited.is_multiple_of(1024) {
            cx.check()?;
        }
        let sides = flags.get(node) & (OURS | THEIRS);
        flags.clear(node, QUEUED);
        open -= usize::from(sides == OURS);
        // What the commit-graph has does not lead to what it does not have.
        if sides & OURS != 0 && graph.generation(node)? != UNKNOWN {
            continue;
        }
        for at in graph.parents(node) {
            let parent = graph.parent(at);
            if sides & OURS != 0 && parent == target {
                return Ok(true);
            }
            let before = flags.get(parent);
            if before & sides == sides {
                continue;
            }
            graph.require(parent)?;
            flags.set(parent, sides | QUEUED);
            open += usize::from(flags.get(parent) == OURS | QUEUED);
            open -= usize::from(before == OURS | QUEUED);
            if before & QUEUED == 0 {
                queue.push(graph.time(parent), parent);
            }
        }
    }
    Ok(false)
}
