//! Checks of what a pack holds: each object's form, and that what objects link to is there.

use crate::fail::Failure;
use git_core::object::check::{self, CheckOptions, MessageId, Severity};
use git_core::object::{
    BoxError, CommitRef, Context, EntryKind, Kind, ObjectFormat, ObjectId, Objects, ReadError, TagRef,
    TreeRef,
};
use git_core::pack::{Observer, Pack};
use git_core::store::ObjectObserver;
use git_core::store::config::Config;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How closely a pack is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Checks {
    /// Only that it is a pack.
    None,
    /// The form of every object.
    Objects,
    /// That, and that no link leads nowhere.
    ObjectsAndLinks,
}

impl Checks {
    /// Who looks at the objects while they come in.
    pub(crate) fn observer(
        self,
        format: ObjectFormat,
        config: &Config,
    ) -> Result<Option<Arc<FormCheck>>, Failure> {
        if self == Checks::None {
            return Ok(None);
        }
        let mut options = CheckOptions::strict();
        for id in MessageId::ALL {
            let Some(text) = config.text(format!("fsck.{}", id.name()))? else { continue };
            let severity = match text.to_ascii_lowercase().as_slice() {
                b"error" => Severity::Error,
                b"warn" => Severity::Warn,
                b"ignore" => Severity::Ignore,
                _ => return Err(Failure::fatal(format_args!("Unknown fsck message type: '{text}'"))),
            };
            options.set(*id, severity)?;
        }
        Ok(Some(Arc::new(FormCheck { format, options, links: None })))
    }
}

/// Checks the form of each object that it is shown.
pub(crate) struct FormCheck {
    format: ObjectFormat,
    options: CheckOptions,
    /// What the objects link to, where that is wanted.
    links: Option<Mutex<HashSet<ObjectId>>>,
}

impl FormCheck {
    /// The same, gathering links, for objects that will not be found together in a pack afterwards.
    pub(crate) fn gathering(self: Arc<Self>) -> Arc<Self> {
        let (format, options) = (self.format, self.options.clone());
        Arc::new(FormCheck { format, options, links: Some(Mutex::default()) })
    }

    /// Checks that whatever was linked to is there.
    pub(crate) fn check_gathered(&self, objects: &dyn Objects) -> Result<(), Failure> {
        let Some(links) = &self.links else { return Ok(()) };
        for link in &*links.lock().unwrap_or_else(PoisonError::into_inner) {
            if !objects.contains(link)? {
                return Err(Failure::fatal(format_args!("an object links to {link}, which is missing")));
            }
        }
        Ok(())
    }

    fn check(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError> {
        let mut refused = None;
        for finding in check::check(self.format, kind, content, &self.options) {
            let word = if finding.severity >= Severity::Error { "error" } else { "warning" };
            eprintln!("{word}: object {id}: {finding}");
            if finding.severity >= Severity::Error {
                refused.get_or_insert(finding);
            }
        }
        if let Some(finding) = refused {
            return Err(format!("fsck error in packed object: {finding}").into());
        }
        if let Some(gathered) = &self.links {
            let mut links = Vec::new();
            collect_links(self.format, kind, content, &mut links)?;
            gathered.lock().unwrap_or_else(PoisonError::into_inner).extend(links);
        }
        Ok(())
    }
}

impl Observer for FormCheck {
    fn object(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError> {
        self.check(id, kind, content)
    }
}

impl ObjectObserver for FormCheck {
    fn object(&self, id: &ObjectId, kind: Kind, content: Option<&[u8]>) -> Result<(), BoxError> {
        content.map_or(Ok(()), |content| self.check(id, kind, content))
    }
}

/// Checks that whatever the objects of a pack link to is in it, or in `others`.
pub(crate) fn check_links(pack: &Pack, others: &dyn Objects, cx: &Context) -> Result<(), Failure> {
    let (mut content, mut links) = (Vec::new(), Vec::new());
    for (number, id) in pack.idx().ids().enumerate() {
        if number.is_multiple_of(1024) {
            cx.check()?;
        }
        let header = pack.header(&id)?.ok_or(ReadError::Missing { id })?;
        if header.kind == Kind::Blob {
            continue;
        }
        pack.require(&id, &mut content)?;
        links.clear();
        collect_links(pack.format(), header.kind, &content, &mut links)
            .map_err(|error| ReadError::corrupt(format_args!("{} {id}", header.kind), error))?;
        for link in &links {
            if !pack.contains(link) && !others.contains(link)? {
                return Err(Failure::fatal(format_args!("object {id} links to {link}, which is missing")));
            }
        }
    }
    Ok(())
}

fn collect_links(
    format: ObjectFormat,
    kind: Kind,
    content: &[u8],
    links: &mut Vec<ObjectId>,
) -> Result<(), git_core::object::DecodeError> {
    match kind {
        Kind::Blob => {}
        Kind::Tree => {
            for entry in TreeRef::new(format, content).iter() {
                let entry = entry?;
                if entry.mode.kind() != EntryKind::Commit {
                    links.push(entry.id);
                }
            }
        }
        Kind::Commit => {
            let commit = CommitRef::parse(format, content)?;
            links.push(commit.tree());
            links.extend_from_slice(commit.parents());
        }
        Kind::Tag => links.push(TagRef::parse(format, content)?.target()),
    }
    Ok(())
}
