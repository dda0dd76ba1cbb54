//! The options of `rev-list` that say which commits are listed, and in which order.

use super::rev_list_cherry::Cherry;
use crate::args::Args;
use crate::fail::Failure;
use crate::repo;
use crate::revisions::{Revisions, bad_object};
use crate::when;
use git_core::Repository;
use git_core::store::walk::{HistoryOrder, HistoryQuery, NoWalk, PathSpec, Side, Simplification};
use git_core::store::{Snapshot, revision};
use std::ffi::OsString;

/// What is asked of the commits.
#[derive(Default)]
pub(super) struct HistoryOptions {
    pub(super) query: HistoryQuery,
    /// Marks the sides of `a...b`.
    pub(super) left_right: bool,
    /// Prints parents.
    pub(super) shows_parents: bool,
    pub(super) cherry: Option<Cherry>,
    pub(super) walks_reflogs: bool,
    pub(super) by_decoration: bool,
    ancestry: Vec<Vec<u8>>,
}

/// The long options that [`HistoryOptions::take`] knows.
pub(super) fn is_history_option(name: &str) -> bool {
    matches!(
        name,
        "topo-order"
            | "date-order"
            | "author-date-order"
            | "first-parent"
            | "exclude-first-parent-only"
            | "min-parents"
            | "max-parents"
            | "no-min-parents"
            | "no-max-parents"
            | "merges"
            | "no-merges"
            | "boundary"
            | "ancestry-path"
            | "left-right"
            | "left-only"
            | "right-only"
            | "parents"
            | "children"
            | "full-history"
            | "dense"
            | "sparse"
            | "simplify-merges"
            | "simplify-by-decoration"
            | "show-pulls"
            | "remove-empty"
            | "cherry"
            | "cherry-pick"
            | "cherry-mark"
            | "walk-reflogs"
            | "reverse"
            | "no-walk"
            | "do-walk"
            | "max-count"
            | "skip"
            | "since"
            | "after"
            | "max-age"
            | "until"
            | "before"
            | "min-age"
    )
}

impl HistoryOptions {
    /// Takes one of these options, with its value.
    pub(super) fn take(&mut self, name: &str, args: &mut Args) -> Result<(), Failure> {
        let query = &mut self.query;
        match name {
            "topo-order" => query.order = HistoryOrder::Topological,
            "date-order" => query.order = HistoryOrder::Date,
            "author-date-order" => query.order = HistoryOrder::AuthorDate,
            "first-parent" => query.first_parent = true,
            "exclude-first-parent-only" => query.exclude_first_parent_only = true,
            "min-parents" => query.min_parents = usize::try_from(integer(&args.text()?)?).unwrap_or(0),
            "max-parents" => query.max_parents = usize::try_from(integer(&args.text()?)?).ok(),
            "no-min-parents" => query.min_parents = 0,
            "no-max-parents" => query.max_parents = None,
            "merges" => query.min_parents = 2,
            "no-merges" => query.max_parents = Some(1),
            "boundary" => query.boundary = true,
            "ancestry-path" => {
                query.ancestry_path.get_or_insert_default();
                self.ancestry.extend(args.optional_value().map(repo::operand));
            }
            "left-right" => self.left_right = true,
            "left-only" | "right-only" => {
                let side = if name == "left-only" { Side::Left } else { Side::Right };
                self.choose(side, "--right-only")?;
            }
            "cherry" => {
                self.choose(Side::Right, "--right-only/--cherry")?;
                self.query.max_parents = Some(1);
                self.pick(Cherry::Mark)?;
            }
            "cherry-pick" => self.pick(Cherry::Pick)?,
            "cherry-mark" => self.pick(Cherry::Mark)?,
            "walk-reflogs" => self.walks_reflogs = true,
            "full-history" => query.simplification = Simplification::All,
            "dense" => query.sparse = false,
            "sparse" => query.sparse = true,
            "simplify-merges" => self.simplify_merges(),
            "simplify-by-decoration" => {
                self.by_decoration = true;
                self.simplify_merges();
            }
            "show-pulls" => query.show_pulls = true,
            "remove-empty" => query.remove_empty = true,
            "parents" => (query.rewrite_parents, self.shows_parents) = (true, true),
            "children" => query.children = true,
            "reverse" => query.reverse = !query.reverse,
            "no-walk" => {
                query.no_walk = Some(match args.optional_value() {
                    Some(how) if how == "unsorted" => NoWalk::Unsorted,
                    Some(how) if how != "sorted" => {
                        let text = "invalid argument to --no-walk";
                        return Err(Failure::plain(129, format!("error: {text}")));
                    }
                    _ => NoWalk::Sorted,
                });
            }
            "do-walk" => query.no_walk = None,
            "max-count" => query.max_count = max_count(&args.text()?)?,
            "skip" => query.skip = u64::try_from(integer(&args.text()?)?).unwrap_or(0),
            "since" | "after" | "max-age" => query.since = Some(when::parse(&args.text()?)?),
            _ => query.until = Some(when::parse(&args.text()?)?),
        }
        Ok(())
    }

    fn simplify_merges(&mut self) {
        let query = &mut self.query;
        (query.simplification, query.rewrite_parents) = (Simplification::Merges, true);
        query.order = HistoryOrder::Topological;
    }

    fn choose(&mut self, side: Side, right: &str) -> Result<(), Failure> {
        if self.query.side.replace(side).is_some_and(|before| before != side) {
            let text = format_args!("options '--left-only' and '{right}' cannot be used together");
            return Err(Failure::fatal(text));
        }
        Ok(())
    }

    fn pick(&mut self, cherry: Cherry) -> Result<(), Failure> {
        if self.cherry.replace(cherry).is_some_and(|before| before != cherry) {
            return Err(Failure::fatal(
                "options '--cherry-mark' and '--cherry-pick' cannot be used together",
            ));
        }
        Ok(())
    }

    /// Takes the operands behind `--`.
    pub(super) fn take_paths(&mut self, repository: &Repository, paths: &[OsString]) -> Result<(), Failure> {
        let prefix = match (repository.work_tree(), std::env::current_dir()) {
            (Some(tree), Ok(here)) => {
                let tree = tree.canonicalize().unwrap_or_else(|_| tree.to_owned());
                here.strip_prefix(tree)
                    .map(|below| below.as_os_str().as_encoded_bytes().to_vec())
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        };
        for path in paths {
            let path = path.as_encoded_bytes();
            if path.starts_with(b":") || path.split(|byte| *byte == b'/').any(|part| part == b"..") {
                let shown = String::from_utf8_lossy(path);
                return Err(Failure::fatal(format_args!(
                    "pathspec '{shown}' is of a kind that is not supported"
                )));
            }
            let whole = if prefix.is_empty() { path.to_vec() } else { [&prefix[..], path].join(&b'/') };
            self.query.paths.push(PathSpec::new(&whole));
        }
        Ok(())
    }

    /// The query, with the revisions that were named.
    pub(super) fn query(
        &self,
        snapshot: &dyn Snapshot,
        revisions: &Revisions,
    ) -> Result<HistoryQuery, Failure> {
        let mut query = self.query.clone();
        if query.rewrite_parents && query.children {
            let text = "options '--parents' and '--children' cannot be used together";
            return Err(Failure::fatal(text));
        }
        if self.walks_reflogs {
            // They have been worked out before.
            return Ok(query);
        }
        query.tips = revisions.history_tips(snapshot)?;
        // A range cannot be listed without walking.
        if revisions.tips.iter().any(|tip| tip.hidden) {
            query.no_walk = None;
        }
        for text in &self.ancestry {
            let spec = [&text[..], b"^0"].concat();
            let id = revision::resolve(snapshot, &spec).map_err(|_| {
                let shown = String::from_utf8_lossy(text);
                Failure::plain(
                    128,
                    format!("error: could not get commit for --ancestry-path argument {shown}"),
                )
            })?;
            query.ancestry_path.get_or_insert_default().push(id);
        }
        if query.ancestry_path.as_ref().is_some_and(Vec::is_empty)
            && !revisions.tips.iter().any(|tip| tip.hidden)
        {
            return Err(Failure::fatal("--ancestry-path given but there are no bottom commits"));
        }
        Ok(query)
    }

    /// Whether some commits that are walked are not listed, or not in the order of the walk.
    pub(super) fn selects(&self) -> bool {
        let query = &self.query;
        query.reverse
            || query.no_walk.is_some()
            || query.skip > 0
            || query.max_count.is_some()
            || query.since.is_some()
            || query.until.is_some()
            || query.min_parents > 0
            || query.max_parents.is_some()
            || query.first_parent
            || query.exclude_first_parent_only
            || query.boundary
            || query.ancestry_path.is_some()
            || query.side.is_some()
            || !query.paths.is_empty()
            || query.decorated.is_some()
            || query.test.is_some()
            || self.cherry.is_some()
            || self.walks_reflogs
    }
}

/// `--max-count`: a negative number is no limit.
pub(super) fn max_count(text: &str) -> Result<Option<u64>, Failure> {
    Ok(u64::try_from(integer(text)?).ok())
}

fn integer(text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| Failure::fatal(format_args!("'{text}': not an integer")))
}

/// What git says when a walk comes upon something that is not there.
pub(super) fn walked<T>(result: Result<T, git_core::object::ReadError>) -> Result<T, Failure> {
    result.map_err(|error| bad_object(&error))
}
