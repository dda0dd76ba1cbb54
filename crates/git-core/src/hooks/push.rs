//! What a push asks and tells: the hooks of a server as a trait.

use super::proc_receive::Processed;
use crate::server::{PushedCertificate, WorkTree};
use bstr::BString;
use git_core_object::{Context, ObjectId};
use git_core_protocol::server::Command;
use git_core_ref::RefName;
use git_core_store::Snapshot;
use std::path::Path;
use std::sync::Arc;

/// A push on its way, as its hooks see it.
#[non_exhaustive]
pub struct HookedPush<'a> {
    /// The repository with everything that was received, and its refs as they are.
    pub view: &'a Arc<dyn Snapshot>,
    /// The directory that holds what was received and is not part of the repository yet, where there is one.
    pub quarantine: Option<&'a Path>,
    /// What the client said with `--push-option`; none when it did not say that it has any.
    pub push_options: Option<&'a [BString]>,
    /// What the client has signed, and what is known of the signature.
    pub certificate: Option<&'a PushedCertificate>,
    context: &'a Context,
}

impl<'a> HookedPush<'a> {
    pub(crate) fn new(
        view: &'a Arc<dyn Snapshot>,
        quarantine: Option<&'a Path>,
        push_options: Option<&'a [BString]>,
        context: &'a Context,
    ) -> Self {
        HookedPush { view, quarantine, push_options, certificate: None, context }
    }

    /// Says something to the person who pushes; line ends are the caller's.
    pub fn say(&self, text: &[u8]) {
        self.context.remote_message(text);
    }

    /// For whoever works long: whether to go on.
    pub fn context(&self) -> &'a Context {
        self.context
    }
}

/// A hook said no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declined {
    /// What the status of the ref says in place of git's own words; one short line.
    pub reason: Option<BString>,
}

impl Declined {
    /// With a reason of its own.
    pub fn because(reason: impl Into<BString>) -> Self {
        Declined { reason: Some(reason.into()) }
    }
}

/// The hooks around a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PushHook {
    /// [`PushHooks::pre_receive`].
    PreReceive,
    /// [`PushHooks::update`].
    Update,
    /// [`PushHooks::post_receive`].
    PostReceive,
    /// [`PushHooks::post_update`].
    PostUpdate,
    /// [`PushHooks::push_to_checkout`].
    PushToCheckout,
}

impl PushHook {
    /// The name of its executable.
    pub const fn name(self) -> &'static str {
        match self {
            PushHook::PreReceive => "pre-receive",
            PushHook::Update => "update",
            PushHook::PostReceive => "post-receive",
            PushHook::PostUpdate => "post-update",
            PushHook::PushToCheckout => "push-to-checkout",
        }
    }
}

/// When what was received becomes part of the repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Timing {
    /// Together with the refs: hooks find it in [`HookedPush::view`] only.
    #[default]
    WithRefs,
    /// Once [`PushHooks::pre_receive`] has let it pass, as in git: hooks that are programs then find it where all
    /// objects are.
    AfterPreReceive,
}

/// Is asked and told about pushes. Every method does nothing unless it is implemented.
///
/// All of them run where they may block.
pub trait PushHooks: Send + Sync {
    /// Whether this hook has anything to say at present. Where no one has, updates of many refs are made at once.
    fn has(&self, _hook: PushHook) -> bool {
        true
    }

    /// When what was received becomes part of the repository.
    fn timing(&self) -> Timing {
        Timing::default()
    }

    /// Everything has been received and hangs together. `commands` are those that nothing was found against.
    ///
    /// # Errors
    /// [`Declined`] refuses them all.
    fn pre_receive(&self, _push: &HookedPush<'_>, _commands: &[Command]) -> Result<(), Declined> {
        Ok(())
    }

    /// One ref is about to be updated.
    ///
    /// # Errors
    /// [`Declined`] refuses this one, and with it all of an atomic push.
    fn update(&self, _push: &HookedPush<'_>, _command: &Command) -> Result<(), Declined> {
        Ok(())
    }

    /// Brings the working tree to a commit that the branch it shows is about to get, instead of the way that is
    /// built in. `None` leaves it to that.
    fn push_to_checkout(
        &self,
        _push: &HookedPush<'_>,
        _tree: &WorkTree,
        _commit: &ObjectId,
    ) -> Option<Result<(), Declined>> {
        None
    }

    /// Carries out these commands in the place of the server, and says of each what became of it. Not asked about
    /// any others than the policy of the server names (`receive.procReceiveRefs`).
    ///
    /// # Errors
    /// [`Declined`] when it cannot.
    fn proc_receive(
        &self,
        _push: &HookedPush<'_>,
        _commands: &[Command],
        _atomic: bool,
    ) -> Result<Vec<Processed>, Declined> {
        Err(Declined::default())
    }

    /// These commands were carried out.
    fn post_receive(&self, _push: &HookedPush<'_>, _commands: &[Command]) {}

    /// These refs were updated.
    fn post_update(&self, _push: &HookedPush<'_>, _names: &[RefName]) {}
}
