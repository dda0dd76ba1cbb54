//! `uploadpack.packObjectsHook`: a program in the place of `git pack-objects`, which makes the packs that are sent.

use super::shallow;
use git_core_object::Context;
use git_core_protocol::server::PackRequest;
use git_core_store::Snapshot;
use git_core_transport::server::{PackStream, Refusal, RefusalKind};
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

/// The command of the shell that makes packs, and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackHook {
    /// The command, to which `git pack-objects` and its arguments are added.
    pub command: OsString,
    /// The git directory.
    pub directory: PathBuf,
}

impl PackHook {
    /// Starts the command for what a client asks for.
    pub(super) fn start(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        request: &PackRequest,
        cx: &Context,
    ) -> Result<Box<dyn PackStream>, Refusal> {
        let cut = shallow::cut(snapshot.clone(), request).map_err(super::session::refusal)?;
        let is_shallow = !request.client_shallow.is_empty() || !request.shallow.is_empty();
        let mut line = self.command.clone();
        line.push(" \"$@\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line).arg(&self.command).arg("git");
        if is_shallow {
            shell.args(["--shallow-file", ""]);
        }
        shell.args(["pack-objects", "--revs"]);
        for (given, argument) in [
            (request.thin, "--thin"),
            (true, "--stdout"),
            (is_shallow, "--shallow"),
            (request.progress, "--progress"),
            (request.ofs_delta, "--delta-base-offset"),
            (request.include_tag, "--include-tag"),
        ] {
            if given {
                shell.arg(argument);
            }
        }
        if let Some(filter) = &request.filter {
            shell.arg(crate::hooks::os_string(&[b"--filter=", filter.as_slice()].concat()));
        }
        shell.current_dir(&self.directory).env("GIT_DIR", ".").env("GIT_NO_LAZY_FETCH", "1");
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());

        let mut input = Vec::new();
        for id in request.client_shallow.iter().chain(&request.shallow.shallow) {
            input.extend_from_slice(format!("--shallow {id}\n").as_bytes());
        }
        let lines = |input: &mut Vec<u8>, ids: &[git_core_object::ObjectId]| {
            ids.iter().for_each(|id| input.extend_from_slice(format!("{id}\n").as_bytes()));
        };
        lines(&mut input, &cut.wants);
        input.extend_from_slice(b"--not\n");
        lines(&mut input, &cut.haves);
        input.push(b'\n');

        let mut child = shell.spawn().map_err(Refusal::internal)?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(mut stderr)) = taken else {
            return Err(Refusal::internal(io::Error::from(io::ErrorKind::BrokenPipe)));
        };
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        let cx = cx.clone();
        let talk = std::thread::spawn(move || {
            let mut piece = vec![0; 8 << 10];
            while let Ok(count @ 1..) = stderr.read(&mut piece) {
                cx.remote_message(&piece[..count]);
            }
        });
        Ok(Box::new(HookedPack { child, stdout, talk: Some(talk) }))
    }
}

/// A pack that a program writes.
struct HookedPack {
    child: Child,
    stdout: ChildStdout,
    talk: Option<std::thread::JoinHandle<()>>,
}

impl PackStream for HookedPack {
    fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, Refusal> {
        cx.check().map_err(Refusal::from)?;
        let start = out.len();
        out.resize(start + (32 << 10), 0);
        let count = loop {
            match self.stdout.read(&mut out[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(Refusal::internal)?,
            }
        };
        out.truncate(start + count);
        if count > 0 {
            return Ok(ControlFlow::Continue(()));
        }
        drop(self.talk.take().map(std::thread::JoinHandle::join));
        match self.child.wait() {
            Ok(status) if status.success() => Ok(ControlFlow::Break(())),
            other => {
                tracing::error!(outcome = ?other, "uploadpack.packObjectsHook failed");
                Err(Refusal::new(
                    RefusalKind::Internal,
                    "upload-pack: aborting due to possible repository corruption on the remote side.",
                ))
            }
        }
    }
}

impl Drop for HookedPack {
    fn drop(&mut self) {
        // A client that leaves early has no use for the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
