//! What a session is called in logs, on either side.

use std::sync::atomic::{AtomicU32, Ordering};

/// An id that no other session has, in the form of git's: time, host, process (`transfer.advertiseSID`).
pub fn session_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = jiff::Timestamp::now();
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    format!("{}-H{:08x}-P{pid:08x}", now.strftime("%Y%m%dT%H%M%S.%6fZ"), nth)
}
