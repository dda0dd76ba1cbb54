//! What the jobs work on: copies and variants of one history, each made once, when first asked for, and kept below
//! the target folder.
//!
//! Everything is made by git, so that all find the same.

use super::generate;
use crate::Outcome;
use crate::interop::fixture;
use crate::interop::lab::Lab;
use crate::run::read_within;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long making one thing may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Commits that an incremental fetch brings.
const NEWS: usize = 200;
/// Refs of the repositories that have many.
pub(super) const REFS: usize = 100_000;
/// Objects that are looked up.
pub(super) const READS: usize = 200_000;
/// Objects that are pushed.
pub(super) const PUSHED: usize = 15_000;

/// Where a history comes from.
#[derive(Clone)]
pub(super) enum Source {
    Repository(PathBuf),
    Generated(u32),
}

/// One history and what is made of it.
pub(super) struct Bed {
    pub(super) lab: Lab,
    pub(super) name: String,
    source: Source,
    place: PathBuf,
}

impl Bed {
    /// Below `parent`, in a folder of this name.
    pub(super) fn new(lab: &Lab, parent: &Path, name: &str, source: Source) -> Outcome<Bed> {
        let place = parent.join(name);
        fs::create_dir_all(place.join("served"))?;
        let lab = lab.at(&place.join("home"), 2)?;
        Ok(Bed { lab, name: name.to_owned(), source, place })
    }

    /// The folder whose repositories are served.
    pub(super) fn served(&self) -> PathBuf {
        self.place.join("served")
    }

    /// A file or folder for the output of one run; what an earlier one left is removed.
    pub(super) fn scratch(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.place.join(name);
        remove(&path)?;
        Ok(path)
    }

    /// The log of servers.
    pub(super) fn log(&self) -> PathBuf {
        self.place.join("log")
    }

    /// All that can be reached from the refs, in one pack, with nothing beside it.
    pub(super) fn plain(&self) -> Outcome<PathBuf> {
        self.made("served/plain.git", |path| {
            let from = match &self.source {
                Source::Repository(repo) => std::path::absolute(repo)?,
                Source::Generated(_) => self.original()?,
            };
            // Not the path alone, with which git would copy what nothing refers to as well.
            let from = format!("file://{}", from.display());
            self.ask(&["clone", "--quiet", "--mirror", &from, &path.display().to_string()])?;
            self.lab.ask(path, &["pack-refs", "--all"])?;
            self.lab.ask(path, &["config", "--unset-all", "remote.origin.url"])?;
            Ok(())
        })
    }

    /// The same with a bitmap.
    pub(super) fn bitmap(&self) -> Outcome<PathBuf> {
        let plain = self.plain()?;
        self.made("served/bitmap.git", |path| {
            self.copy(&plain, path)?;
            self.lab.ask(path, &["repack", "-a", "-d", "-b", "-q"]).map(|_| ())
        })
    }

    /// The same as [`Bed::plain`] with a commit-graph.
    pub(super) fn graph(&self) -> Outcome<PathBuf> {
        let plain = self.plain()?;
        self.made("served/graph.git", |path| {
            self.copy(&plain, path)?;
            self.lab.ask(path, &["commit-graph", "write", "--reachable"]).map(|_| ())
        })
    }

    /// [`Bed::plain`] and new objects on a branch `interop`.
    pub(super) fn work(&self) -> Outcome<PathBuf> {
        let plain = self.plain()?;
        let tip = self.tip()?;
        self.made("work.git", |path| {
            self.copy(&plain, path)?;
            fixture::import(&self.lab, path, &fixture::news(&tip, PUSHED / 100))
        })
    }

    /// The largest pack of the original, with its index, as `history.pack`.
    pub(super) fn pack(&self) -> Outcome<PathBuf> {
        let folder = self.made("pack", |path| {
            let repo = match &self.source {
                Source::Repository(repo) => repo.clone(),
                Source::Generated(_) => self.original()?,
            };
            let folder = [repo.join("objects/pack"), repo.join(".git/objects/pack")];
            let folder = folder.iter().find(|folder| folder.is_dir()).ok_or("the repository has no packs")?;
            let largest = packs(folder)?.pop().ok_or("the repository has no pack")?;
            fs::create_dir_all(path)?;
            fs::copy(&largest, path.join("history.pack"))?;
            fs::copy(largest.with_extension("idx"), path.join("history.idx"))?;
            Ok(())
        })?;
        Ok(folder.join("history.pack"))
    }

    /// Names of objects in an order without a pattern, one per line.
    pub(super) fn ids(&self) -> Outcome<PathBuf> {
        let plain = self.plain()?;
        self.made("ids", |path| {
            let all =
                self.lab.ask(&plain, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"])?;
            let mut ids: Vec<&str> = all.lines().collect();
            let mut noise = fixture::Noise(0x6a09_e667_f3bc_c908);
            for last in (1..ids.len()).rev() {
                ids.swap(last, (noise.next() % (last as u64 + 1)) as usize);
            }
            let text: String = ids.iter().cycle().take(READS).flat_map(|id| [*id, "\n"]).collect();
            Ok(fs::write(path, text)?)
        })
    }

    /// A small repository with a thousand commits, for refs to point at.
    pub(super) fn few(&self, reftable: bool) -> Outcome<PathBuf> {
        let (name, format) = if reftable { ("few-reftable.git", "reftable") } else { ("few.git", "files") };
        self.made(name, |path| {
            let format = format!("--ref-format={format}");
            self.ask(&["init", "--quiet", "--bare", &format, &path.display().to_string()])?;
            let stream = fixture::commits("refs/heads/main", "", "few", 1000).replacen("from \n", "", 1);
            fixture::import(&self.lab, path, &stream)
        })
    }

    /// What `update-ref --stdin` reads to create very many refs.
    pub(super) fn creations(&self) -> Outcome<PathBuf> {
        let few = self.few(false)?;
        self.made("creations", |path| {
            let all = self.lab.ask(&few, &["rev-list", "main"])?;
            let commits: Vec<&str> = all.lines().collect();
            let text: String = commits
                .iter()
                .cycle()
                .take(REFS)
                .enumerate()
                .map(|(number, id)| format!("create refs/heads/topic/{:03}/{number:06} {id}\n", number % 997))
                .collect();
            Ok(fs::write(path, text)?)
        })
    }

    /// A repository with very many refs.
    pub(super) fn many(&self, kind: Kind) -> Outcome<PathBuf> {
        let name = match kind {
            Kind::Loose => "served/loose.git",
            Kind::Packed => "served/packed.git",
            Kind::Reftable => "served/reftable.git",
        };
        let (few, creations) = (self.few(kind == Kind::Reftable)?, self.creations()?);
        self.made(name, |path| {
            duplicate(&few, path)?;
            let mut command = self.lab.git(path);
            command.args(["update-ref", "--stdin"]).stdin(Stdio::from(File::open(&creations)?));
            read_within(&mut command, PATIENCE)?;
            if kind == Kind::Packed {
                self.lab.ask(path, &["pack-refs", "--all"])?;
            }
            Ok(())
        })
    }

    /// Every tip once.
    pub(super) fn wants(&self) -> Outcome<Vec<String>> {
        let all = self.lab.ask(&self.plain()?, &["for-each-ref", "--format=%(objectname)"])?;
        let mut wants: Vec<String> = all.lines().map(str::to_owned).collect();
        wants.sort();
        wants.dedup();
        Ok(wants)
    }

    pub(super) fn tip(&self) -> Outcome<String> {
        Ok(self.lab.ask(&self.plain()?, &["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// What somebody has who last fetched a while ago.
    pub(super) fn old(&self) -> Outcome<String> {
        let plain = self.plain()?;
        let length = self.lab.ask(&plain, &["rev-list", "--first-parent", "--count", "HEAD"])?;
        let back = NEWS.min(length.trim().parse::<usize>()?.saturating_sub(1));
        Ok(self.lab.ask(&plain, &["rev-parse", &format!("HEAD~{back}")])?.trim().to_owned())
    }

    pub(super) fn format(&self) -> Outcome<String> {
        Ok(self.lab.ask(&self.plain()?, &["rev-parse", "--show-object-format"])?.trim().to_owned())
    }

    /// Objects that can be reached, objects of the largest pack, and its bytes.
    pub(super) fn sizes(&self) -> Outcome<(u64, u64, u64)> {
        let (plain, pack) = (self.plain()?, self.pack()?);
        let count = |name: &str, count: &dyn Fn() -> Outcome<usize>| -> Outcome<u64> {
            let file = self.made(name, |path| Ok(fs::write(path, count()?.to_string())?))?;
            Ok(fs::read_to_string(file)?.parse()?)
        };
        let reachable = count("reachable", &|| {
            Ok(self
                .lab
                .ask(&plain, &["rev-list", "--objects", "--all", "--no-object-names"])?
                .lines()
                .count())
        })?;
        let packed = count("packed", &|| {
            let mut command = self.lab.git(&self.place);
            command.arg("show-index").stdin(Stdio::from(File::open(pack.with_extension("idx"))?));
            Ok(read_within(&mut command, PATIENCE)?.lines().count())
        })?;
        Ok((reachable, packed, fs::metadata(&pack)?.len()))
    }

    /// A copy whose packs are shared by hard links.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> Outcome {
        remove(to)?;
        let (from, to) = (from.display().to_string(), to.display().to_string());
        self.ask(&["clone", "--quiet", "--mirror", "--local", &from, &to])
    }

    /// The made-up history itself.
    fn original(&self) -> Outcome<PathBuf> {
        let Source::Generated(objects) = self.source else { return Err("not a made-up history".into()) };
        self.made("original.git", |path| {
            self.ask(&["init", "--quiet", "--bare", &path.display().to_string()])?;
            let mut command = self.lab.git(path);
            // Without a size limit for what is kept unpacked, small imports would become loose objects.
            command.args(["-c", "fastimport.unpackLimit=1", "fast-import", "--quiet"]);
            generate::import(&mut command, objects)
        })
    }

    /// Makes it unless it is there; what was half made is never seen.
    fn made(&self, name: &str, make: impl FnOnce(&Path) -> Outcome) -> Outcome<PathBuf> {
        let path = self.place.join(name);
        if path.exists() {
            return Ok(path);
        }
        println!("  making {name}");
        let partial = self.place.join(format!("partial-{}", name.replace('/', "-")));
        remove(&partial)?;
        make(&partial)?;
        fs::rename(&partial, &path)?;
        Ok(path)
    }

    fn ask(&self, arguments: &[&str]) -> Outcome {
        let mut command: Command = self.lab.git(&self.place);
        read_within(command.args(arguments), PATIENCE).map(|_| ())
    }
}

/// How very many refs are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Loose,
    Packed,
    Reftable,
}

/// The packs of a folder, the largest last.
pub(super) fn packs(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            all.push((fs::metadata(&path)?.len(), path));
        }
    }
    all.sort();
    Ok(all.into_iter().map(|(_, path)| path).collect())
}

/// A copy file by file.
pub(super) fn duplicate(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            duplicate(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Outcome {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(fs::remove_dir_all(path)?),
        Ok(_) => Ok(fs::remove_file(path)?),
        Err(_) => Ok(()),
    }
}
