//! What `fetch` does about a remote's `HEAD`: `fetch.followRemoteHEAD` and `remote.<name>.followRemoteHEAD`.

use super::fetch_table::{Screen, advised};
use crate::fail::Failure;
use bstr::{BStr, ByteSlice as _};
use git_core::Repository;
use git_core::remote::{FollowHead, HeadDiffers, HeadHere, Remote};

/// What the configuration says of this remote.
pub(super) fn follow(remote: &Remote, screen: &Screen) -> Result<FollowHead, Failure> {
    let config = remote.repository().config();
    let own = match remote.name() {
        Some(name) => config.text([b"remote.", name.as_bytes(), b".followRemoteHEAD"].concat())?,
        None => None,
    };
    let (text, branches) = match own {
        Some(text) => (text, true),
        None => match config.text("fetch.followRemoteHEAD")? {
            Some(text) => (text, false),
            None => return Ok(FollowHead::Never),
        },
    };
    Ok(match text.as_bytes() {
        b"never" => FollowHead::Never,
        b"create" => FollowHead::Create,
        b"warn" => FollowHead::Warn,
        b"always" => FollowHead::Always,
        other => match other.strip_prefix(b"warn-if-not-") {
            Some(branch) if branches => FollowHead::WarnIfNot(branch.into()),
            _ => {
                screen.say(format_args!("warning: unrecognized followRemoteHEAD value '{text}' ignored"));
                FollowHead::Never
            }
        },
    })
}

/// Tells of a difference, and what to do about it.
pub(super) fn tell(repository: &Repository, remote: &BStr, head: &HeadDiffers, screen: &Screen) {
    let there = &head.there;
    match &head.here {
        HeadHere::Branch(here) => {
            screen.print(format_args!("'HEAD' at '{remote}' is '{there}', but we have '{here}' locally."))
        }
        HeadHere::Detached(id) => screen.print(format_args!(
            "'HEAD' at '{remote}' is '{there}', but we have a detached HEAD pointing to '{id}' locally."
        )),
    }
    if advised(repository, "fetchRemoteHEADWarn") {
        screen.say(format_args!(
            "hint: Run 'git remote set-head {remote} {there}' to follow the change, or set\n\
             hint: 'remote.{remote}.followRemoteHEAD' configuration option to a different value\n\
             hint: if you do not want to see this message. Specifically running\n\
             hint: 'git config set remote.{remote}.followRemoteHEAD warn-if-not-{there}'\n\
             hint: will disable the warning until the remote changes HEAD to something else."
        ));
    }
}
