//! Takes in the pack of a push, out of everybody's sight.

use super::policy::{ReceivePolicy, Words};
use super::receive::refused;
use git_core_object::Context;
use git_core_store::{PackOptions, Quarantine, ReceiveError, Snapshot, Storage};
use git_core_transport::server::{PackSink, Received, Refusal, RefusalKind};
use std::any::Any;
use std::sync::Arc;

/// Magic, version and count: the bytes before the first entry of a pack.
const HEADER: usize = 12;

/// A quarantine that a pack is fed into.
pub(super) struct QuarantineSink {
    quarantine: Box<dyn Quarantine>,
    policy: ReceivePolicy,
    taken: u64,
    header: Vec<u8>,
}

impl QuarantineSink {
    pub(super) fn open(
        storage: &dyn Storage,
        snapshot: &Arc<dyn Snapshot>,
        policy: &ReceivePolicy,
    ) -> Result<Self, ReceiveError> {
        let mut quarantine = storage.receive(snapshot)?;
        let mut options = PackOptions::default();
        options.unpack_below = policy.unpack_below;
        options.observer.clone_from(&policy.observer);
        if let Some(fsck) = &policy.fsck {
            options.observer = Some(fsck.clone());
        }
        quarantine.begin_pack(&options)?;
        Ok(QuarantineSink { quarantine, policy: policy.clone(), taken: 0, header: Vec::new() })
    }

    /// The quarantine that a sink like this has handed over.
    pub(super) fn into_quarantine(state: Box<dyn Any + Send>) -> Option<Box<dyn Quarantine>> {
        state.downcast::<Box<dyn Quarantine>>().ok().map(|quarantine| *quarantine)
    }

    /// Whether git would have given the pack to `unpack-objects`.
    fn is_small(&self) -> bool {
        let count =
            self.header.get(8..HEADER).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        count.is_some_and(|count| u64::from(count) < self.policy.unpack_below)
    }

    /// A refusal in git's words: why in a message, and which of its programs would have said it.
    fn failed(&self, why: &str, refusal: Refusal, cx: &Context) -> Refusal {
        if self.policy.words == Words::Telling {
            return refusal;
        }
        self.tell_findings(cx);
        cx.remote_message(format!("fatal: {why}\n").as_bytes());
        let program = if self.is_small() { "unpack-objects" } else { "index-pack" };
        Refusal::new(refusal.kind(), format!("{program} abnormal exit"))
    }

    fn refused(&self, error: ReceiveError, cx: &Context) -> Refusal {
        let why = match &self.policy.fsck {
            Some(fsck) if fsck.has_refused() => "fsck error in packed object".to_owned(),
            _ => error.to_string(),
        };
        self.failed(&why, refused(error), cx)
    }

    fn tell_findings(&self, cx: &Context) {
        if let Some(fsck) = &self.policy.fsck {
            cx.remote_message(&fsck.take_lines());
        }
    }
}

impl PackSink for QuarantineSink {
    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, Refusal> {
        let missing = HEADER.saturating_sub(self.header.len()).min(bytes.len());
        self.header.extend_from_slice(&bytes[..missing]);
        let taken = self.quarantine.feed(bytes, cx).map_err(|error| self.refused(error, cx))?;
        self.taken += taken as u64;
        if let Some(max) = self.policy.max_input_bytes.filter(|max| self.taken > *max) {
            let text = format!("pack exceeds maximum allowed size ({max} bytes; see receive.maxInputSize)");
            let why = match self.is_small() {
                true => "pack exceeds maximum allowed size".to_owned(),
                false => format!("pack exceeds maximum allowed size ({})", human(max)),
            };
            return Err(self.failed(&why, Refusal::new(RefusalKind::Limit, text), cx));
        }
        Ok(taken)
    }

    fn is_complete(&self) -> bool {
        self.quarantine.is_complete()
    }

    fn finish(mut self: Box<Self>, cx: &Context) -> Result<Received, Refusal> {
        let pack = match self.quarantine.finish_pack(cx) {
            Ok(pack) => pack,
            Err(error) => return Err(self.refused(error, cx)),
        };
        if let Some(fsck) = &self.policy.fsck {
            let view = self.quarantine.snapshot().map_err(super::session::refusal)?;
            let pass = fsck.finish(&*view).map_err(super::session::refusal)?;
            if !pass {
                let why = "fsck error in pack objects";
                return Err(self.failed(why, Refusal::new(RefusalKind::Invalid, why), cx));
            }
            self.tell_findings(cx);
        }
        Ok(Received { objects: pack.objects, state: Box::new(self.quarantine) })
    }
}

/// A number of bytes for people, as git writes it.
fn human(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 1 << shift {
            let hundredths = (u128::from(bytes) * 100) >> shift;
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
    }
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}
