//! What somebody lacks who has something: walked for, with names, and corrected by what a bitmap knows of what is there.

use super::commits::{MissingExcludes, Query};
use super::covered::Cover;
use super::marks::Marks;
use super::numbers::Numbers;
use super::object_set::ObjectSet;
use super::reachable::{CountOptions, UseBitmap, reachable_named};
use crate::{Snapshot, StoredBitmap};
use git_core_object::{Context, ReadError};

/// As [`reachable_named`]. A bitmap, where one may be used, is asked what the excluded side has: what came back in a
/// later commit is excluded then, too, and all that is excluded can be the base of a delta. Where history is cut off or
/// altered, what has a commit may lack what the bitmap says it reaches: then none is asked.
///
/// # Errors
/// As [`reachable_with`](super::reachable_with).
pub fn reachable_named_with(
    snapshot: &dyn Snapshot,
    query: &Query,
    options: &CountOptions,
    cx: &Context,
) -> Result<ObjectSet, ReadError> {
    let mut set = reachable_named(snapshot, query, cx)?;
    if options.bitmap == UseBitmap::IfThere
        && !query.exclude.is_empty()
        && snapshot.shallow().is_empty()
        && !snapshot.alters_history()
        && let Some(bitmap) = snapshot.bitmap()
        && let Some(beyond) = excluded(snapshot, &bitmap, query, set.numbers(), cx)?
    {
        set.leave_out(beyond);
    }
    Ok(set)
}

/// What a bitmap knows of the excluded side; `None` when it is damaged.
fn excluded(
    snapshot: &dyn Snapshot,
    bitmap: &StoredBitmap,
    query: &Query,
    numbers: &Numbers,
    cx: &Context,
) -> Result<Option<Vec<u64>>, ReadError> {
    let Some(mut cover) = Cover::open(snapshot, bitmap) else { return Ok(None) };
    let missing = [query.ignore_missing, MissingExcludes::Ignore];
    match cover.side(&query.exclude, missing, &[], cx) {
        Ok(side) => {
            let marks = Marks::new(numbers.packed());
            side.mark(bitmap, cover.order, numbers, &marks);
            Ok(Some(marks.words()))
        }
        Err(error) => match cover.damage.take() {
            Some(why) => {
                tracing::warn!(bitmap = bitmap.name(), %why, "a bitmap is not used");
                Ok(None)
            }
            None => Err(error),
        },
    }
}
