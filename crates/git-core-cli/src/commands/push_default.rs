//! Where a push goes and what it pushes when nobody says so: `remote.pushDefault`, `push.default` and their like.

use crate::fail::Failure;
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::refs::{RefName, Target};

/// What is known of the branch that is checked out.
pub(super) struct Here<'a> {
    repository: &'a Repository,
    /// The branch; none where `HEAD` is no branch.
    pub(super) branch: Option<RefName>,
}

/// What is pushed by default.
pub(super) struct Usual {
    /// The refspecs.
    pub(super) specs: Vec<Vec<u8>>,
    /// Whether the branch is to follow what it is pushed to from now on (`push.autoSetupRemote`).
    pub(super) sets_upstream: bool,
}

impl<'a> Here<'a> {
    pub(super) fn of(repository: &'a Repository) -> Result<Self, Failure> {
        let branch = match repository.refs().get("HEAD")? {
            Some(Target::Symbolic(branch)) if branch.is_branch() => Some(branch),
            _ => None,
        };
        Ok(Here { repository, branch })
    }

    fn variable(&self, name: &str) -> Result<Option<BString>, Failure> {
        let Some(branch) = &self.branch else { return Ok(None) };
        let key = [b"branch.", branch.short().as_bytes(), b".", name.as_bytes()].concat();
        Ok(self.repository.config().text(key)?.map(|text| text.to_owned()))
    }

    /// The remote that is pushed to.
    pub(super) fn remote(&self) -> Result<BString, Failure> {
        if let Some(name) = self.variable("pushRemote")? {
            return Ok(name);
        }
        if let Some(name) = self.repository.config().text("remote.pushDefault")? {
            return Ok(name.to_owned());
        }
        self.fetch_remote()
    }

    fn fetch_remote(&self) -> Result<BString, Failure> {
        if let Some(name) = self.variable("remote")? {
            return Ok(name);
        }
        let remotes = self.repository.config().subsections("remote");
        match remotes.as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => Err(Failure::fatal(
                "No configured push destination.\n\
                 Either specify the URL from the command-line or configure a remote repository using\n\n    \
                 git remote add <name> <url>\n\nand then push using the remote name\n\n    git push <name>\n",
            )),
            _ => Ok("origin".into()),
        }
    }

    /// What is pushed to this remote when no refspec says it.
    pub(super) fn usual(&self, remote: &BString) -> Result<Usual, Failure> {
        let config = self.repository.config();
        let default = config.text("push.default")?.map(|text| text.to_owned());
        let plain = |spec: Vec<u8>| Ok(Usual { specs: vec![spec], sets_upstream: false });
        let triangular = self.fetch_remote().ok().as_ref() != Some(remote);
        match default.as_ref().map(|text| text.as_slice()) {
            Some(b"nothing") => {
                return Err(Failure::fatal(
                    "You didn't specify any refspecs to push, and push.default is \"nothing\".",
                ));
            }
            Some(b"matching") => return plain(b":".to_vec()),
            _ => {}
        }
        let Some(branch) = &self.branch else {
            return Err(Failure::fatal(format_args!(
                "You are not currently on a branch.\nTo push the history leading to the current (detached HEAD)\n\
                 state now, use\n\n    git push {remote} HEAD:<name-of-remote-branch>\n"
            )));
        };
        let same = || [branch.as_bytes(), b":", branch.as_bytes()].concat();
        match default.as_ref().map(|text| text.as_slice()) {
            Some(b"current") => plain(same()),
            None | Some(b"simple") if triangular => plain(same()),
            None | Some(b"simple") => {
                let Some(upstream) = self.upstream(branch, remote)? else {
                    return Ok(Usual { specs: vec![same()], sets_upstream: true });
                };
                if upstream != branch.as_bytes() {
                    return Err(self.mismatch(&upstream, remote, default.is_none()));
                }
                plain(same())
            }
            Some(b"upstream" | b"tracking") => {
                if triangular {
                    return Err(Failure::fatal(format_args!(
                        "You are pushing to remote '{remote}', which is not the upstream of\n\
                         your current branch '{}', without telling me what to push\n\
                         to update which remote branch.",
                        branch.short()
                    )));
                }
                let Some(upstream) = self.upstream(branch, remote)? else {
                    return Ok(Usual { specs: vec![same()], sets_upstream: true });
                };
                plain([branch.as_bytes(), b":", &upstream].concat())
            }
            Some(other) => Err(Failure::fatal(format_args!(
                "bad config variable 'push.default': malformed value: {}\n\
                 error: must be one of nothing, matching, simple, upstream or current",
                other.as_bstr()
            ))),
        }
    }

    /// The ref of the remote that the branch follows; none where it is to follow the one of its own name from now
    /// on.
    fn upstream(&self, branch: &RefName, remote: &BString) -> Result<Option<BString>, Failure> {
        let short = branch.short();
        if self.variable("remote")?.is_some()
            && let Some(merge) = self.variable("merge")?
        {
            return Ok(Some(merge));
        }
        if self.repository.config().bool("push.autoSetupRemote")? == Some(true) {
            return Ok(None);
        }
        Err(Failure::fatal(format_args!(
            "The current branch {short} has no upstream branch.\n\
             To push the current branch and set the remote as upstream, use\n\n    \
             git push --set-upstream {remote} {short}\n\n\
             To have this happen automatically for branches without a tracking\n\
             upstream, see 'push.autoSetupRemote' in 'git help config'.\n"
        )))
    }

    fn mismatch(&self, upstream: &BString, remote: &BString, unset: bool) -> Failure {
        let short = upstream.strip_prefix(b"refs/heads/").unwrap_or(upstream).as_bstr();
        let permanent = if unset {
            "To choose either option permanently, see push.default in 'git help config'.\n\n"
        } else {
            ""
        };
        let merging = self.repository.config().text("branch.autoSetupMerge").ok().flatten();
        let simple = if merging.is_some_and(|text| text == "simple") {
            ""
        } else {
            "To avoid automatically configuring an upstream branch when its name\n\
             won't match the local branch, see option 'simple' of branch.autoSetupMerge\n\
             in 'git help config'.\n"
        };
        Failure::fatal(format_args!(
            "The upstream branch of your current branch does not match\n\
             the name of your current branch.  To push to the upstream branch\n\
             on the remote, use\n\n    git push {remote} HEAD:{short}\n\n\
             To push to the branch of the same name on the remote, use\n\n    git push {remote} HEAD\n\n\
             {permanent}{simple}"
        ))
    }
}
