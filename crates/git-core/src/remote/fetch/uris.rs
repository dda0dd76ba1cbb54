//! Parts of a pack that a remote keeps elsewhere (`packfile-uris`): which protocols they may come by, and taking them in.

use crate::remote::RemoteError;
use bstr::{BString, ByteSlice as _};
use git_core_object::{BoxError, Context};
use git_core_store::config::{Config, ConfigError};
use git_core_store::{PackOptions, Quarantine};
use git_core_transport::client::{ConnectOptions, PackUri, download};

/// The protocols that the configuration allows and that are known here (`fetch.uriProtocols`).
pub(super) fn protocols(config: &Config) -> Result<Vec<BString>, ConfigError> {
    let Some(list) = config.text("fetch.uriProtocols")? else { return Ok(Vec::new()) };
    let known = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    Ok(known.filter(|name| matches!(*name, b"http" | b"https")).map(BString::from).collect())
}

/// Fetches one part into the quarantine of the fetch. It must come by one of these protocols and be the pack that the
/// remote has named.
pub(super) fn receive(
    part: &PackUri,
    protocols: &[BString],
    options: &PackOptions,
    quarantine: &mut dyn Quarantine,
    cx: &Context,
) -> Result<(), RemoteError> {
    let failed = |why: &str| RemoteError::PackUri { uri: part.uri.clone(), reason: why.to_owned() };
    let (scheme, _) = part.uri.split_once_str("://").ok_or_else(|| failed("it is no address"))?;
    if !protocols.iter().any(|one| one == scheme) {
        return Err(failed("this protocol was not asked for"));
    }
    let uri = part.uri.to_str().map_err(|_| failed("it is no address"))?;
    let mut options = options.clone();
    options.unpack_below = 0;
    quarantine.begin_pack(&options)?;
    let mut sink = |bytes: &[u8]| -> Result<(), BoxError> {
        match quarantine.feed(bytes, cx)? {
            taken if taken < bytes.len() => Err("there is more than a pack".into()),
            _ => Ok(()),
        }
    };
    download(uri, &ConnectOptions::default(), &mut sink, cx)?;
    let received = quarantine.finish_pack(cx)?;
    if received.checksum != part.checksum {
        return Err(failed(&format!("its checksum is {}, not {}", received.checksum, part.checksum)));
    }
    Ok(())
}
