//! Configuration of all scopes as `git config --list --show-origin --show-scope` sees it.
#![allow(clippy::unwrap_used)]

mod support;

use git_core_object::ErrorKind;
use git_core_store::config::{Config, Environment, Place};
use git_core_store::fs::layout::{Layout, OpenOptions, Trust};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use support::{git, git_command};

struct Machine {
    _dir: tempfile::TempDir,
    root: PathBuf,
    variables: Vec<(String, String)>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("home")).unwrap();
        git(&root, &["init", "-q", "-b", "main", "home/work/r"]);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let variables = vec![
            ("HOME".to_owned(), text(root.join("home"))),
            ("GIT_CONFIG_SYSTEM".to_owned(), text(root.join("system"))),
        ];
        Machine { _dir: dir, root, variables }
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn repository(&self) -> PathBuf {
        self.root.join("home/work/r")
    }

    fn ours(&self) -> Result<Config, git_core_store::config::ConfigError> {
        let get = |name: &str| {
            self.variables
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| OsString::from(value.as_str()))
        };
        let environment = Environment::from_variables(&get)?;
        let mut options = OpenOptions::default();
        options.trust = Trust::anyone();
        let layout = Layout::discover(&self.repository(), &options).unwrap();
        Config::load(&environment, Some(&Place::of(&layout)))
    }

    fn listing(&self) -> String {
        let mut out = String::new();
        for entry in self.ours().unwrap().entries() {
            let value = entry.value().text().map(|text| format!("={text}")).unwrap_or_default();
            let (scope, origin, key) = (entry.scope().name(), entry.origin(), entry.key());
            out.push_str(&format!("{scope}\t{origin}\t{key}{value}\n"));
        }
        out
    }

    fn theirs(&self) -> std::process::Output {
        let mut command = git_command(&self.repository());
        command
            .env_remove("GIT_CONFIG_GLOBAL")
            .env_remove("GIT_CONFIG_NOSYSTEM")
            .env_remove("XDG_CONFIG_HOME");
        let variables = self.variables.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        command.envs(variables).args(["config", "--list", "--show-origin", "--show-scope"]).output().unwrap()
    }

    fn check(&self) {
        let output = self.theirs();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let root = format!("file:{}/", self.repository().display());
        assert_eq!(self.listing().replace(&root, "file:"), String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn all_scopes_with_includes() {
    let mut machine = Machine::new();
    machine.put("system", "[a]\n\tb = system\n[include]\n\tpath = missing\n");
    machine.put("home/.config/git/config", "[a]\n\tb = xdg\n[include]\n\tpath = ../x/inc\n");
    machine.put("home/.config/x/inc", "[Inc \"Sub.X\"]\n\tNAME\n[include]\n\tpath = ~/inc2\n");
    machine.put("home/inc2", "[inc2]\n\tx = \"a # b\" ; c\n");
    machine.put(
        "home/.gitconfig",
        "[a]\n\tb = home\n[includeIf \"gitdir:~/work/\"]\n\tpath = yes\n[includeIf \"gitdir:~/play/\"]\n\tpath = no\n\
         [includeIf \"gitdir:./work/r/.git\"]\n\tpath = yes\n[includeIf \"gitdir/i:WORK/\"]\n\tpath = yes\n\
         [includeIf \"onbranch:ma*\"]\n\tpath = yes\n[includeIf \"onbranch:x/\"]\n\tpath = no\n\
         [includeIf \"hasconfig:remote.*.url:https://example.com/**\"]\n\tpath = yes\n\
         [includeIf \"hasconfig:remote.*.url:ssh://**\"]\n\tpath = no\n",
    );
    machine.put("home/yes", "[yes]\n\tx = 1\n");
    machine.put("home/no", "[no]\n\tx = 1\n");
    let repository = machine.repository();
    git(&repository, &["config", "remote.origin.url", "https://example.com/a/b"]);
    git(&repository, &["config", "extensions.worktreeConfig", "true"]);
    machine.put("home/work/r/.git/config.worktree", "[a]\n\tb = worktree\n");
    for (key, value) in [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "A.B"),
        ("GIT_CONFIG_VALUE_0", "counted"),
        ("GIT_CONFIG_PARAMETERS", "'a.b'='last' 'c.d'"),
    ] {
        machine.variables.push((key.to_owned(), value.to_owned()));
    }
    machine.check();
    let config = machine.ours().unwrap();
    assert_eq!(config.text("A.b").unwrap(), Some("last".into()));
    assert_eq!(config.get_all("a.b").count(), 6);
    assert_eq!(config.get_protected("a.b").count(), 5);
    assert_eq!(config.get_all("yes.x").count(), 5);
}

#[test]
fn errors_of_git() {
    let machine = Machine::new();
    machine.put("home/.gitconfig", "[include]\n\tpath = .gitconfig\n");
    let error = machine.ours().unwrap_err();
    let theirs = machine.theirs();
    assert!(String::from_utf8_lossy(&theirs.stderr).contains("exceeded maximum include depth (10)"));
    assert!(error.to_string().contains("exceeded maximum include depth (10)"));
    assert_eq!(error.kind(), ErrorKind::Invalid);

    machine.put("home/.gitconfig", "[a]\n\tb = 1\n\tc = \"\n");
    let error = machine.ours().unwrap_err().to_string();
    let theirs = machine.theirs();
    assert!(String::from_utf8_lossy(&theirs.stderr).contains(&error), "{error}");

    machine.put(
        "home/.gitconfig",
        "[includeIf \"hasconfig:remote.*.url:**\"]\n\tpath = inc\n[remote \"o\"]\n\turl = x\n",
    );
    machine.put("home/inc", "[remote \"p\"]\n\turl = y\n");
    assert!(!machine.theirs().status.success());
    assert!(machine.ours().unwrap_err().to_string().starts_with("remote URLs cannot be configured"));

    machine.put("home/.gitconfig", "\n; text\n[a]\n\n\tb = 12x\n");
    let error = machine.ours().unwrap().int("a.b").unwrap_err().to_string();
    let file = machine.root.join("home/.gitconfig");
    assert!(error.ends_with(&format!("for 'a.b' in file {} at line 5", file.display())), "{error}");
    assert!(Path::new(&file).exists());
}
