//! Giving refs other names, with their reflogs.

use super::{FilesRefs, RefsCommit, reflog};
use crate::CommitError;
use git_core_object::Context;
use git_core_ref::{
    Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, ReflogLine, Target,
};
use std::collections::HashMap;
use std::io;

impl FilesRefs {
    /// Gives each ref of `moves` its second name, which no ref may have yet. A reflog goes along and gets the entry that
    /// `log` gives; a symbolic ref gets a new one, and follows if it points to another ref that is renamed.
    ///
    /// The new refs are there before the old ones go: whoever is interrupted has both, never none.
    ///
    /// # Errors
    /// [`CommitError`]; when the first new ref could not be made nothing has changed.
    pub fn rename(
        &self,
        moves: &[(RefName, RefName)],
        log: &dyn Fn(&RefName, &RefName) -> Option<LogMessage>,
        cx: &Context,
    ) -> Result<(), CommitError> {
        let names: HashMap<&RefName, &RefName> = moves.iter().map(|(old, new)| (old, new)).collect();
        let (mut made, mut gone, mut kept) = (RefTransaction::new(), RefTransaction::new(), Vec::new());
        for (old, new) in moves {
            let Some(found) = self.find(old)? else { continue };
            let (target, entry) = match &found.target {
                Target::Id(id) => {
                    kept.push((old, new, *id));
                    (Target::Id(*id), None)
                }
                Target::Symbolic(to) => {
                    (Target::Symbolic((*names.get(to).unwrap_or(&to)).clone()), log(old, new))
                }
            };
            made.push(RefEdit {
                name: new.clone(),
                expected: Expected::MustNotExist,
                change: Change::Update { target, log: entry },
                deref: Deref::Direct,
            });
            gone.push(RefEdit {
                name: old.clone(),
                expected: Expected::Is(found.target),
                change: Change::Delete { log: None },
                deref: Deref::Direct,
            });
        }
        self.commit(&made, None, &RefsCommit::atomic(), cx)?;
        let shared = &*self.shared;
        for (old, new, id) in kept {
            let (from, to) = (shared.places.log(old), shared.places.log(new));
            let failed = |error: io::Error| CommitError::unavailable(to.display(), error);
            if from.is_file() {
                if let Some(parent) = to.parent() {
                    shared.disk.create_dir_all(parent).map_err(failed)?;
                }
                shared.disk.rename(&from, &to).map_err(failed)?;
            }
            if let Some(entry) = log(old, new)
                && reflog::wanted(&shared.places, new, shared.options.logs)
            {
                reflog::append(&*shared.disk, &to, &ReflogLine::of_change(id, id, &entry)).map_err(failed)?;
            }
        }
        self.commit(&gone, None, &RefsCommit::atomic(), cx)?;
        for (old, _) in moves {
            reflog::remove_empty_parents(
                &*shared.disk,
                &shared.places.root(old.as_bytes()).join("logs"),
                old,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::refs::{LogUpdates, RefsOptions};
    use crate::fs::sys::RealDisk;
    use git_core_object::{ObjectFormat, ObjectId};
    use std::ops::ControlFlow;
    use std::sync::Arc;

    #[test]
    fn logs_and_symbolic_refs_go_along() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("refs")).unwrap();
        let options = RefsOptions { logs: LogUpdates::Usual, ..RefsOptions::default() };
        let refs = FilesRefs::new(
            dir.path(),
            dir.path(),
            ObjectFormat::Sha1,
            Arc::new(RealDisk::default()),
            options,
        );
        let name = |text: &str| RefName::new(text).unwrap();
        let id = ObjectId::empty_tree(ObjectFormat::Sha1);
        let cx = Context::new();
        let entry = |text: &str| LogMessage::new("A <a@b> 1 +0000", text);
        let mut first = RefTransaction::new();
        first.create(name("refs/remotes/o/a"), id, Some(entry("first")));
        first.create(name("refs/remotes/o/b/c"), id, None);
        first.set_symbolic(name("refs/remotes/o/HEAD"), name("refs/remotes/o/a"), None);
        refs.commit(&first, None, &RefsCommit::atomic(), &cx).unwrap();
        let moves: Vec<_> = ["HEAD", "a", "b/c"]
            .map(|short| (name(&format!("refs/remotes/o/{short}")), name(&format!("refs/remotes/n/{short}"))))
            .into();
        refs.rename(&moves, &|old, new| Some(entry(&format!("{old} to {new}"))), &cx).unwrap();
        let mut found = Vec::new();
        refs.for_each(b"", &mut |one| {
            found.push(format!("{} {:?}", one.name, one.target.symbolic().map(RefName::to_string)));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(
            found,
            [
                "refs/remotes/n/HEAD Some(\"refs/remotes/n/a\")",
                "refs/remotes/n/a None",
                "refs/remotes/n/b/c None"
            ]
        );
        let log = std::fs::read_to_string(dir.path().join("logs/refs/remotes/n/a")).unwrap();
        assert!(
            log.contains("\tfirst\n") && log.ends_with("\trefs/remotes/o/a to refs/remotes/n/a\n"),
            "{log}"
        );
        assert!(!dir.path().join("logs/refs/remotes/o").exists());
        // A name that is taken leaves all as it is.
        let taken = [(name("refs/remotes/n/a"), name("refs/remotes/n/b"))];
        refs.rename(&taken, &|_, _| None, &cx).unwrap_err();
        assert!(refs.find(&name("refs/remotes/n/a")).unwrap().is_some());
    }
}
