//! Compares our patches with those of `git diff-tree -p` over the last commits of a repository:
//! `cargo run --release -p git-core-diff --example compare_history -- <repository> <commits> [<rev>]`.
//!
//! Prints each commit whose patch differs, whether `git apply --check` takes ours there, and a summary.

use git_core_diff::{PatchOptions, PatchWriter, TreeOptions, diff_trees};
use git_core_object::{Context, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, repository, count, rest @ ..] = &args[..] else {
        return Err("usage: compare_history <repository> <commits> [<rev>]".into());
    };
    let rev = rest.first().map_or("HEAD", String::as_str);
    let objects = CatFile::spawn(repository)?;
    let list = git(repository, &["rev-list", "--no-merges", "--parents", "-n", count, rev], &[])?;
    let commits: Vec<Vec<ObjectId>> = list
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| line.split(|b| *b == b' ').map(ObjectId::from_hex).collect())
        .collect::<Result<_, _>>()?;
    let stdin: String = commits.iter().map(|ids| format!("{}\n", ids[0])).collect();
    let started = Instant::now();
    let theirs = git(repository, &["diff-tree", "--stdin", "--root", "-p"], stdin.as_bytes())?;
    let theirs_took = started.elapsed();
    let theirs = by_commit(&theirs, &commits);

    let (mut equal, mut applied, mut took) = (0, 0, Duration::ZERO);
    let digits = Mutex::new(HashMap::new());
    for ids in &commits {
        let started = Instant::now();
        let ours = patch(&objects, &ids[0], ids.get(1), |id| {
            let mut digits = digits.lock().expect("no panic while locked");
            if let Some(known) = digits.get(id) {
                return Ok(*known);
            }
            let known = abbreviation(repository, id).map_err(|e| ReadError::unavailable(repository, e))?;
            digits.insert(*id, known);
            Ok(known)
        })?;
        took += started.elapsed();
        let theirs = theirs.get(&ids[0]).copied().unwrap_or_default();
        if ours == theirs {
            equal += 1;
            continue;
        }
        let applies = ids.get(1).is_some_and(|parent| applies(repository, parent, &ours).unwrap_or(false));
        applied += u32::from(applies);
        println!("{} differs{}", ids[0], if applies { "" } else { ", and does not apply" });
        let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
        let from = ours[..at].iter().rposition(|b| *b == b'\n').map_or(0, |at| at.saturating_sub(120));
        let show = |text: &[u8]| {
            text[from..text.len().min(at + 200)].escape_ascii().to_string().replace("\\n", "\n    ")
        };
        println!("  ours:\n    {}\n  git:\n    {}", show(&ours), show(theirs));
    }
    println!(
        "{equal} of {} equal, {applied} of the others apply; {took:.1?}, git {theirs_took:.1?}",
        commits.len()
    );
    Ok(())
}

fn patch(
    objects: &dyn Objects,
    commit: &ObjectId,
    parent: Option<&ObjectId>,
    digits: impl Fn(&ObjectId) -> Result<usize, ReadError>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let context = Context::new();
    let new = tree_of(objects, commit)?;
    let old = parent.map(|id| tree_of(objects, id)).transpose()?;
    let mut writer = PatchWriter::new(objects, PatchOptions::default()).abbreviate_with(digits);
    let mut out = Vec::new();
    diff_trees(objects, old.as_ref(), Some(&new), &TreeOptions::recursive(), &context, &mut |change| {
        writer.write(change, &context, &mut out)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(out)
}

fn tree_of(objects: &dyn Objects, commit: &ObjectId) -> Result<ObjectId, Box<dyn Error>> {
    let mut content = Vec::new();
    objects.require(commit, &mut content)?;
    let hex = content.strip_prefix(b"tree ").and_then(|rest| rest.get(..commit.format().hex_len()));
    Ok(ObjectId::from_hex(hex.ok_or("a commit without a tree")?)?)
}

/// Cuts the output of `diff-tree --stdin` at the lines that name the commits, which come in order.
fn by_commit<'a>(mut output: &'a [u8], commits: &[Vec<ObjectId>]) -> HashMap<ObjectId, &'a [u8]> {
    let mut found = HashMap::new();
    let mut present: Option<ObjectId> = None;
    let headers: Vec<_> = commits.iter().map(|ids| (ids[0], format!("{}\n", ids[0]))).collect();
    let mut headers = headers.iter().peekable();
    let (mut from, mut at) = (output, 0);
    while !output.is_empty() {
        // A commit without changes is not named at all.
        let mut ahead = headers.clone();
        if output.get(..2).is_some_and(|b| b[0].is_ascii_hexdigit())
            && let Some((id, _)) = ahead.find(|(_, line)| output.starts_with(line.as_bytes()))
        {
            if let Some(present) = present {
                found.insert(present, &from[..at]);
            }
            present = Some(*id);
            headers = ahead;
            output = &output[id.format().hex_len() + 1..];
            (from, at) = (output, 0);
        }
        let line = output.iter().position(|b| *b == b'\n').map_or(output.len(), |end| end + 1);
        output = &output[line..];
        at += line;
    }
    if let Some(present) = present {
        found.insert(present, &from[..at]);
    }
    found
}

fn abbreviation(repository: &str, id: &ObjectId) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let hex = id.to_hex();
    let out = Command::new("git").args(["-C", repository, "rev-parse", "--short", &hex]).output()?;
    Ok(out.stdout.trim_ascii().len())
}

/// Whether `git apply --check` takes the patch on top of the tree of `parent`.
fn applies(repository: &str, parent: &ObjectId, patch: &[u8]) -> Result<bool, Box<dyn Error>> {
    let index = std::env::temp_dir().join(format!("compare-history-{}.index", std::process::id()));
    let command = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-C", repository]).args(args).env("GIT_INDEX_FILE", &index);
        command
    };
    command(&["read-tree", &parent.to_hex()]).status()?;
    let mut child = command(&["apply", "--check", "--cached", "-"]).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(patch)?;
    let applied = child.wait()?.success();
    std::fs::remove_file(&index)?;
    Ok(applied)
}

fn git(repository: &str, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut child = Command::new("git")
        .args(["-C", repository])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().ok_or("no stdin")?;
    let stdin = stdin.to_vec();
    let feeder = std::thread::spawn(move || pipe.write_all(&stdin));
    let mut out = Vec::new();
    child.stdout.take().ok_or("no stdout")?.read_to_end(&mut out)?;
    let _ = feeder.join();
    match child.wait()?.success() {
        true => Ok(out),
        false => Err(format!("git {args:?} failed").into()),
    }
}

/// Objects read through one `git cat-file --batch`.
struct CatFile {
    format: ObjectFormat,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    child: Child,
}

impl CatFile {
    fn spawn(repository: &str) -> Result<Self, Box<dyn Error>> {
        let format = git(repository, &["rev-parse", "--show-object-format"], &[])?;
        let format = String::from_utf8(format)?.trim().parse()?;
        let mut child = Command::new("git")
            .args(["-C", repository, "cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no stdin")?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(CatFile { format, pipes: Mutex::new((stdin, stdout)), child })
    }

    fn ask(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, Box<dyn Error + Send + Sync>> {
        let mut pipes = self.pipes.lock().expect("no panic while locked");
        let (stdin, stdout) = &mut *pipes;
        writeln!(stdin, "{id}")?;
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let [_, kind, size] = line.split_whitespace().collect::<Vec<_>>()[..] else { return Ok(None) };
        out.clear();
        out.resize(size.parse::<usize>()? + 1, 0);
        stdout.read_exact(out)?;
        out.pop();
        Ok(Some(Kind::from_name(kind.as_bytes())?))
    }
}

impl Objects for CatFile {
    fn format(&self) -> ObjectFormat {
        self.format
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        self.ask(id, out).map_err(|error| ReadError::unavailable(id, error))
    }
}

impl Drop for CatFile {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
