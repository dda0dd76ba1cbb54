//! One state of all refs.

use super::loose;
use super::packed::{self, PackedFile};
use super::{FilesRefs, resolve};
use crate::Reference;
use bstr::ByteSlice as _;
use git_core_object::{ObjectId, ReadError};
use git_core_ref::{RefName, ReflogLine, Target};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// All refs as they were at one moment, as far as separate files can show one.
///
/// Holds every loose ref in memory and `packed-refs` as it was read. Root refs (`HEAD`, …) are read when they are
/// first asked for, `HEAD` at once. Reflogs are read from the disk as they are when asked for.
#[derive(Debug)]
pub struct RefsSnapshot {
    refs: FilesRefs,
    loose: Vec<(RefName, Target)>,
    packed: Arc<PackedFile>,
    roots: Mutex<HashMap<RefName, Option<Target>>>,
}

impl RefsSnapshot {
    pub(super) fn take(refs: FilesRefs) -> Result<Self, ReadError> {
        let shared = &refs.shared;
        let head = RefName::head();
        // A broken HEAD is an error for who asks for it only.
        let roots = match shared.find_target(&head) {
            Ok(target) => HashMap::from([(head, target)]),
            Err(_) => HashMap::new(),
        };
        // Loose refs before packed ones: whoever packs a ref writes the packed one first.
        let loose = loose::collect(&shared.places, b"", shared.format)?;
        let packed = shared.packed.current()?;
        Ok(RefsSnapshot { loose, packed, roots: Mutex::new(roots), refs })
    }

    /// The raw value of a ref; root refs included.
    ///
    /// # Errors
    /// [`ReadError`] when it is there and cannot be read.
    pub fn find(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        if name.is_root() {
            let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
            let target = match roots.get(name) {
                Some(target) => target.clone(),
                None => {
                    let target = self.refs.shared.find_target(name)?;
                    roots.insert(name.clone(), target.clone());
                    target
                }
            };
            return Ok(target.map(|target| Reference { name: name.clone(), target, peeled: None }));
        }
        if let Ok(at) = self.loose.binary_search_by(|(loose, _)| loose.cmp(name)) {
            let target = self.loose[at].1.clone();
            return Ok(Some(Reference { name: name.clone(), target, peeled: None }));
        }
        self.packed.find(name)
    }

    /// Follows symbolic refs from `name` to the end: the last name, and its id if there is such a ref.
    ///
    /// # Errors
    /// As [`FilesRefs::resolve`].
    pub fn resolve(&self, name: &RefName) -> Result<(RefName, Option<ObjectId>), ReadError> {
        resolve(name, &mut |name| Ok(self.find(name)?.map(|found| found.target)))
    }

    /// Visits every ref below `refs/` whose name begins with `prefix`, in the order of the names' bytes.
    ///
    /// # Errors
    /// [`ReadError`] when `packed-refs` is damaged.
    pub fn for_each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.for_each_after(prefix, None, visit)
    }

    /// As [`for_each`](Self::for_each), but only those whose names sort behind `after`.
    ///
    /// # Errors
    /// [`ReadError`] when `packed-refs` is damaged.
    pub fn for_each_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let from = self.loose.partition_point(|(name, _)| {
            name.as_bytes() < prefix || after.is_some_and(|after| name <= after)
        });
        merge(&self.loose[from..], &self.packed, prefix, after, visit)
    }

    /// Visits the reflog of a ref from the newest entry to the oldest, as it is now.
    ///
    /// # Errors
    /// As [`FilesRefs::for_each_reflog_entry`].
    pub fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.refs.for_each_reflog_entry(name, visit)
    }
}

/// Visits loose and packed refs together; of two with one name the loose one counts.
pub(super) fn merge(
    loose: &[(RefName, Target)],
    packed: &PackedFile,
    prefix: &[u8],
    after: Option<&RefName>,
    visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut loose = loose.iter().take_while(|(name, _)| name.as_bytes().starts_with(prefix)).peekable();
    let show_loose = |(name, target): &(RefName, Target),
                      visit: &mut dyn FnMut(Reference) -> ControlFlow<()>| {
        visit(Reference { name: name.clone(), target: target.clone(), peeled: None })
    };
    for entry in packed.with_prefix_after(prefix, after)? {
        let entry = entry.map_err(|error| packed.damaged(error))?;
        let mut shadowed = false;
        while let Some(next) = loose.peek() {
            match next.0.as_bytes().cmp(entry.name.as_bytes()) {
                Ordering::Greater => break,
                order => {
                    if show_loose(next, visit).is_break() {
                        return Ok(());
                    }
                    shadowed |= order == Ordering::Equal;
                    loose.next();
                }
            }
        }
        if !shadowed
            && let Some(reference) = packed::reference(&entry)
            && visit(reference).is_break()
        {
            return Ok(());
        }
    }
    for next in loose {
        if show_loose(next, visit).is_break() {
            return Ok(());
        }
    }
    Ok(())
}
