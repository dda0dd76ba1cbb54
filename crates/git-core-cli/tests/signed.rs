//! Signed pushes between git and the program, on either side, over a pipe and over HTTP: what is signed, what the
//! hooks of the server are told, and what is said where something is missing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/web.rs"]
mod web;

use common::{FORMATS, Program, command, git};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use web::Web;

const PAIRINGS: [(Program, Program); 4] = [
    (Program::Git, Program::Git),
    (Program::Git, Program::Ours),
    (Program::Ours, Program::Git),
    (Program::Ours, Program::Ours),
];

/// Stands for `gpg`: what it is told goes to `gpg.log`, what it says of a signature is in `verdict`.
const GPG: &str = r#"#!/bin/sh
dir=$(dirname "$0")
case "$*" in
*--verify*)
  echo "verify $1 $2 $3 $5" >>"$dir/gpg.log"
  cat "$4" >>"$dir/gpg.log"
  sed 's/^/| /' >>"$dir/gpg.log"
  cat "$dir/verdict"
  exit 0;;
esac
echo "sign $*" >>"$dir/gpg.log"
[ -e "$dir/refuses" ] && { cat "$dir/refuses" >&2; exit 2; }
sed 's/^/| /' >>"$dir/gpg.log"
printf '\n[GNUPG:] SIG_CREATED D 1 8 00 1234 ABC\n' >&2
printf -- '-----BEGIN PGP SIGNATURE-----\r\n\r\nmade up\r\n-----END PGP SIGNATURE-----\r\n'
"#;

/// Tells what a hook is told, and keeps it.
const TELL: &str = r#"#!/bin/sh
{ basename $0; env | grep ^GIT_PUSH | sort; cat; } >>told
[ -z "$GIT_PUSH_CERT" ] || git cat-file blob $GIT_PUSH_CERT >>told
"#;

struct World {
    scratch: tempfile::TempDir,
    client: Program,
    server: Program,
}

fn executable(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl World {
    fn new(format: &str, (client, server): (Program, Program)) -> Self {
        let world = World { scratch: tempfile::tempdir().unwrap(), client, server };
        let top = world.top();
        let format = format!("--object-format={format}");
        git(&top, &["init", "-q", "-b", "main", &format, "src"]);
        git(&top, &["init", "-q", "-b", "main", "--bare", &format, "dst"]);
        git(&world.src(), &["commit", "-q", "--allow-empty", "-m", "one"]);
        executable(&top.join("gpg"), GPG);
        std::fs::write(top.join("verdict"), "").unwrap();
        for side in [world.src(), world.dst()] {
            git(&side, &["config", "gpg.program", top.join("gpg").to_str().unwrap()]);
        }
        world.at_server(&["config", "receive.certNonceSeed", "a seed"]);
        for hook in ["pre-receive", "update", "post-receive", "post-update"] {
            executable(&world.dst().join("hooks").join(hook), TELL);
        }
        world
    }

    fn top(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    fn src(&self) -> PathBuf {
        self.top().join("src")
    }

    fn dst(&self) -> PathBuf {
        self.top().join("dst")
    }

    fn at_server(&self, args: &[&str]) {
        git(&self.dst(), args);
    }

    /// Runs `push` or another command of the client; gives its exit code and what it says that is not in doubt.
    fn run(&self, args: &[&str]) -> String {
        let server = match self.server {
            Program::Git => "git".to_owned(),
            Program::Ours => env!("CARGO_BIN_EXE_git-core").to_owned(),
        };
        let mut run = command(self.client, &self.src());
        run.env_remove("GIT_COMMITTER_DATE");
        let at = args.iter().position(|arg| matches!(*arg, "push" | "send-pack")).unwrap();
        run.args(&args[..=at]);
        if !args.iter().any(|arg| arg.starts_with("http")) {
            run.arg(format!("--receive-pack={server} receive-pack"));
        }
        run.args(&args[at + 1..]);
        let output = run.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // Said by the server when the client is gone.
        let kept = text.lines().filter(|line| !line.contains("the remote end hung up unexpectedly"));
        // What follows is the last error of a system call, and there was none.
        let kept: String = kept.map(|line| format!("{}\n", line.trim_end_matches(": Success"))).collect();
        self.plain(&format!("exit {:?}\n{kept}", output.status.code()))
    }

    /// What was told to the hooks and to `gpg`, and the refs, without what is different each time.
    fn told(&self) -> String {
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let _ = std::fs::remove_file(path);
            text
        };
        let told = read(self.dst().join("told"));
        let gpg = read(self.top().join("gpg.log"));
        self.plain(&format!("{told}---\n{gpg}---\n{}", git(&self.dst(), &["for-each-ref"])))
    }

    fn plain(&self, text: &str) -> String {
        let mut text = text.replace(self.top().to_str().unwrap(), "<top>");
        let format = git(&self.src(), &["rev-parse", "--show-object-format"]);
        let digits = if format == "sha1" { 40 } else { 64 };
        // Nonces and times.
        let mut out = String::new();
        for word in text.split_inclusive([' ', '\n', '=']) {
            let bare = word.trim_end_matches([' ', '\n', '=']);
            let rest = &word[bare.len()..];
            let stamp = |text: &str| text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit());
            match bare.split_once('-') {
                Some((time, mac)) if stamp(time) && mac.len() == digits => out += "<nonce>",
                _ if stamp(bare) => out += "<time>",
                _ => out += bare,
            }
            out += rest;
        }
        text = out;
        // The certificate's blob has another name each time.
        text.lines()
            .map(|line| match line.split_once("GIT_PUSH_CERT=") {
                Some((before, id)) if id.trim().len() == digits => format!("{before}GIT_PUSH_CERT=<id>\n"),
                _ => format!("{line}\n"),
            })
            .collect()
    }
}

/// Runs the same in all pairings, and compares what each gives with what git with itself gives.
fn alike(test: impl Fn(&World) -> Vec<String>) -> Vec<String> {
    let mut last = Vec::new();
    for format in FORMATS {
        let mut first: Option<Vec<String>> = None;
        for pairing in PAIRINGS {
            let found = test(&World::new(format, pairing));
            let expected = first.get_or_insert_with(|| found.clone());
            assert_eq!(found.len(), expected.len());
            for (at, (found, expected)) in found.iter().zip(expected.iter()).enumerate() {
                assert!(
                    found == expected,
                    "{format} {pairing:?} step {at}\n=== git with git\n{expected}\n=== here\n{found}"
                );
            }
            last = found;
        }
    }
    last
}

#[test]
fn signed_pushes_are_told_to_hooks_as_in_git() {
    let said = alike(|world| {
        let mut said = Vec::new();
        let mut push = |args: &[&str]| {
            said.push(world.run(args));
            said.push(world.told());
        };
        push(&["push", "--signed", "../dst", "main", "main:b"]);
        world.at_server(&["config", "receive.advertisePushOptions", "true"]);
        push(&["push", "--signed=yes", "-o", "one", "-o", "two words", "../dst", "main:c"]);
        push(&["-c", "user.signingKey=A KEY", "push", "--signed=if-asked", "../dst", "main:d", ":b"]);
        push(&["-c", "push.gpgSign", "-c", "user.signingKey=", "push", "../dst", "main:e"]);
        push(&["-c", "push.gpgSign=if-asked", "push", "--atomic", "../dst", "main:f"]);
        push(&["-c", "push.gpgSign=true", "push", "--no-signed", "../dst", "main:g"]);
        push(&["-c", "push.gpgSign=true", "push", "--signed=no", "../dst", "main:h"]);
        push(&["send-pack", "--signed", "../dst", "main:i"]);
        push(&[
            "-c",
            "gpg.format=x509",
            "-c",
            "gpg.x509.program=../gpg",
            "push",
            "--signed",
            "../dst",
            "main:j",
        ]);
        push(&["push", "--signed", "../dst", "main:j"]);
        push(&["push", "--signed", "-n", "../dst", "main:k"]);
        push(&["push", "--signed", &format!("file://{}", world.dst().display()), "main:l"]);
        said
    });
    assert!(
        said[1].contains("GIT_PUSH_CERT=<id>\nGIT_PUSH_CERT_KEY=\nGIT_PUSH_CERT_NONCE=<nonce>"),
        "{}",
        said[1]
    );
    assert!(said[1].contains("| pushee ../dst\n| nonce <nonce>\n| \n"), "{}", said[1]);
    assert!(said[5].contains("sign --status-fd=2 -bsau A KEY\n"), "{}", said[5]);
}

#[test]
fn what_gpg_says_of_a_signature_is_told_to_hooks() {
    alike(|world| {
        let mut said = Vec::new();
        for (at, verdict) in [
            "GOODSIG 0123 A B <a@b>\n[GNUPG:] TRUST_UNDEFINED 0 pgp",
            "BADSIG 0123 A B <a@b>",
            "ERRSIG 0123 1 8 00 5 9",
            "GOODSIG 0123 A\n[GNUPG:] GOODSIG 0123 A",
            "EXPKEYSIG 0123 A B <a@b>",
        ]
        .iter()
        .enumerate()
        {
            std::fs::write(world.top().join("verdict"), format!("[GNUPG:] {verdict}\n")).unwrap();
            world.run(&["push", "--signed", "../dst", &format!("main:v{at}")]);
            said.push(world.told());
        }
        // A hook that refuses: the certificate is kept all the same.
        executable(&world.dst().join("hooks/pre-receive"), &format!("{TELL}exit 1\n"));
        said.push(world.run(&["push", "--signed", "../dst", "main:no"]));
        said.push(world.told());
        said.push(git(&world.dst(), &["count-objects"]));
        said
    });
}

#[test]
fn what_keeps_a_push_from_being_signed_is_told_as_git_tells_it() {
    let said = alike(|world| {
        let mut said = Vec::new();
        let mut push = |args: &[&str]| said.push(world.run(args));
        std::fs::write(world.top().join("refuses"), "gpg: no\ngpg: never\n").unwrap();
        push(&["push", "--signed", "../dst", "main"]);
        push(&["-c", "gpg.program=true", "push", "--signed", "../dst", "main"]);
        push(&["-c", "gpg.format=ssh", "push", "--signed", "../dst", "main"]);
        push(&[
            "-c",
            "gpg.format=ssh",
            "-c",
            "gpg.ssh.program=false",
            "-c",
            "user.signingKey=ssh-x",
            "push",
            "--signed",
            "../dst",
            "main",
        ]);
        push(&["push", "--signed=maybe", "../dst", "main"]);
        push(&["-c", "push.gpgSign=maybe", "push", "../dst", "main"]);
        world.at_server(&["config", "--unset", "receive.certNonceSeed"]);
        push(&["push", "--signed", "../dst", "main"]);
        push(&["send-pack", "--signed", "../dst", "main"]);
        push(&["push", "--signed=if-asked", "../dst", "main"]);
        push(&["push", "--signed", "../dst", "main"]);
        said
    });
    assert!(said[0].contains("error: gpg failed to sign the data:\ngpg: no\n"), "{}", said[0]);
    assert!(said[8].contains("warning: not sending a push certificate"), "{}", said[8]);
}

#[test]
fn pushes_signed_with_ssh_keys() {
    let Ok(made) = std::process::Command::new("ssh-keygen").arg("-?").output() else { return };
    if !String::from_utf8_lossy(&made.stderr).contains("-Y sign") {
        return;
    }
    let said = alike(|world| {
        let top = world.top();
        let key = top.join("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "comment", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let public = std::fs::read_to_string(top.join("key.pub")).unwrap();
        let allowed = |text: &str| std::fs::write(top.join("allowed"), format!("{text} {public}")).unwrap();
        git(&world.src(), &["config", "gpg.format", "ssh"]);
        git(&world.src(), &["config", "user.signingKey", "../key.pub"]);
        let print = std::process::Command::new("ssh-keygen").arg("-lf").arg(&key).output().unwrap().stdout;
        let print = String::from_utf8(print).unwrap().split(' ').nth(1).unwrap().to_owned();
        let mut said = Vec::new();
        let mut push = |name: &str| {
            let text = world.run(&["push", "--signed", "../dst", &format!("main:{name}")]);
            said.push(text);
            let text = world.told().replace(&print, "<print>");
            // The signature has another value each time.
            let mut inside = false;
            let kept = text.lines().filter(|line| {
                inside |= line.starts_with("-----BEGIN");
                inside &= !line.starts_with("-----END");
                !inside
            });
            said.push(kept.map(|line| format!("{line}\n")).collect());
        };
        world.at_server(&["config", "gpg.ssh.allowedSignersFile", "../allowed"]);
        allowed("c@example.com,d@example.com");
        push("a");
        allowed("# ");
        push("b");
        allowed("c@example.com namespaces=\"file\"");
        push("c");
        // The key is given by a command; who has it on a disk needs no agent.
        let command = format!("echo key::{}", public.trim());
        git(&world.src(), &["config", "--unset", "user.signingKey"]);
        git(&world.src(), &["config", "gpg.ssh.defaultKeyCommand", &command]);
        git(&world.src(), &["config", "gpg.ssh.program", top.join("agent").to_str().unwrap()]);
        executable(
            &top.join("agent"),
            &format!(
                "#!/bin/sh\necho \"$*\" | sed 's/tmp[^ ]*/tmp/g' >>{}/told\n\
                 for last; do :; done\nexec ssh-keygen -Y sign -n git -f {} \"$last\"\n",
                world.dst().display(),
                key.display()
            ),
        );
        allowed("c@example.com");
        push("d");
        said
    });
    assert!(said[1].contains("GIT_PUSH_CERT_SIGNER=c@example.com"), "{}", said[1]);
    assert!(said[1].contains("GIT_PUSH_CERT_STATUS=G") && said[5].contains("GIT_PUSH_CERT_STATUS=B"));
}

#[test]
fn pushes_are_signed_over_http() {
    let said = alike(|world| {
        let web = Web::new(world.server, &world.top());
        let mut said = Vec::new();
        let mut push = |name: &str| {
            let text = world.run(&["push", "--signed", &web.url("dst"), &format!("main:{name}")]);
            said.push(text.replace(&web.url(""), "<web>/"));
            said.push(world.told().replace(&web.url(""), "<web>/"));
        };
        // Nonces are of the second; the one that was given out may be of an earlier one.
        world.at_server(&["config", "receive.certNonceSlop", "3600"]);
        push("a");
        push("b");
        said
    });
    assert!(said[3].contains("GIT_PUSH_CERT_NONCE_STATUS=OK"), "{}", said[3]);
}
