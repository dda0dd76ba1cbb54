//! A throw-away repository to ask git about.

use git_core_object::ObjectFormat;
use std::io::Write;
use std::process::{Command, Output, Stdio};

pub(crate) struct Repo {
    dir: tempfile::TempDir,
}

impl Repo {
    pub(crate) fn new(format: ObjectFormat) -> Self {
        let repo = Repo { dir: tempfile::tempdir().unwrap() };
        let out = repo.git(&["init", "-q", &format!("--object-format={format}"), "."], b"");
        assert!(out.status.success());
        repo
    }

    pub(crate) fn git(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A U Thor")
            .env("GIT_AUTHOR_EMAIL", "author@example.com")
            .env("GIT_AUTHOR_DATE", "1112911993 -0700")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.com")
            .env("GIT_COMMITTER_DATE", "1112912053 +0530")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Git may have seen enough before everything is written.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    /// What a command that must succeed prints, without the newline at its end.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn ok(&self, args: &[&str], stdin: &[u8]) -> String {
        let out = self.git(args, stdin);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
    }
}
