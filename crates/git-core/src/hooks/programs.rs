//! The executables of a repository as hooks: which there are, and what each of them is told.

use super::proc_receive::{self, Processed};
use super::program::{Found, HookNotice, Program, find};
use super::push::{Declined, HookedPush, PushHook, PushHooks, Timing};
use crate::server::{NonceStatus, WorkTree};
use git_core_object::{BoxError, ObjectFormat, ObjectId};
use git_core_protocol::server::Command;
use git_core_ref::{RefName, Target};
use git_core_store::config::{Config, ConfigError};
use git_core_store::fs::layout::Layout;
use git_core_store::fs::refs::{HookedEdit, RefsHook, TransactionPhase};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The executables below `hooks`, or where `core.hooksPath` says. Cheap to clone.
///
/// Hooks of a push run in the git directory with `GIT_DIR=.`; what they print goes to the client. The hook
/// `reference-transaction` of any other command runs at the top of the working tree, and prints where this
/// process does.
#[derive(Clone)]
pub struct HookPrograms {
    shared: Arc<Shared>,
    /// Whether this is a repository that a peer has entered, rather than one that a command works in.
    served: bool,
}

struct Shared {
    /// `core.hooksPath`, where it is set.
    configured: Option<PathBuf>,
    layout: Layout,
    format: ObjectFormat,
    /// Whether to say that a hook is not executable (`advice.ignoredHook`).
    advice: bool,
    notice: HookNotice,
    /// The hooks that this was said of.
    told: Mutex<HashSet<&'static str>>,
}

impl fmt::Debug for HookPrograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookPrograms").field("git_dir", &self.shared.layout.git_dir).finish_non_exhaustive()
    }
}

const TRANSACTION: &str = "reference-transaction";
const PROC_RECEIVE: &str = "proc-receive";

impl HookPrograms {
    /// The hooks of the repository that lies there.
    ///
    /// # Errors
    /// [`ConfigError`] when `core.hooksPath` or `advice.ignoredHook` make no sense.
    pub fn new(layout: &Layout, config: &Config, notice: HookNotice) -> Result<Self, ConfigError> {
        let configured = config.path("core.hooksPath")?;
        let advice = config.bool("advice.ignoredHook")?.unwrap_or(true);
        let format = layout.object_format();
        let mut layout = layout.clone();
        for path in [&mut layout.git_dir, &mut layout.common_dir, &mut layout.objects_dir] {
            *path = real(path);
        }
        layout.work_tree = layout.work_tree.as_deref().map(real);
        let shared = Shared { configured, layout, format, advice, notice, told: Mutex::default() };
        Ok(HookPrograms { shared: Arc::new(shared), served: false })
    }

    /// The same hooks for a repository that a peer has entered.
    #[must_use]
    pub fn served(&self) -> Self {
        HookPrograms { shared: self.shared.clone(), served: true }
    }

    /// Takes what is to be said to whoever runs this program.
    pub(crate) fn notice(&self) -> &HookNotice {
        &self.shared.notice
    }

    /// Where hooks run.
    fn place(&self) -> &Path {
        let layout = &self.shared.layout;
        match &layout.work_tree {
            Some(top) if !self.served => top,
            _ => &layout.git_dir,
        }
    }

    /// The path of a hook as git writes it, from where hooks run.
    fn path(&self, name: &str) -> PathBuf {
        match &self.shared.configured {
            Some(directory) => directory.join(name),
            None => {
                let path = self.shared.layout.common_dir.join("hooks").join(name);
                path.strip_prefix(self.place()).map(Path::to_path_buf).unwrap_or(path)
            }
        }
    }

    /// The hook of this name, if it is there and may be executed.
    fn find(&self, name: &'static str) -> Option<PathBuf> {
        let shared = &*self.shared;
        let place = self.place();
        let path = self.path(name);
        match find(&place.join(&path)) {
            Found::Executable => Some(path),
            Found::Nothing => None,
            Found::Plain => {
                let mut told = shared.told.lock().unwrap_or_else(PoisonError::into_inner);
                if shared.advice && told.insert(name) {
                    shared.notice.say(&format!(
                        "hint: The '{}' hook was ignored because it's not set as executable.\n\
                         hint: You can disable this warning with `git config advice.ignoredHook false`.",
                        path.display()
                    ));
                }
                None
            }
        }
    }

    fn program(&self, path: PathBuf) -> Program {
        let layout = &self.shared.layout;
        let mut variables = Vec::new();
        if self.served {
            variables.push(("GIT_DIR".into(), Some(".".into())));
        } else if layout.work_tree.as_ref().is_none_or(|top| layout.git_dir != top.join(".git")) {
            variables.push(("GIT_DIR".into(), Some(layout.git_dir.clone().into())));
        }
        let directory = self.place().to_path_buf();
        Program { path, directory, arguments: Vec::new(), variables, input: Vec::new() }
    }

    /// Runs the hook `pre-push` of a repository that pushes: what it is told are lines of a ref here, its value, a
    /// ref there and its value. Whether the push may go on.
    pub fn pre_push(&self, remote: &[u8], url: &[u8], lines: &[u8]) -> bool {
        let Some(path) = self.find("pre-push") else { return true };
        let mut program = self.program(path);
        program.arguments = vec![os_string(remote), os_string(url)];
        program.input = lines.to_vec();
        program.run_along().is_ok_and(|status| status.success())
    }

    /// Runs a hook of a push, if it is there; whether it was content.
    fn run(&self, hook: PushHook, push: &HookedPush<'_>, prepare: impl FnOnce(&mut Program)) -> Option<bool> {
        let mut program = self.program(self.find(hook.name())?);
        prepare(&mut program);
        match program.run(&mut |text| push.say(text)) {
            Ok(status) => Some(status.success()),
            Err(error) => {
                self.shared.notice.say(&format!("error: cannot run {}: {error}", program.path.display()));
                Some(false)
            }
        }
    }

    /// What the hooks that receive lines are told beside them.
    fn announce(&self, push: &HookedPush<'_>, program: &mut Program) {
        let variables = &mut program.variables;
        if let Some(quarantine) = push.quarantine {
            let quarantine = real(quarantine);
            let layout = &self.shared.layout;
            let others = std::iter::once(&layout.objects_dir).chain(&layout.alternates);
            let others =
                std::env::join_paths(others).unwrap_or_else(|_| layout.objects_dir.clone().into_os_string());
            variables.push(("GIT_QUARANTINE_PATH".into(), Some(quarantine.clone().into())));
            variables.push(("GIT_OBJECT_DIRECTORY".into(), Some(quarantine.into())));
            variables.push(("GIT_ALTERNATE_OBJECT_DIRECTORIES".into(), Some(others)));
        }
        match push.push_options {
            Some(options) => {
                for (at, option) in options.iter().enumerate() {
                    let value = os_string(option);
                    variables.push((format!("GIT_PUSH_OPTION_{at}").into(), Some(value)));
                }
                let count = options.len().to_string();
                variables.push(("GIT_PUSH_OPTION_COUNT".into(), Some(count.into())));
            }
            None => variables.push(("GIT_PUSH_OPTION_COUNT".into(), None)),
        }
    }

    /// What the hooks before and after are told of a signed push.
    fn certify(&self, push: &HookedPush<'_>, program: &mut Program) {
        let Some(certificate) = push.certificate else { return };
        let Some(id) = certificate.id else { return };
        let mut tell = |name: &str, value: &[u8]| {
            program.variables.push((format!("GIT_PUSH_CERT{name}").into(), Some(os_string(value))));
        };
        tell("", id.to_hex().as_bytes());
        tell("_SIGNER", &certificate.verdict.signer);
        tell("_KEY", &certificate.verdict.key);
        tell("_STATUS", certificate.verdict.status.letter().as_bytes());
        let Some(nonce) = &certificate.nonce else { return };
        tell("_NONCE", nonce.as_bytes());
        tell("_NONCE_STATUS", certificate.nonce_status.word().as_bytes());
        if let NonceStatus::Slop(seconds) = certificate.nonce_status {
            tell("_NONCE_SLOP", seconds.to_string().as_bytes());
        }
    }

    fn hex(&self, id: Option<ObjectId>) -> String {
        id.unwrap_or_else(|| ObjectId::null(self.shared.format)).to_hex()
    }

    fn lines(&self, commands: &[Command]) -> Vec<u8> {
        let mut lines = Vec::new();
        for command in commands {
            let (old, new) = (self.hex(command.old), self.hex(command.new));
            lines.extend_from_slice(format!("{old} {new} ").as_bytes());
            lines.extend_from_slice(command.name.as_bytes());
            lines.push(b'\n');
        }
        lines
    }
}

impl PushHooks for HookPrograms {
    fn has(&self, hook: PushHook) -> bool {
        self.find(hook.name()).is_some()
    }

    fn timing(&self) -> Timing {
        let programs = [PushHook::Update.name(), PushHook::PushToCheckout.name(), TRANSACTION, PROC_RECEIVE];
        match programs.iter().any(|name| self.find(name).is_some()) {
            true => Timing::AfterPreReceive,
            false => Timing::WithRefs,
        }
    }

    fn pre_receive(&self, push: &HookedPush<'_>, commands: &[Command]) -> Result<(), Declined> {
        let content = self.run(PushHook::PreReceive, push, |program| {
            program.input = self.lines(commands);
            self.announce(push, program);
            self.certify(push, program);
        });
        if content == Some(false) { Err(Declined::default()) } else { Ok(()) }
    }

    fn update(&self, push: &HookedPush<'_>, command: &Command) -> Result<(), Declined> {
        let content = self.run(PushHook::Update, push, |program| {
            let (old, new) = (self.hex(command.old), self.hex(command.new));
            program.arguments = vec![os_string(command.name.as_bytes()), old.into(), new.into()];
        });
        if content == Some(false) { Err(Declined::default()) } else { Ok(()) }
    }

    fn push_to_checkout(
        &self,
        _push: &HookedPush<'_>,
        tree: &WorkTree,
        commit: &ObjectId,
    ) -> Option<Result<(), Declined>> {
        let mut program = self.program(self.find(PushHook::PushToCheckout.name())?);
        program.arguments = vec![commit.to_hex().into()];
        program.variables.clear();
        program.variables.push(("GIT_DIR".into(), Some(real(&tree.git_dir).into())));
        program.variables.push(("GIT_WORK_TREE".into(), Some(real(&tree.top).into())));
        let content = program.run_aside().is_ok_and(|status| status.success());
        Some(if content { Ok(()) } else { Err(Declined::default()) })
    }

    fn proc_receive(
        &self,
        push: &HookedPush<'_>,
        commands: &[Command],
        atomic: bool,
    ) -> Result<Vec<Processed>, Declined> {
        let Some(path) = self.find(PROC_RECEIVE) else {
            push.say(format!("error: cannot find hook '{PROC_RECEIVE}'\n").as_bytes());
            return Err(Declined::default());
        };
        let mut program = self.program(path);
        self.announce(push, &mut program);
        let (context, format) = (push.context(), self.shared.format);
        let given = push.push_options.filter(|options| !options.is_empty());
        let talked = program.talk(&|text| context.remote_message(text), |mut stdin, stdout| {
            stdin.write_all(&proc_receive::greeting(atomic, given.is_some()))?;
            let wants = proc_receive::read_greeting(stdout)?;
            let options = given.filter(|_| wants);
            let request = proc_receive::request(format, commands, options);
            stdin.write_all(&request.map_err(std::io::Error::other)?)?;
            drop(stdin);
            proc_receive::read_report(stdout, format, commands)
        });
        let (verdicts, complaints) = match talked {
            Ok((status, Ok(said))) if status.success() => said,
            Ok((_, Ok((_, complaints)))) => (Vec::new(), complaints),
            Ok((_, Err(error))) | Err(error) => (Vec::new(), vec![error.to_string()]),
        };
        if !complaints.is_empty() {
            push.say(format!("error: {}\n", complaints.join("\n")).as_bytes());
        }
        if verdicts.is_empty() { Err(Declined::default()) } else { Ok(verdicts) }
    }

    fn post_receive(&self, push: &HookedPush<'_>, commands: &[Command]) {
        self.run(PushHook::PostReceive, push, |program| {
            program.input = self.lines(commands);
            self.announce(push, program);
            self.certify(push, program);
        });
    }

    fn post_update(&self, push: &HookedPush<'_>, names: &[RefName]) {
        self.run(PushHook::PostUpdate, push, |program| {
            program.arguments = names.iter().map(|name| os_string(name.as_bytes())).collect();
        });
    }
}

impl RefsHook for HookPrograms {
    fn is_there(&self) -> bool {
        self.find(TRANSACTION).is_some()
    }

    fn transaction(&self, phase: TransactionPhase, edits: &[HookedEdit]) -> Result<(), BoxError> {
        let Some(path) = self.find(TRANSACTION) else { return Ok(()) };
        let mut program = self.program(path);
        program.arguments = vec![phase.name().into()];
        for edit in edits {
            for value in [&edit.old, &edit.new] {
                match value {
                    Some(Target::Symbolic(name)) => {
                        program.input.extend_from_slice(b"ref:");
                        program.input.extend_from_slice(name.as_bytes());
                    }
                    value => {
                        let id = value.as_ref().and_then(Target::id);
                        program.input.extend_from_slice(self.hex(id).as_bytes());
                    }
                }
                program.input.push(b' ');
            }
            program.input.extend_from_slice(edit.name.as_bytes());
            program.input.push(b'\n');
        }
        let status = program.run_aside()?;
        if status.success() { Ok(()) } else { Err(format!("{TRANSACTION}: {status}").into()) }
    }
}

/// Hooks run elsewhere, where a relative path would mean something else.
fn real(path: &Path) -> PathBuf {
    let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.canonicalize().unwrap_or_else(|_| absolute())
}

/// Bytes as the operating system would give them.
pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(bytes).into_owned().into()
    }
}
