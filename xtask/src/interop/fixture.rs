//! Repositories to try things on, made by git itself, the same in every run.
//!
//! Small, but with all that real ones hold: merges, renames, binary files, symbolic links, executables,
//! submodule entries, many branches, tags of every kind, notes, packed and loose refs, packed and loose objects.

use super::lab::Lab;
use crate::Outcome;
use crate::run::read;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;

/// The hash that names the objects of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    Sha1,
    Sha256,
}

impl Format {
    /// As git spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Sha1 => "sha1",
            Format::Sha256 => "sha256",
        }
    }

    fn digits(self) -> usize {
        match self {
            Format::Sha1 => 40,
            Format::Sha256 => 64,
        }
    }
}

/// Makes `repo.git`, `empty.git` (its HEAD names a branch that is not born) and `detached.git` in `folder`.
pub(crate) fn make(lab: &Lab, folder: &Path, format: Format) -> Outcome {
    std::fs::create_dir_all(folder)?;
    let init = |name: &str, branch: &str| {
        let format = format!("--object-format={}", format.name());
        lab.ask(folder, &["init", "--quiet", "--bare", &format, "-b", branch, name])
    };
    init("repo.git", "main")?;
    init("empty.git", "trunk")?;
    let repo = folder.join("repo.git");
    import(lab, &repo, &history(format))?;
    lab.ask(&repo, &["repack", "-adq"])?;
    let id = |name: &str| lab.ask(&repo, &["rev-parse", name]);
    lab.ask(&repo, &["update-ref", "refs/pull/1/head", id("main~3")?.trim()])?;
    lab.ask(&repo, &["tag", "-m", "a tag of a tag", "nested", "v1"])?;
    lab.ask(&repo, &["tag", "-m", "a tag of a tree", "tree", "main^{tree}"])?;
    lab.ask(&repo, &["tag", "a-blob", "main:text/0"])?;
    lab.ask(&repo, &["notes", "add", "-m", "noted", "main"])?;
    lab.ask(&repo, &["pack-refs", "--all"])?;
    // From here on loose: objects and refs.
    change(lab, &repo, 1)?;
    lab.ask(folder, &["clone", "--quiet", "--bare", "repo.git", "detached.git"])?;
    let detached = folder.join("detached.git");
    lab.ask(&detached, &["update-ref", "--no-deref", "HEAD", id("main~5")?.trim()])?;
    lab.ask(&detached, &["remote", "remove", "origin"])?;
    Ok(())
}

/// New work: three commits on main and a new branch, a branch gone, a tag moved.
pub(crate) fn change(lab: &Lab, repo: &Path, round: usize) -> Outcome {
    import(lab, repo, &commits("refs/heads/main", "refs/heads/main^0", &format!("round {round}"), 3))?;
    import(lab, repo, &commits(&format!("refs/heads/new/{round}"), "refs/heads/main~1", "aside", 2))?;
    lab.ask(repo, &["update-ref", "-d", &format!("refs/heads/feature/{round}")])?;
    lab.ask(repo, &["tag", "-f", "-m", "moved", "moving", "main"])?;
    Ok(())
}

/// A stream for `git fast-import`: `count` commits on `branch`, starting at `from`.
pub(crate) fn commits(branch: &str, from: &str, title: &str, count: usize) -> String {
    let mut stream = String::new();
    for number in 0..count {
        let message = format!("{title} {number}\n");
        let from = if number == 0 { format!("from {from}\n") } else { String::new() };
        put(&mut stream, format_args!("commit {branch}\n{}{}{from}", people(number), data(&message)));
        put(
            &mut stream,
            format_args!("M 100644 inline {title}/{number}\n{}", data(&format!("{title}\n{number}\n"))),
        );
    }
    stream
}

/// A stream for `git fast-import`: so many commits on a branch `interop` on top of `tip`, each of them with 99 other
/// new objects.
pub(crate) fn news(tip: &str, commits: usize) -> String {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut stream = String::new();
    for commit in 0..commits {
        let time = 1_700_000_000 + commit * 60;
        put(
            &mut stream,
            format_args!(
                "commit refs/heads/interop\ncommitter C <c@example.org> {time} +0000\ndata 4\nnew\n\n"
            ),
        );
        if commit == 0 {
            put(&mut stream, format_args!("from {tip}\n"));
        }
        // A commit, its tree, the tree of the folder (and that of all folders): 100 with these.
        for file in 0..96 {
            let lines: String = (0..20).map(|_| format!("{:016x}\n", noise.next())).collect();
            put(
                &mut stream,
                format_args!("M 100644 inline interop/{commit}/{file}\ndata {}\n{lines}\n", lines.len()),
            );
        }
    }
    stream
}

/// Feeds the stream to `git fast-import`.
pub(crate) fn import(lab: &Lab, repo: &Path, stream: &str) -> Outcome {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), stream)?;
    let mut command = lab.git(repo);
    read(command.args(["fast-import", "--quiet", "--force"]).stdin(Stdio::from(File::open(file.path())?)))?;
    Ok(())
}

fn people(number: usize) -> String {
    let time = 1_600_000_000 + number * 3600;
    format!(
        "author Ä. Author <author@example.org> {time} +0530\n\
         committer C. Committer <committer@example.org> {} -0200\n",
        time + 60
    )
}

fn data(text: &str) -> String {
    format!("data {}\n{text}\n", text.len())
}

fn put(stream: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = stream.write_fmt(what);
}

fn history(format: Format) -> String {
    let mut stream = String::new();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut growing = String::new();
    for number in 0..80 {
        // fast-import counts marks from one.
        let mark = number + 1;
        let merges = number % 10 == 9;
        if merges {
            let topic = format!("refs/heads/topic/{number}");
            stream.push_str(&commits(&topic, &format!(":{}", number - 2), &format!("topic{number}"), 3));
        }
        let message = format!("commit {number}\n\nwith a body, ünïcode and no end of line");
        put(
            &mut stream,
            format_args!("commit refs/heads/main\nmark :{mark}\n{}{}", people(number), data(&message)),
        );
        if merges {
            put(&mut stream, format_args!("merge refs/heads/topic/{number}\n"));
        }
        put(&mut growing, format_args!("line {number} {:016x}\n", noise.next()));
        put(&mut stream, format_args!("M 100644 inline growing.txt\n{}", data(&growing)));
        let text = format!("file {}\n{}", number % 7, "no end of line".repeat(number % 3));
        put(&mut stream, format_args!("M 100644 inline text/{}\n{}", number % 7, data(&text)));
        let deep = format!("deep/{}/{}/{}/file", number % 2, number % 3, number % 5);
        put(
            &mut stream,
            format_args!("M 100755 inline {deep}\n{}", data(&format!("#!/bin/sh\necho {number}\n"))),
        );
        match number {
            5 => put(&mut stream, format_args!("M 120000 inline link\n{}", data("text/0"))),
            6 => put(&mut stream, format_args!("M 100644 inline empty\n{}", data(""))),
            7 => put(&mut stream, format_args!("M 160000 {} module\n", "1".repeat(format.digits()))),
            8 => {
                let text = "[submodule \"module\"]\n\tpath = module\n\turl = https://example.org/module\n";
                put(&mut stream, format_args!("M 100644 inline .gitmodules\n{}", data(text)));
            }
            20 => stream.push_str("R text/1 moved/one\n"),
            21 => stream.push_str("D text/2\n"),
            _ => {}
        }
        if number % 16 == 3 {
            // Bytes that no compression shortens, some below the size of a read buffer and some above.
            let binary: String = (0..(number + 1) * 400).map(|_| char::from(noise.next() as u8)).collect();
            put(
                &mut stream,
                format_args!("M 100644 inline binary/{number}\n{}", data(&format!("\0{binary}"))),
            );
        }
        if number % 2 == 0 {
            put(&mut stream, format_args!("reset refs/heads/feature/{number}\nfrom :{mark}\n\n"));
            put(&mut stream, format_args!("reset refs/heads/feature/{}\nfrom :{mark}\n\n", number + 1));
        } else {
            put(&mut stream, format_args!("reset refs/tags/light-{number}\nfrom :{mark}\n\n"));
            let tagger = "tagger T. Agger <tagger@example.org> 1600000000 +0000\n";
            let tag = format!("tag v{number}\nfrom :{mark}\n{tagger}{}", data("a tag\n"));
            stream.push_str(&tag);
        }
    }
    stream.push_str("reset refs/heads/ünïcode/深い\nfrom :70\n\n");
    stream.push_str("reset refs/heads/with.dots/and-dash_\nfrom :71\n\n");
    stream
}

/// Numbers without a pattern, the same in every run.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
