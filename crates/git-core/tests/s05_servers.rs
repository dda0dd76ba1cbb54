//! S5: servers over git://, HTTP and ssh from a map of names to repositories, with git as their client.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::protocol::ProtocolVersion;
use git_core::server::{Backing, Server};
use std::collections::BTreeMap;
use std::path::Path;
use support::{
    FORMATS, SCHEMES, Serving, VERSIONS, fails, history, output, refs, rev, run, run_version, sound,
};

/// git lists, clones, fetches and pushes, and has the same as the server afterwards.
fn git_works_with(dir: &Path, server: &Path, version: ProtocolVersion, url: &str) {
    let list = run_version(dir, version, &["ls-remote", url]);
    let theirs = run(dir, &["ls-remote", server.to_str().unwrap()]);
    assert_eq!(list, theirs, "{url} in {version:?}");

    let _ = std::fs::remove_dir_all(dir.join("mirror"));
    run_version(dir, version, &["clone", "-q", "--mirror", url, "mirror"]);
    let mirror = dir.join("mirror");
    assert_eq!(refs(&mirror), refs(server));
    sound(&mirror);

    let _ = std::fs::remove_dir_all(dir.join("work"));
    run_version(dir, version, &["clone", "-q", url, "work"]);
    let work = dir.join("work");
    assert_eq!(run(&work, &["status", "-sb"]), "## master...origin/master");
    assert_eq!(rev(&work, "HEAD"), rev(server, "master"));

    // A push of something new, of a branch beside it and of a deletion.
    std::fs::write(work.join("pushed"), format!("{url} {version:?}\n")).unwrap();
    run(&work, &["add", "pushed"]);
    run(&work, &["commit", "-q", "-m", &format!("Push over {url} {version:?}")]);
    run_version(&work, version, &["push", "-q", "origin", "master", "master:refs/heads/side"]);
    assert_eq!(rev(server, "master"), rev(&work, "HEAD"));
    assert_eq!(rev(server, "side"), rev(&work, "HEAD"));
    assert_eq!(rev(&work, "origin/side"), rev(&work, "HEAD"));
    run_version(&work, version, &["push", "-q", "origin", ":side"]);
    assert!(!refs(server).contains("side"));
    run_version(&mirror, version, &["fetch", "-q", "--prune"]);
    assert_eq!(refs(&mirror), refs(server));
    sound(server);
}

#[test]
fn s05_git_and_http() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("project", path.as_path())]);
        for scheme in SCHEMES {
            for version in VERSIONS {
                git_works_with(dir.path(), &path, version, &serving.url(scheme, "project"));
            }
        }
        for scheme in SCHEMES {
            // Names without and with the usual suffix; what is not in the map is not found.
            let url = serving.url(scheme, "project.git");
            assert!(run(dir.path(), &["ls-remote", &url]).contains("refs/heads/master"));
            let error = fails(dir.path(), &["ls-remote", &serving.url(scheme, "other")]);
            assert!(error.contains("not found") || error.contains("not exported"), "{error}");
            let error = fails(dir.path(), &["ls-remote", &serving.url(scheme, "../source")]);
            assert!(error.contains("fatal: "), "{error}");
        }
    }
}

#[test]
fn s05_a_repository_in_memory_is_served_like_one_on_a_disk() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let source = history::source(dir.path(), "source", format);
        let memory = Repository::in_memory(format);
        let serving = Serving::all([("memory", memory.clone())]);
        for scheme in SCHEMES {
            let url = serving.url(scheme, "memory");
            let empty = output(dir.path(), &["ls-remote", &url]);
            assert!(empty.status.success() && empty.stdout.is_empty());
            run(dir.path(), &["clone", "-q", &url, &format!("empty-{scheme}")]);
            let clone = dir.path().join(format!("empty-{scheme}"));
            assert_eq!(run(&clone, &["symbolic-ref", "HEAD"]), "refs/heads/master");
            run(&source, &["push", "-q", "--mirror", &url]);
            assert_eq!(memory.refs().id("HEAD").unwrap(), Some(rev(&source, "master")));
            run(dir.path(), &["clone", "-q", "--mirror", &url, &format!("back-{scheme}")]);
            let back = dir.path().join(format!("back-{scheme}"));
            assert_eq!(refs(&back), refs(&source));
            sound(&back);
            for found in memory.refs().list("").unwrap() {
                memory.refs().delete(found.name.as_bytes()).unwrap();
            }
        }
    }
}

#[test]
fn s05_nobody_pushes_unless_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let path = history::source(dir.path(), "source", FORMATS[0]);
    let names = BTreeMap::from([("project".to_owned(), Repository::open(&path).unwrap())]);
    let server = Server::new(Backing::new(names));
    let before = refs(&path);
    let any = "127.0.0.1:0".parse().unwrap();
    let (git, http) = (server.listen_git(any).unwrap(), server.listen_http(any).unwrap());
    for url in
        [format!("git://{}/project", git.local_addr()), format!("http://{}/project", http.local_addr())]
    {
        let error = fails(&path, &["push", &url, "master:refs/heads/new"]);
        assert!(error.contains("not allowed") || error.contains("403"), "{error}");
        assert!(run(&path, &["ls-remote", &url]).contains("refs/heads/topic"));
    }
    assert_eq!(refs(&path), before);
    // After a shutdown nobody answers.
    let address = git.local_addr();
    git.shutdown();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn s05_the_branch_of_a_working_tree_is_protected() {
    let dir = tempfile::tempdir().unwrap();
    let source = history::source(dir.path(), "source", FORMATS[0]);
    run(dir.path(), &["clone", "-q", source.to_str().unwrap(), "tree"]);
    let tree = dir.path().join("tree");
    let serving = Serving::paths([("tree", tree.as_path())]);
    let url = serving.url("git", "tree");
    history::grow(&source, "master", None, 12..13);
    let error = fails(&source, &["push", &url, "master"]);
    assert!(error.contains("branch is currently checked out"), "{error}");
    run(&source, &["push", "-q", &url, "master:beside"]);
    assert_eq!(rev(&tree, "beside"), rev(&source, "master"));
    assert_eq!(run(&tree, &["status", "--porcelain"]), "");
}

/// ssh: the other end of a fake `ssh` is this test program once more, which serves over its standard input and
/// output as a command that sshd has started would.
#[cfg(unix)]
mod ssh {
    use super::*;
    use git_core::object::Context;
    use git_core::protocol::Service;
    use git_core::remote::clone;
    use git_core::server::StorageSession;
    use git_core::transport::client::SshProgram;
    use git_core::transport::server::{StdioOptions, serve_stdio};
    use std::ffi::OsString;
    use std::fs::File;

    #[test]
    #[ignore = "started by the test of ssh as its server"]
    fn remote_end() {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(command) = variable("TEST_SSH_COMMAND") else { return };
        let (program, path) = command.split_once(' ').unwrap();
        let service = match program {
            "git-upload-pack" => Service::UploadPack,
            "git-receive-pack" => Service::ReceivePack,
            other => panic!("{other}"),
        };
        let repository = Repository::open(path.trim_matches('\'')).unwrap();
        let mut session = StorageSession::new(repository.storage().clone(), Default::default()).unwrap();
        let mut options = StdioOptions::default();
        options.version = match variable("GIT_PROTOCOL").as_deref() {
            Some("version=2") => ProtocolVersion::V2,
            Some("version=1") => ProtocolVersion::V1,
            _ => ProtocolVersion::V0,
        };
        // Standard output is the test harness's.
        let out = File::options().write(true).open("/dev/fd/3").unwrap();
        serve_stdio(&mut session, service, &options, std::io::stdin().lock(), out, &Context::new()).unwrap();
    }

    /// A command line for `GIT_SSH_COMMAND`.
    fn fake_ssh(dir: &Path) -> OsString {
        let script = dir.join("ssh.sh");
        let program = std::env::current_exe().unwrap();
        let body = format!(
            "for last; do :; done\nTEST_SSH_COMMAND=\"$last\" exec '{}' --exact ssh::remote_end --ignored \
             --nocapture -q 3>&1 >/dev/null\n",
            program.display()
        );
        std::fs::write(&script, body).unwrap();
        format!("sh {}", script.display()).into()
    }

    #[test]
    fn s05_ssh() {
        let dir = tempfile::tempdir().unwrap();
        let ssh = fake_ssh(dir.path());
        for format in FORMATS {
            let path = history::source(dir.path(), format.name(), format);
            let url = format!("ssh://somebody@example.com{}", path.display());
            for version in VERSIONS {
                let to = dir.path().join(format!("{}-{}", format.name(), version.number()));
                std::fs::create_dir(&to).unwrap();
                let version_option = format!("protocol.version={}", version.number());
                let git = |at: &Path, args: &[&str]| {
                    let mut command = support::git(at);
                    command.env("GIT_SSH_COMMAND", &ssh).args(["-c", &version_option]).args(args);
                    let output = command.output().unwrap();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                };
                git(&to, &["clone", "-q", "--mirror", &url, "git"]);
                let theirs = to.join("git");
                assert_eq!(refs(&theirs), refs(&path));
                sound(&theirs);
                history::grow(&theirs, "master", None, 200..203);
                git(&theirs, &["push", "-q", &url, "master"]);
                assert_eq!(rev(&path, "master"), rev(&theirs, "master"));

                // Our client, too.
                let mut link = support::link(version);
                link.options.ssh = SshProgram::Shell(ssh.clone());
                let ours = to.join("ours");
                let mut options = git_core::remote::CloneOptions::default();
                options.checkout = git_core::remote::CheckoutMode::Bare;
                clone(&url, &ours, &options, link, &Context::new()).unwrap();
                assert_eq!(rev(&ours, "master"), rev(&path, "master"));
                sound(&ours);
            }
            sound(&path);
        }
    }
}
