//! What a repository's own configuration says about serving it: git's `uploadpack.*`, `receive.*`, `transfer.*`.

use super::receive::{CurrentBranch, DeleteCurrent, Permission};
use super::session::SessionOptions;
use crate::Repository;
use crate::send::WholePacks;
use git_core_protocol::server::WantPolicy;
use git_core_store::config::{Config, ConfigError};
use git_core_store::walk::CountOptions;
use std::sync::Arc;

/// The terms that git's own upload-pack and receive-pack would serve this repository on.
///
/// # Errors
/// [`ConfigError`] when a variable makes no sense.
pub fn session_options(repository: &Repository) -> Result<SessionOptions, ConfigError> {
    let config = repository.config();
    let mut options = SessionOptions::default();
    let allowed = |key: &str| Ok::<_, ConfigError>(config.bool(key)?.unwrap_or(false));
    options.upload.wants = if allowed("uploadpack.allowAnySHA1InWant")? {
        WantPolicy::Any
    } else if allowed("uploadpack.allowReachableSHA1InWant")? {
        WantPolicy::Reachable
    } else if allowed("uploadpack.allowTipSHA1InWant")? {
        WantPolicy::Tip
    } else {
        WantPolicy::Advertised
    };
    options.upload.unborn = match config.text("lsrefs.unborn")?.map(|text| text.to_ascii_lowercase()) {
        Some(text) => text != b"ignore",
        None => true,
    };
    if config.bool("pack.useBitmaps")?.unwrap_or(true) {
        options.send.count = CountOptions::with_bitmap();
    }
    // `single` and `multi` say how many packs may be copied from; there is no difference here.
    if let Some(entry) = config.get("pack.allowPackReuse")
        && !entry.to_text().is_ok_and(|text| text == "single" || text == "multi")
        && !entry.to_bool()?
    {
        options.send.whole = WholePacks::Rewrite;
    }

    options.receive.atomic = config.bool("receive.advertiseAtomic")?.unwrap_or(true);
    options.receive.push_options = config.bool("receive.advertisePushOptions")?.unwrap_or(false);
    options.receive.ofs_delta = config.bool("repack.useDeltaBaseOffset")?.unwrap_or(true);

    let policy = &mut options.policy;
    let denied = |key: &str| -> Result<Permission, ConfigError> {
        Ok(if config.bool(key)?.unwrap_or(false) { Permission::Deny } else { Permission::Allow })
    };
    policy.deletes = denied("receive.denyDeletes")?;
    policy.non_fast_forwards = denied("receive.denyNonFastForwards")?;
    if repository.work_tree().is_some() && refuses(config, "receive.denyCurrentBranch")? {
        policy.current_branch = CurrentBranch::Refuse;
    }
    if !refuses(config, "receive.denyDeleteCurrent")? {
        policy.delete_current = DeleteCurrent::Allow;
    }
    policy.unpack_below = unpack_limit(config, "receive.unpackLimit")?;
    policy.max_input_bytes =
        config.int("receive.maxInputSize")?.and_then(|bytes| u64::try_from(bytes).ok()).filter(|n| *n > 0);
    let who = repository.clone();
    policy.committer = Some(Arc::new(move || who.committer_line().unwrap_or_default()));
    if repository.committer_line().is_none() {
        policy.committer = None;
    }
    Ok(options)
}

/// Packs of fewer objects are stored object by object: the variable given, else `transfer.unpackLimit`, else 100.
fn unpack_limit(config: &Config, key: &str) -> Result<u64, ConfigError> {
    let limit = match config.int(key)? {
        Some(limit) => Some(limit),
        None => config.int("transfer.unpackLimit")?,
    };
    Ok(limit.map_or(100, |limit| u64::try_from(limit).unwrap_or(0)))
}

/// `refuse` is the default; `ignore`, `warn` and false let the update pass.
fn refuses(config: &Config, key: &str) -> Result<bool, ConfigError> {
    let Some(entry) = config.get(key) else { return Ok(true) };
    Ok(match entry.to_text().map(|text| text.to_ascii_lowercase()) {
        Ok(text) if text == b"ignore" || text == b"warn" => false,
        Ok(text) if text == b"refuse" || text == b"updateinstead" => true,
        _ => entry.to_bool()?,
    })
}
