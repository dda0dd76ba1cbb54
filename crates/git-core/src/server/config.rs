//! What a repository's own configuration says about serving it: git's `uploadpack.*`, `receive.*`, `transfer.*`.

use super::archives::ArchivePolicy;
use super::filters::FilterPolicy;
use super::fsck::{FsckChecks, Wanted};
use super::haves::AlternateTips;
use super::policy::{CurrentBranch, DeleteCurrent, Permission, ShallowPush, Words};
use super::session::SessionOptions;
use super::trees::work_trees;
use super::{HiddenRefs, PackHook, SignedPushes};
use crate::Repository;
use crate::hooks::PushHooks;
use crate::send::WholePacks;
use crate::signing::SigningPrograms;
use bstr::{BString, ByteSlice as _};
use git_core_protocol::server::WantPolicy;
use git_core_store::config::{Config, ConfigEntry, ConfigError};
use git_core_store::walk::CountOptions;
use std::sync::Arc;
use std::time::Duration;

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
    if allowed("uploadpack.advertiseBundleURIs")? {
        let of_bundles = config.entries().iter().filter(|entry| entry.key().starts_with(b"bundle."));
        let line = |entry: &ConfigEntry| {
            let value: &[u8] = entry.to_text().map_or(&b""[..], |text| text.as_bytes());
            BString::from([entry.key().as_bytes(), b"=", value].concat())
        };
        options.upload.bundle_uris = Some(Arc::new(of_bundles.map(line).collect()));
    }
    options.archives = ArchivePolicy::Give;
    options.repository = Some(repository.clone());
    options.upload.filter = allowed("uploadpack.allowFilter")?;
    options.upload.sideband_all = allowed("uploadpack.allowSidebandAll")?;
    options.upload.ref_in_want = allowed("uploadpack.allowRefInWant")?;
    options.upload.object_info = allowed("transfer.advertiseObjectInfo")?;
    options.filters = FilterPolicy::of(config)?;
    if config.bool("pack.useBitmaps")?.unwrap_or(true) {
        options.send.count = CountOptions::with_bitmap();
    }
    // What the repository itself says does not count: whoever made it would have a program run by who serves it.
    if let Some(entry) = config.get_protected("uploadpack.packObjectsHook").next_back()
        && let (Some(_), Some(git_dir)) = (repository.hooks(), repository.git_dir())
    {
        let command = crate::hooks::os_string(entry.to_text()?);
        options.pack_hook = Some(PackHook { command, directory: git_dir.to_path_buf() });
    }
    // `single` and `multi` say how many packs may be copied from; there is no difference here.
    if let Some(entry) = config.get("pack.allowPackReuse")
        && !entry.to_text().is_ok_and(|text| text == "single" || text == "multi")
        && !entry.to_bool()?
    {
        options.send.whole = WholePacks::Rewrite;
    }

    let namespace = repository.namespace().clone();
    options.hidden = HiddenRefs::configured(config, "uploadpack.hiderefs", namespace.prefix())?;
    options.receive_hidden = HiddenRefs::configured(config, "receive.hiderefs", namespace.prefix())?;
    options.namespace = namespace.clone();
    options.alternates = Some(AlternateTips::of(repository)?);
    if config.bool("transfer.advertiseSID")?.unwrap_or(false) {
        let id = crate::session_id();
        options.upload.session_id = Some(id.clone());
        options.receive.session_id = Some(id);
    }
    options.receive_keep_alive = seconds(config, "receive.keepAlive")?;
    options.upload_keep_alive = seconds(config, "uploadpack.keepAlive")?;
    options.receive.atomic = config.bool("receive.advertiseAtomic")?.unwrap_or(true);
    options.receive.push_options = config.bool("receive.advertisePushOptions")?.unwrap_or(false);
    options.receive.ofs_delta = config.bool("repack.useDeltaBaseOffset")?.unwrap_or(true);

    let policy = &mut options.policy;
    let denied = |key: &str| -> Result<Permission, ConfigError> {
        Ok(if config.bool(key)?.unwrap_or(false) { Permission::Deny } else { Permission::Allow })
    };
    policy.deletes = denied("receive.denyDeletes")?;
    policy.non_fast_forwards = denied("receive.denyNonFastForwards")?;
    let trees = work_trees(repository);
    if !trees.is_empty() {
        policy.current_branch = match denied_by(config, "receive.denyCurrentBranch")? {
            Deny::Ignore => CurrentBranch::Allow,
            Deny::Warn => CurrentBranch::Warn,
            Deny::Refuse => CurrentBranch::Refuse,
            Deny::UpdateInstead => CurrentBranch::UpdateInstead,
            Deny::Unsaid => CurrentBranch::RefuseAndAdvise,
        };
    }
    policy.delete_current = match denied_by(config, "receive.denyDeleteCurrent")? {
        Deny::Ignore => DeleteCurrent::Allow,
        Deny::Warn => DeleteCurrent::Warn,
        Deny::Refuse | Deny::UpdateInstead => DeleteCurrent::Refuse,
        Deny::Unsaid => DeleteCurrent::RefuseAndAdvise,
    };
    for entry in config.get_all("receive.procReceiveRefs") {
        policy.proc_receive.add(entry.to_text()?);
    }
    policy.work_trees = Some(trees);
    policy.plain_links = config.bool("core.symlinks")? == Some(false);
    policy.words = Words::OfGit;
    policy.hidden = HiddenRefs::configured(config, "receive.hiderefs", namespace.prefix())?;
    match FsckChecks::configured(repository)? {
        Wanted::Nothing => {}
        Wanted::Checks(checks) => policy.fsck = Some(Arc::from(checks)),
        Wanted::Senseless(why) => options.unusable = Some(why),
    }
    if config.bool("receive.updateServerInfo")?.unwrap_or(false) {
        let repository = repository.clone();
        policy.afterwards = Some(Arc::new(move || update_server_info(&repository)));
    }
    if let Some(hooks) = repository.hooks() {
        policy.notice = hooks.notice().clone();
    }
    policy.hooks = repository.hooks().map(|hooks| Arc::new(hooks.clone()) as Arc<dyn PushHooks>);
    if let Some(seed) = config.text("receive.certNonceSeed")? {
        let mut signed = SignedPushes::new(seed.to_owned());
        signed.slop = config.int("receive.certNonceSlop")?.map_or(0, |slop| slop.unsigned_abs());
        options.signed = Some(signed);
    }
    // Like hooks, these are programs that the repository names.
    if let Some(hooks) = repository.hooks() {
        let mut programs = SigningPrograms::of(config)?;
        programs.directory = repository.git_dir().map(std::path::Path::to_path_buf);
        programs.notice = hooks.notice().clone();
        policy.signatures = Some(programs);
    }
    if config.bool("receive.shallowUpdate")? == Some(true) {
        policy.shallow_update = ShallowPush::Accept;
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

/// How often an idle client hears something: the variable in seconds, of which 0 means never; else 5.
fn seconds(config: &Config, key: &str) -> Result<Duration, ConfigError> {
    Ok(match config.int(key)? {
        None => Duration::from_secs(5),
        Some(..=0) => Duration::from_secs(u32::MAX.into()),
        Some(seconds) => Duration::from_secs(seconds.unsigned_abs().min(u32::MAX.into())),
    })
}

fn update_server_info(repository: &Repository) {
    if let Some(storage) = repository.on_disk()
        && let Err(error) = git_core_store::maintenance::update_server_info(storage)
    {
        tracing::warn!(%error, "the files of dumb transports could not be written");
    }
}

/// What a variable of the kind `receive.deny…` can say.
enum Deny {
    /// It is not set.
    Unsaid,
    Ignore,
    Warn,
    Refuse,
    UpdateInstead,
}

fn denied_by(config: &Config, key: &str) -> Result<Deny, ConfigError> {
    let Some(entry) = config.get(key) else { return Ok(Deny::Unsaid) };
    let text = entry.to_text().map(|text| text.to_ascii_lowercase());
    Ok(match text.as_deref() {
        Ok(b"ignore") => Deny::Ignore,
        Ok(b"warn") => Deny::Warn,
        Ok(b"refuse") => Deny::Refuse,
        Ok(b"updateinstead") => Deny::UpdateInstead,
        _ if entry.to_bool()? => Deny::Refuse,
        _ => Deny::Ignore,
    })
}
