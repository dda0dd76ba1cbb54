//! The commit-graph of a repository: one file, or several that build on one another.

use super::{FilterRef, FilterSettings, GraphError, GraphFile, GraphPosition, MARK, NO_PARENT};
use crate::file::be32;
use git_core_object::{ObjectFormat, ObjectId};

/// A chain of commit-graph files, the lowest first.
#[derive(Clone, Debug)]
pub struct CommitGraph<B> {
    layers: Vec<GraphFile<B>>,
    /// The position of the first commit of each file.
    starts: Vec<u32>,
    count: u32,
    corrected: bool,
}

impl<B: AsRef<[u8]>> CommitGraph<B> {
    /// Joins files, the lowest first.
    ///
    /// # Errors
    /// [`GraphError::Chain`] when there is none, or one does not name those below it as its bases;
    /// [`GraphError::TooLarge`] when together they have more commits than positions can count.
    pub fn new(layers: Vec<GraphFile<B>>) -> Result<Self, GraphError> {
        let (mut starts, mut count) = (Vec::with_capacity(layers.len()), 0u32);
        for (at, layer) in layers.iter().enumerate() {
            let below = layers[..at].iter().map(GraphFile::checksum);
            // A file alone may have lost its bases: then nothing in it can be trusted to be found.
            if layer.bases().len() != at || !layer.bases().eq(below) {
                return Err(GraphError::Chain);
            }
            starts.push(count);
            count = count
                .checked_add(layer.count())
                .filter(|count| *count < NO_PARENT)
                .ok_or(GraphError::TooLarge { what: "the number of commits" })?;
        }
        let top = layers.last().ok_or(GraphError::Chain)?;
        // A file without corrected dates makes those below it incomparable.
        let corrected = top.has_corrected_dates() && layers.iter().all(GraphFile::has_corrected_dates);
        Ok(CommitGraph { layers, starts, count, corrected })
    }

    /// The files, the lowest first.
    pub fn layers(&self) -> &[GraphFile<B>] {
        &self.layers
    }

    /// The same chain with topological levels for generations, whatever else it has.
    #[must_use]
    pub fn with_levels_only(self) -> Self {
        CommitGraph { corrected: false, ..self }
    }

    /// The object format of the repository.
    pub fn format(&self) -> ObjectFormat {
        self.layers[0].format()
    }

    /// The commits of all files.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether [`generation`](Self::generation) gives corrected commit dates rather than topological levels.
    pub const fn has_corrected_dates(&self) -> bool {
        self.corrected
    }

    /// How the changed-path filters were made, by the highest file that has some.
    pub fn filter_settings(&self) -> Option<FilterSettings> {
        self.layers.iter().rev().find_map(GraphFile::filter_settings)
    }

    /// Where a commit is, if it is in the graph.
    pub fn lookup(&self, id: &ObjectId) -> Option<GraphPosition> {
        let found = self.layers.iter().zip(&self.starts).rev();
        found.into_iter().find_map(|(layer, start)| Some(GraphPosition(start + layer.lookup(id)?)))
    }

    /// The id of a commit.
    ///
    /// # Panics
    /// When the position is not below [`count`](Self::count); as do all that take one.
    pub fn id(&self, at: GraphPosition) -> ObjectId {
        let (layer, row) = self.row(at);
        layer.id(row)
    }

    /// The root tree of a commit.
    pub fn tree(&self, at: GraphPosition) -> ObjectId {
        let (layer, row) = self.row(at);
        layer.tree(row)
    }

    /// When a commit was made, in seconds since 1970.
    pub fn time(&self, at: GraphPosition) -> i64 {
        let (layer, row) = self.row(at);
        layer.time(row)
    }

    /// A number that is greater than that of every ancestor: the corrected commit date, or the topological
    /// level where the chain has no such dates; 0 when it was not computed.
    ///
    /// # Errors
    /// [`GraphError::Overflow`] when the date stands in a row of a table that is not there.
    pub fn generation(&self, at: GraphPosition) -> Result<u64, GraphError> {
        let (layer, row) = self.row(at);
        if !self.corrected {
            return Ok(layer.level(row).into());
        }
        layer.corrected_date(row).ok_or(GraphError::Overflow { row: at.0 })
    }

    /// The topological level of a commit; 0 when it was not computed.
    pub fn level(&self, at: GraphPosition) -> u32 {
        let (layer, row) = self.row(at);
        layer.level(row)
    }

    /// The parents of a commit, in order. After an error there are no more.
    pub fn parents(&self, at: GraphPosition) -> GraphParents<'_> {
        let (layer, row) = self.row(at);
        let raw = layer.parents(row);
        let extra = if raw.second != NO_PARENT && raw.second & MARK != 0 {
            Some(layer.edges(raw.second ^ MARK))
        } else {
            None
        };
        // Parents lie in the same file or below it.
        let bound = at.0 - row + layer.count();
        GraphParents { row: at.0, bound, first: raw.first, second: raw.second, extra }
    }

    /// The changed-path filter of a commit, if there is one, and how it was made.
    pub fn filter(&self, at: GraphPosition) -> Option<(FilterSettings, FilterRef<'_>)> {
        let (layer, row) = self.row(at);
        Some((layer.filter_settings()?, layer.filter(row)?))
    }

    fn row(&self, at: GraphPosition) -> (&GraphFile<B>, u32) {
        if let [only] = &self.layers[..] {
            return (only, at.0);
        }
        assert!(at.0 < self.count, "position {} of a commit-graph of {}", at.0, self.count);
        // Files without commits share their start with the next one.
        let layer = self.starts.partition_point(|start| *start <= at.0) - 1;
        (&self.layers[layer], at.0 - self.starts[layer])
    }
}

/// The parents of one commit.
#[derive(Clone, Debug)]
pub struct GraphParents<'a> {
    row: u32,
    bound: u32,
    first: u32,
    second: u32,
    extra: Option<&'a [u8]>,
}

impl GraphParents<'_> {
    fn parent(&mut self, position: u32) -> Option<Result<GraphPosition, GraphError>> {
        if position < self.bound {
            return Some(Ok(GraphPosition(position)));
        }
        self.end();
        Some(Err(GraphError::Parent { row: self.row, position }))
    }

    fn end(&mut self) {
        (self.first, self.second, self.extra) = (NO_PARENT, NO_PARENT, None);
    }
}

impl Iterator for GraphParents<'_> {
    type Item = Result<GraphPosition, GraphError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.first != NO_PARENT {
            let first = std::mem::replace(&mut self.first, NO_PARENT);
            return self.parent(first);
        }
        let Some(extra) = self.extra else {
            let second = std::mem::replace(&mut self.second, NO_PARENT);
            return if second == NO_PARENT { None } else { self.parent(second) };
        };
        let Some(edge) = be32(extra, 0) else {
            self.end();
            return Some(Err(GraphError::Edges { row: self.row }));
        };
        (self.second, self.extra) = (NO_PARENT, (edge & MARK == 0).then(|| &extra[4..]));
        self.parent(edge & !MARK)
    }
}
