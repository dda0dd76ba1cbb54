//! S9: pushing with refspecs, and the `fetch =` and `push =` lines of a remote in the configuration.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::object::Context;
use git_core::remote::{Atomic, DryRun, FetchOptions, Force, PushOptions, PushStatus, Pushed};
use std::path::{Path, PathBuf};
use support::{
    FORMATS, SCHEMES, Serving, VERSIONS, bare, history, link, output, push_specs, refs, rev, run, sound,
};

struct Setting {
    dir: tempfile::TempDir,
    here: PathBuf,
    there: PathBuf,
    serving: Serving,
    repository: Repository,
}

impl Setting {
    fn new(format: git_core::object::ObjectFormat) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let here = history::source(dir.path(), "here", format);
        let there = bare(dir.path(), "there", format);
        let serving = Serving::as_configured("there", &there);
        let repository = Repository::open(&here).unwrap();
        Setting { dir, here, there, serving, repository }
    }

    fn push_with(&self, url: &str, options: &PushOptions) -> Pushed {
        let remote = self.repository.remote(url).unwrap();
        remote.push(options, link(VERSIONS[2]), &Context::new()).unwrap()
    }

    fn push(&self, specs: &[&str]) -> Pushed {
        self.push_with(&self.serving.url("git", "there"), &push_specs(specs))
    }
}

fn names(dir: &Path) -> Vec<String> {
    run(dir, &["for-each-ref", "--format=%(refname)"]).lines().map(str::to_owned).collect()
}

#[test]
fn s09_to_another_name_and_deleted_again() {
    for format in FORMATS {
        let set = Setting::new(format);
        for scheme in ["git", "http", "path"] {
            let url = match scheme {
                "path" => set.there.to_str().unwrap().to_owned(),
                scheme => set.serving.url(scheme, "there"),
            };
            let pushed = set.push_with(&url, &push_specs(&["master:refs/heads/qa/master"]));
            assert_eq!(pushed.refs[0].status, PushStatus::Ok);
            assert_eq!(pushed.refs[0].old, None);
            assert_eq!(names(&set.there), ["refs/heads/qa/master"]);
            assert_eq!(rev(&set.there, "qa/master"), rev(&set.here, "master"));
            sound(&set.there);
            let again = set.push_with(&url, &push_specs(&["master:refs/heads/qa/master"]));
            assert_eq!(again.refs[0].status, PushStatus::UpToDate);
            let pushed = set.push_with(&url, &push_specs(&[":qa/master"]));
            assert_eq!(pushed.refs[0].status, PushStatus::Ok);
            assert_eq!(names(&set.there), Vec::<String>::new());
            run(&set.there, &["prune", "--expire=now"]);
            let pushed = set.push_with(&url, &push_specs(&[":refs/heads/qa/master"]));
            assert_eq!(pushed.refs[0].status, PushStatus::Ok);
        }
    }
}

#[test]
fn s09_force_where_a_plus_says_so() {
    for format in FORMATS {
        let set = Setting::new(format);
        assert!(set.push(&["refs/heads/*:refs/heads/*", "v1"]).is_ok());
        run(&set.here, &["update-ref", "refs/heads/master", "refs/heads/master~3"]);
        run(&set.here, &["tag", "-f", "-a", "-m", "moved", "v1", "master"]);
        let before = refs(&set.there);
        let pushed = set.push(&["master", "v1", "topic"]);
        let status: Vec<_> = pushed.refs.iter().map(|one| one.status.clone()).collect();
        // In the order of the refs there: branches, then tags.
        assert_eq!(status, [PushStatus::NonFastForward, PushStatus::UpToDate, PushStatus::AlreadyExists]);
        assert!(!pushed.is_ok());
        assert_eq!(refs(&set.there), before);
        // An atomic push that is partly refused changes nothing.
        let mut atomic = push_specs(&["master", "topic:refs/heads/new"]);
        atomic.atomic = Atomic::Whole;
        let pushed = set.push_with(&set.serving.url("http", "there"), &atomic);
        assert_eq!(pushed.refs[1].status, PushStatus::AtomicFailed);
        assert_eq!(refs(&set.there), before);
        // Tried out only.
        let mut dry = push_specs(&["+master"]);
        dry.dry_run = DryRun::Yes;
        assert!(set.push_with(&set.serving.url("git", "there"), &dry).is_ok());
        assert_eq!(refs(&set.there), before);

        let pushed = set.push(&["+master", "+v1"]);
        assert!(pushed.is_ok() && pushed.refs.iter().all(|one| one.forced), "{pushed:?}");
        assert_eq!(rev(&set.there, "master"), rev(&set.here, "master"));
        assert_eq!(rev(&set.there, "v1"), rev(&set.here, "v1"));
        // What is here is not what the other side has: it has to be fetched first.
        history::grow(&set.there, "master", None, 800..801);
        assert_eq!(set.push(&["master"]).refs[0].status, PushStatus::FetchFirst);
        let mut force = push_specs(&["master"]);
        force.force = Force::All;
        assert!(set.push_with(&set.serving.url("git", "there"), &force).is_ok());
        assert_eq!(rev(&set.there, "master"), rev(&set.here, "master"));
    }
}

#[test]
fn s09_patterns_negative_patterns_and_revisions() {
    for format in FORMATS {
        let set = Setting::new(format);
        for branch in ["fix/one", "fix/two", "secret/one"] {
            run(&set.here, &["branch", branch, "master~2"]);
        }
        assert!(set.push(&["refs/heads/fix/*:refs/heads/in/*"]).is_ok());
        assert_eq!(names(&set.there), ["refs/heads/in/one", "refs/heads/in/two"]);
        assert!(set.push(&["refs/heads/*", "^refs/heads/secret/*", "^refs/heads/topic"]).is_ok());
        assert_eq!(
            names(&set.there),
            [
                "refs/heads/fix/one",
                "refs/heads/fix/two",
                "refs/heads/in/one",
                "refs/heads/in/two",
                "refs/heads/master"
            ]
        );
        let id = rev(&set.here, "master~5");
        let by_id = format!("{id}:refs/heads/by-id");
        assert!(
            set.push(&[
                "master~4:refs/heads/older",
                &by_id,
                "HEAD:refs/heads/head",
                "v1^{commit}:refs/tags/c"
            ])
            .is_ok()
        );
        assert_eq!(rev(&set.there, "older"), rev(&set.here, "master~4"));
        assert_eq!(rev(&set.there, "by-id"), id);
        assert_eq!(rev(&set.there, "head"), rev(&set.here, "master"));
        assert_eq!(rev(&set.there, "refs/tags/c"), rev(&set.here, "v1^{commit}"));
        // `:` pushes the branches that both sides have.
        run(&set.there, &["update-ref", "refs/heads/master", &id.to_hex()]);
        let pushed = set.push(&[":"]);
        assert!(pushed.is_ok());
        assert!(!names(&set.there).contains(&"refs/heads/topic".to_owned()));
        assert_eq!(rev(&set.there, "master"), rev(&set.here, "master"));
        sound(&set.there);
        // What names nothing, or two things, is refused before anything is sent.
        let remote = set.repository.remote(set.serving.url("git", "there")).unwrap();
        for bad in ["nothing", "nothing:refs/heads/x", "master~90:refs/heads/x"] {
            let error = remote.push(&push_specs(&[bad]), link(VERSIONS[2]), &Context::new()).unwrap_err();
            assert!(error.to_string().contains(bad.split(':').next().unwrap()), "{error}");
        }
    }
}

#[test]
fn s09_the_lines_of_a_remote_in_the_configuration() {
    for format in FORMATS {
        let mut set = Setting::new(format);
        for (ours, theirs) in [("ours", "theirs-ours"), ("git", "theirs-git")] {
            bare(set.dir.path(), theirs, format);
            run(set.dir.path(), &["clone", "-q", "--mirror", set.here.to_str().unwrap(), ours]);
            let here = set.dir.path().join(ours);
            for (key, value) in [
                ("remote.up.url", set.dir.path().join(theirs).to_str().unwrap()),
                ("remote.up.push", "refs/heads/master:refs/heads/qa/master"),
                ("remote.up.push", "+refs/tags/*:refs/tags/*"),
                ("remote.up.fetch", "+refs/heads/*:refs/remotes/up/*"),
                ("remote.up.fetch", "^refs/heads/qa/hidden"),
            ] {
                run(&here, &["config", "--add", key, value]);
            }
        }
        let ours = set.dir.path().join("ours");
        set.repository = Repository::open(&ours).unwrap();
        let remote = set.repository.remote("up").unwrap();
        assert_eq!((remote.push_specs().len(), remote.fetch_specs().len()), (2, 2));
        let cx = Context::new();
        let pushed = remote.push(&PushOptions::default(), link(VERSIONS[2]), &cx).unwrap();
        assert!(pushed.is_ok(), "{pushed:?}");
        let git = set.dir.path().join("git");
        run(&git, &["push", "-q", "up"]);
        let (by_ours, by_git) = (set.dir.path().join("theirs-ours"), set.dir.path().join("theirs-git"));
        assert_eq!(refs(&by_ours), refs(&by_git));
        assert_eq!(refs(&ours), refs(&git), "the refs that follow the remote's");
        sound(&by_ours);

        for theirs in [&by_ours, &by_git] {
            run(theirs, &["branch", "qa/hidden", "qa/master~1"]);
            history::grow(theirs, "more", Some("refs/heads/qa/master"), 900..902);
        }
        let fetched = remote.fetch(&FetchOptions::default(), link(VERSIONS[2]), &cx).unwrap();
        assert!(fetched.updates.iter().all(|one| !one.status.is_rejected()), "{fetched:?}");
        run(&git, &["fetch", "-q", "up"]);
        assert_eq!(refs(&ours), refs(&git));
        assert!(refs(&ours).contains("refs/remotes/up/more") && !refs(&ours).contains("hidden"));
    }
}

#[test]
fn s09_git_pushes_the_same_refspecs_to_us() {
    for format in FORMATS {
        let set = Setting::new(format);
        for scheme in SCHEMES {
            let url = set.serving.url(scheme, "there");
            let push = |specs: &[&str]| output(&set.here, &[&["push", "-q", &url], specs].concat());
            assert!(
                push(&["master:refs/heads/qa/master", "refs/heads/t*:refs/heads/in/t*", "--tags"])
                    .status
                    .success()
            );
            assert_eq!(
                names(&set.there),
                [
                    "refs/heads/in/topic",
                    "refs/heads/qa/master",
                    "refs/tags/light",
                    "refs/tags/v1",
                    "refs/tags/v2"
                ]
            );
            let moved = push(&["master~3:qa/master"]);
            assert!(!moved.status.success());
            assert!(push(&["+master~3:qa/master"]).status.success());
            assert_eq!(rev(&set.there, "qa/master"), rev(&set.here, "master~3"));
            let lease = format!("--force-with-lease=qa/master:{}", rev(&set.here, "topic"));
            let stale = push(&[&lease, "master:qa/master"]);
            assert!(String::from_utf8_lossy(&stale.stderr).contains("stale info"));
            assert!(push(&["--atomic", "master:qa/master", "master:qa/other"]).status.success());
            assert!(push(&["--prune", "refs/heads/none/*:refs/heads/*"]).status.success());
            assert!(push(&["-d", "v1", "v2", "light"]).status.success());
            assert_eq!(refs(&set.there), "");
            run(&set.there, &["prune", "--expire=now"]);
            sound(&set.there);
        }
    }
}
