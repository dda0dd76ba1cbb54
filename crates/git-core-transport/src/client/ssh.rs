//! ssh, by the program of that name: how it is called, and how the path is quoted for the remote shell.

use super::child::{Complaints, spawn};
use super::stateful::Stateful;
use super::{ConnectOptions, SshProgram, TransportError};
use crate::url::{GitUrl, UrlError};
use bstr::ByteSlice as _;
use git_core_protocol::{ProtocolVersion, Service};
use std::ffi::{OsStr, OsString};
use std::process::Command;

pub(super) fn connect(
    url: &GitUrl,
    service: Service,
    options: &ConnectOptions,
) -> Result<(Stateful, Complaints), TransportError> {
    spawn(command(url, service, options)?, options.idle_timeout)
}

/// `ssh [-o SendEnv=GIT_PROTOCOL] [-p port] [user@]host "git-upload-pack '/path'"`.
fn command(url: &GitUrl, service: Service, options: &ConnectOptions) -> Result<Command, TransportError> {
    let destination = match url.user() {
        Some(user) => format!("{user}@{}", url.host()),
        None => url.host().to_owned(),
    };
    // Whatever the address went through before: nothing that looks like an option gets past here.
    if destination.starts_with('-') {
        return Err(UrlError::StrangeHost(destination).into());
    }
    if url.path().starts_with(b"-") {
        return Err(UrlError::StrangePath(url.path().to_string()).into());
    }
    let mut arguments = Vec::<OsString>::new();
    if options.version != ProtocolVersion::V0 {
        arguments.extend(["-o".into(), "SendEnv=GIT_PROTOCOL".into()]);
    }
    if let Some(port) = url.port() {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    let program = match service {
        Service::UploadPack => &options.upload_pack,
        Service::ReceivePack => &options.receive_pack,
        Service::UploadArchive => &options.upload_archive,
    };
    let mut remote = program.clone();
    remote.push(" ");
    remote.push(quote(url.path()).to_os_str().map_err(|_| UrlError::StrangePath(url.path().to_string()))?);
    arguments.extend([destination.into(), remote]);
    let mut command = match &options.ssh {
        SshProgram::Program(program) => Command::new(program),
        SshProgram::Shell(line) => shell(line),
    };
    command.args(arguments);
    match options.version {
        ProtocolVersion::V0 => command.env_remove("GIT_PROTOCOL"),
        version => command.env("GIT_PROTOCOL", format!("version={}", version.number())),
    };
    Ok(command)
}

/// A shell that runs `line` with the arguments that are added.
fn shell(line: &OsStr) -> Command {
    let mut command = Command::new("sh");
    let mut script = line.to_owned();
    script.push(" \"$@\"");
    command.arg("-c").arg(script).arg(line);
    command
}

/// The path in single quotes; quotes and exclamation marks inside are led out of them, as git does it.
fn quote(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in path {
        match byte {
            b'\'' | b'!' => quoted.extend([b'\'', b'\\', byte, b'\'']),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(address: &str, options: &ConnectOptions) -> Vec<String> {
        let command = command(&GitUrl::parse(address).unwrap(), Service::UploadPack, options).unwrap();
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn command_lines() {
        let mut options = ConnectOptions::default();
        assert_eq!(
            words("ssh://me@h:22/a b", &options),
            ["ssh", "-o", "SendEnv=GIT_PROTOCOL", "-p", "22", "me@h", "git-upload-pack '/a b'"]
        );
        options.version = ProtocolVersion::V0;
        assert_eq!(words("h:it's", &options), ["ssh", "h", r"git-upload-pack 'it'\''s'"]);
        options.ssh = SshProgram::Shell("ssh -i key".into());
        assert_eq!(
            words("h:~x!", &options),
            ["sh", "-c", "ssh -i key \"$@\"", "ssh -i key", "h", r"git-upload-pack '~x'\!''"]
        );
    }

    #[test]
    fn the_shell_gives_back_what_was_quoted() {
        for path in ["a b", "it's", "!!", "$(x)`y`\\", "'", "ö;|&", ""] {
            let script = format!("printf %s {}", quote(path.as_bytes()).to_str_lossy());
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(output.stdout, path.as_bytes());
        }
    }
}
