//! Takes in the pack of a push, out of everybody's sight.

use super::receive::{ReceivePolicy, refused};
use git_core_object::Context;
use git_core_store::{PackOptions, Quarantine, ReceiveError, Snapshot, Storage};
use git_core_transport::server::{PackSink, Received, Refusal, RefusalKind};
use std::any::Any;
use std::sync::Arc;

/// A quarantine that a pack is fed into.
pub(super) struct QuarantineSink {
    quarantine: Box<dyn Quarantine>,
    max_bytes: Option<u64>,
    taken: u64,
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
        quarantine.begin_pack(&options)?;
        Ok(QuarantineSink { quarantine, max_bytes: policy.max_input_bytes, taken: 0 })
    }

    /// The quarantine that a sink like this has handed over.
    pub(super) fn into_quarantine(state: Box<dyn Any + Send>) -> Option<Box<dyn Quarantine>> {
        state.downcast::<Box<dyn Quarantine>>().ok().map(|quarantine| *quarantine)
    }
}

impl PackSink for QuarantineSink {
    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, Refusal> {
        let taken = self.quarantine.feed(bytes, cx).map_err(refused)?;
        self.taken += taken as u64;
        if let Some(max) = self.max_bytes.filter(|max| self.taken > *max) {
            return Err(Refusal::new(
                RefusalKind::Limit,
                format!("pack exceeds maximum allowed size ({max} bytes; see receive.maxInputSize)"),
            ));
        }
        Ok(taken)
    }

    fn is_complete(&self) -> bool {
        self.quarantine.is_complete()
    }

    fn finish(mut self: Box<Self>, cx: &Context) -> Result<Received, Refusal> {
        let pack = self.quarantine.finish_pack(cx).map_err(refused)?;
        Ok(Received { objects: pack.objects, state: Box::new(self.quarantine) })
    }
}
