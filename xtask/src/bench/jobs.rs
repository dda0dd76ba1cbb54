//! The jobs: what is run, on what, and what is compared so that nobody is fast by doing less.

use super::bed::{Bed, Kind as Refs, PUSHED, READS, REFS, duplicate, packs};
use super::peers::{Kind, Peer};
use super::results::History;
use super::targets::{Figure, Target};
use crate::Outcome;
use crate::interop::client::Client;
use crate::interop::matrix::{Asking, Serving};
use crate::interop::measure::{self, Sample, Watch};
use crate::interop::raw;
use crate::interop::server::Server;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// One job.
pub(super) struct Job {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) targets: &'static [Target],
    /// How many things are done, for a throughput, and what they are.
    pub(super) items: (fn(&History) -> u64, &'static str),
    /// It has nothing to do with the history at hand, so it is done once, beside the first one.
    pub(super) apart: bool,
    run: fn(&Bed, &Peer, Mode) -> Outcome<Run>,
}

/// Whether what comes out is looked at, or time and memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Prepare,
    Check,
    Measure,
}

/// What one run gave.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) sample: Sample,
    /// Stands for the result; equal for all who did the same.
    pub(super) digest: String,
}

impl Job {
    pub(super) fn run(&self, bed: &Bed, peer: &Peer, mode: Mode) -> Outcome<Run> {
        (self.run)(bed, peer, mode)
    }
}

const OBJECTS: (fn(&History) -> u64, &str) = (|history| history.objects, "objects");
const PACKED: (fn(&History) -> u64, &str) = (|history| history.packed, "objects");

/// All of them, in the order of the page.
pub(super) const JOBS: &[Job] = &[
    Job {
        key: "index-pack",
        title: "index a received pack",
        targets: &[Target::ratio(Figure::Time, 0.20).or_large(0.17), Target::memory(128.0).or_large(256.0)],
        items: PACKED,
        apart: false,
        run: index_pack,
    },
    Job {
        key: "verify-pack",
        title: "verify a pack",
        targets: &[Target::ratio(Figure::Time, 0.15)],
        items: PACKED,
        apart: false,
        run: verify_pack,
    },
    Job {
        key: "serve-clone-bitmap",
        title: "serve a full clone, with a bitmap",
        targets: &[
            Target::ratio(Figure::Processor, 0.25),
            Target::ratio(Figure::First, 0.3),
            Target::memory(64.0),
        ],
        items: OBJECTS,
        apart: false,
        run: |bed, peer, mode| serve(bed, peer, mode, &bed.bitmap()?, &bed.wants()?, &[]),
    },
    Job {
        key: "serve-clone",
        title: "serve a full clone, without a bitmap",
        targets: &[
            Target::ratio(Figure::Processor, 0.5),
            Target::ratio(Figure::First, 0.5),
            Target::memory(96.0),
        ],
        items: OBJECTS,
        apart: false,
        run: |bed, peer, mode| serve(bed, peer, mode, &bed.plain()?, &bed.wants()?, &[]),
    },
    Job {
        key: "serve-fetch",
        title: "serve a fetch of 200 commits",
        targets: &[Target::ratio(Figure::Processor, 0.3)],
        items: (|_| 1, "fetches"),
        apart: false,
        run: |bed, peer, mode| serve(bed, peer, mode, &bed.plain()?, &[bed.tip()?], &[bed.old()?]),
    },
    Job {
        key: "serve-fetch-bitmap",
        title: "serve a fetch of 200 commits, with a bitmap",
        targets: &[Target::ratio(Figure::Processor, 0.5)],
        items: (|_| 1, "fetches"),
        apart: false,
        run: |bed, peer, mode| serve(bed, peer, mode, &bed.bitmap()?, &[bed.tip()?], &[bed.old()?]),
    },
    Job {
        key: "clone",
        title: "clone from git's daemon, the client",
        targets: &[Target::ratio(Figure::Time, 0.35)],
        items: OBJECTS,
        apart: false,
        run: clone,
    },
    Job {
        key: "repack-full",
        title: "repack with delta search (window 10, depth 50)",
        targets: &[
            Target::ratio(Figure::Processor, 0.6),
            Target::ratio(Figure::Size, 1.02),
            Target::memory(488.0),
        ],
        items: OBJECTS,
        apart: false,
        run: |bed, peer, mode| repack(bed, peer, mode, &["-f", "--window=10", "--depth=50"]),
    },
    Job {
        key: "repack-bitmap",
        title: "repack with reuse and a bitmap",
        targets: &[Target::ratio(Figure::Time, 0.5)],
        items: OBJECTS,
        apart: false,
        run: |bed, peer, mode| repack(bed, peer, mode, &["-b"]),
    },
    Job {
        key: "rev-list-objects",
        title: "rev-list --objects --all",
        targets: &[Target::ratio(Figure::Time, 0.5)],
        items: OBJECTS,
        apart: false,
        run: |bed, peer, mode| {
            reading(bed, peer, mode, &bed.plain()?, &["rev-list", "--objects", "--all"], None, Digest::Ids)
        },
    },
    Job {
        key: "rev-list-objects-bitmap",
        title: "rev-list --objects --all, with a bitmap",
        targets: &[Target::ratio(Figure::Time, 0.5)],
        items: OBJECTS,
        apart: false,
        run: |bed, peer, mode| {
            let words = ["rev-list", "--use-bitmap-index", "--objects", "--all"];
            reading(bed, peer, mode, &bed.bitmap()?, &words, None, Digest::Ids)
        },
    },
    Job {
        key: "rev-list-count",
        title: "rev-list --count --all, with a commit-graph",
        targets: &[Target::ratio(Figure::Time, 0.7)],
        items: (|_| 1, "counts"),
        apart: false,
        run: |bed, peer, mode| {
            reading(bed, peer, mode, &bed.graph()?, &["rev-list", "--count", "--all"], None, Digest::Exact)
        },
    },
    Job {
        key: "cat-file-batch",
        title: "200,000 random reads, cat-file --batch",
        targets: &[Target::ratio(Figure::Time, 0.4)],
        items: (|_| READS as u64, "objects"),
        apart: false,
        run: |bed, peer, mode| {
            let (words, ids) = (["cat-file", "--batch", "--buffer"], bed.ids()?);
            reading(bed, peer, mode, &bed.plain()?, &words, Some(&ids), Digest::Exact)
        },
    },
    Job {
        key: "cat-file-check",
        title: "200,000 random look-ups, cat-file --batch-check",
        targets: &[Target::ratio(Figure::Time, 0.5)],
        items: (|_| READS as u64, "objects"),
        apart: false,
        run: |bed, peer, mode| {
            let (words, ids) = (["cat-file", "--batch-check", "--buffer"], bed.ids()?);
            reading(bed, peer, mode, &bed.plain()?, &words, Some(&ids), Digest::Exact)
        },
    },
    Job {
        key: "push-client",
        title: "push 15,000 new objects, the client",
        targets: &[Target::ratio(Figure::Processor, 0.6)],
        items: (|_| PUSHED as u64, "objects"),
        apart: false,
        run: |bed, peer, mode| push(bed, peer, mode, Role::Client),
    },
    Job {
        key: "push-server",
        title: "push 15,000 new objects, the server",
        targets: &[Target::ratio(Figure::Processor, 0.5)],
        items: (|_| PUSHED as u64, "objects"),
        apart: false,
        run: |bed, peer, mode| push(bed, peer, mode, Role::Server),
    },
    Job {
        key: "list-refs-packed",
        title: "serve the list of 100,000 refs, packed",
        targets: &[Target::ratio(Figure::Processor, 0.4)],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: |bed, peer, mode| list_refs(bed, peer, mode, Refs::Packed),
    },
    Job {
        key: "list-refs-reftable",
        title: "serve the list of 100,000 refs, reftable",
        targets: &[Target::ratio(Figure::Processor, 0.4)],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: |bed, peer, mode| list_refs(bed, peer, mode, Refs::Reftable),
    },
    Job {
        key: "list-refs-loose",
        title: "serve the list of 100,000 refs, loose",
        targets: &[Target::ratio(Figure::Processor, 0.7)],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: |bed, peer, mode| list_refs(bed, peer, mode, Refs::Loose),
    },
    Job {
        key: "for-each-ref",
        title: "print 100,000 refs, packed",
        targets: &[],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: |bed, peer, mode| {
            let words = ["for-each-ref", "--format=%(objectname) %(refname)"];
            reading(bed, peer, mode, &bed.many(Refs::Packed)?, &words, None, Digest::Exact)
        },
    },
    Job {
        key: "create-refs",
        title: "create 100,000 refs, files",
        targets: &[Target::ratio(Figure::Time, 0.5)],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: |bed, peer, mode| create_refs(bed, peer, mode, false),
    },
    Job {
        key: "create-refs-reftable",
        title: "create 100,000 refs, reftable",
        targets: &[Target::ratio(Figure::Time, 0.3)],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: |bed, peer, mode| create_refs(bed, peer, mode, true),
    },
    Job {
        key: "pack-refs",
        title: "pack 100,000 loose refs",
        targets: &[Target::ratio(Figure::Time, 0.1)],
        items: (|_| REFS as u64, "refs"),
        apart: true,
        run: pack_refs,
    },
];

/// How the output of a command becomes a digest.
#[derive(Clone, Copy)]
enum Digest {
    /// Every byte.
    Exact,
    /// The first word of each line, in any order.
    Ids,
}

fn index_pack(bed: &Bed, peer: &Peer, mode: Mode) -> Outcome<Run> {
    let pack = bed.pack()?;
    let out = bed.scratch("indexed")?;
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    fs::create_dir(&out)?;
    let idx = out.join("x.idx");
    let (to, from) = (idx.display().to_string(), pack.display().to_string());
    let sample = measure::command(&mut peer.command(bed, &out, &["index-pack", "-o", &to, &from]))?;
    let digest = if mode == Mode::Check { digest(File::open(&idx)?, Digest::Exact)? } else { String::new() };
    Ok(Run { sample, digest })
}

fn verify_pack(bed: &Bed, peer: &Peer, mode: Mode) -> Outcome<Run> {
    let idx = bed.pack()?.with_extension("idx").display().to_string();
    let folder = bed.served();
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    let sample = measure::command(&mut peer.command(bed, &folder, &["verify-pack", &idx]))?;
    Ok(Run { sample, digest: String::new() })
}

/// A command that only reads and prints.
fn reading(
    bed: &Bed,
    peer: &Peer,
    mode: Mode,
    folder: &Path,
    words: &[&str],
    input: Option<&Path>,
    how: Digest,
) -> Outcome<Run> {
    let mut command = peer.command(bed, folder, words);
    if let Some(input) = input {
        command.stdin(Stdio::from(File::open(input)?));
    }
    match mode {
        Mode::Prepare => Ok(Run::default()),
        Mode::Measure => Ok(Run { sample: measure::command(&mut command)?, digest: String::new() }),
        Mode::Check => Ok(Run { sample: Sample::default(), digest: printed(&mut command, how)? }),
    }
}

fn clone(bed: &Bed, peer: &Peer, mode: Mode) -> Outcome<Run> {
    let name = file_name(&bed.plain()?);
    let copy = bed.scratch("cloned.git")?;
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    let server = server(bed, Serving::GitDaemon)?;
    let (url, target) = (server.url(&name), copy.display().to_string());
    let words = ["clone", "--quiet", "--bare", &url, &target];
    let sample = measure::command(&mut peer.command(bed, &bed.served(), &words))?;
    let mut digest = String::new();
    if mode == Mode::Check {
        let mut objects = bed.lab.git(&copy);
        objects.args(["rev-list", "--objects", "--all", "--no-object-names"]);
        digest = printed(&mut objects, Digest::Ids)?;
    }
    fs::remove_dir_all(copy)?;
    Ok(Run { sample, digest })
}

/// What a server takes until a client, which throws it away, has a pack.
fn serve(
    bed: &Bed,
    peer: &Peer,
    mode: Mode,
    repo: &Path,
    wants: &[String],
    haves: &[String],
) -> Outcome<Run> {
    let (serving, format) = (serving(peer)?, bed.format()?);
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    let server = server(bed, serving)?;
    let watch = Watch::start(server.pid().ok_or("the server is no process")?);
    let passed = raw::fetch(&server.url(&file_name(repo)), &format, wants, haves);
    let mut sample = watch.stop();
    let passed = passed.map_err(|error| with_log(bed, &error.to_string()))?;
    sample.cpu = server.stop().or(sample.cpu);
    sample.first = Some(passed.first);
    sample.bytes = Some(passed.bytes as f64);
    // A fetch may bring more than was asked for, depending on how the server finds out what is there.
    let digest = if haves.is_empty() { passed.objects.to_string() } else { String::new() };
    Ok(Run { sample, digest })
}

fn list_refs(bed: &Bed, peer: &Peer, mode: Mode, refs: Refs) -> Outcome<Run> {
    let (serving, repo) = (serving(peer)?, bed.many(refs)?);
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    let server = server(bed, serving)?;
    let watch = Watch::start(server.pid().ok_or("the server is no process")?);
    let listed = raw::list(&server.url(&file_name(&repo)));
    let mut sample = watch.stop();
    let listed = listed.map_err(|error| with_log(bed, &error.to_string()))?;
    sample.cpu = server.stop().or(sample.cpu);
    Ok(Run { sample, digest: format!("{} refs, {:x}", listed.refs, listed.digest) })
}

/// Whose work is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

fn push(bed: &Bed, peer: &Peer, mode: Mode, role: Role) -> Outcome<Run> {
    serving(peer)?;
    let (plain, work) = (bed.plain()?, bed.work()?);
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    let target = bed.served().join("pushed.git");
    bed.copy(&plain, &target)?;
    let ours = peer.kind == Kind::Ours;
    let server =
        server(bed, if ours && role == Role::Server { Serving::ServeGit } else { Serving::GitDaemon })?;
    let asking = if ours && role == Role::Client { Asking::Ours } else { Asking::Git };
    let client = Client { lab: &bed.lab, asking, services: None, trace: None };
    let mut push = client.push(&work, &server.url("pushed.git"), &["interop"]);
    let sample = match role {
        Role::Client => measure::command(&mut push)?,
        Role::Server => {
            let watch = Watch::start(server.pid().ok_or("the server is no process")?);
            let done = measure::command(&mut push);
            let mut sample = watch.stop();
            done?;
            sample.cpu = server.stop().or(sample.cpu);
            sample
        }
    };
    let mut objects = bed.lab.git(&target);
    objects.args(["rev-list", "--objects", "interop", "--no-object-names"]);
    let digest = if mode == Mode::Check { printed(&mut objects, Digest::Ids)? } else { String::new() };
    fs::remove_dir_all(target)?;
    Ok(Run { sample, digest })
}

fn repack(bed: &Bed, peer: &Peer, mode: Mode, options: &[&str]) -> Outcome<Run> {
    let (plain, copy) = (bed.plain()?, bed.scratch("repacked.git")?);
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    bed.copy(&plain, &copy)?;
    let words = [&["repack", "-a", "-d", "-q"], options].concat();
    let mut sample = measure::command(&mut peer.command(bed, &copy, &words))?;
    let folder = copy.join("objects/pack");
    let made = packs(&folder)?;
    let bitmap = made.iter().any(|pack| pack.with_extension("bitmap").exists());
    if options.contains(&"-b") && !bitmap {
        return Err("repack -b left no bitmap".into());
    }
    let sizes: Result<Vec<u64>, _> = made.iter().map(|pack| Ok(fs::metadata(pack)?.len())).collect();
    sample.bytes = sizes
        .map(|sizes: Vec<u64>| Some(sizes.iter().sum::<u64>() as f64))
        .map_err(|error: std::io::Error| -> Box<dyn std::error::Error + Send + Sync> { error.into() })?;
    let mut digest = String::new();
    if mode == Mode::Check {
        let mut all = bed.lab.git(&copy);
        all.args(["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objectsize)"]);
        digest = format!("{} pack, {}", made.len(), printed(&mut all, Digest::Exact)?);
    }
    fs::remove_dir_all(copy)?;
    Ok(Run { sample, digest })
}

fn create_refs(bed: &Bed, peer: &Peer, mode: Mode, reftable: bool) -> Outcome<Run> {
    let (few, input) = (bed.few(reftable)?, bed.creations()?);
    let copy = bed.scratch("created.git")?;
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    duplicate(&few, &copy)?;
    let mut command = peer.command(bed, &copy, &["update-ref", "--stdin"]);
    let sample = measure::command(command.stdin(Stdio::from(File::open(input)?)))?;
    refs_of(bed, &copy, sample, mode)
}

fn pack_refs(bed: &Bed, peer: &Peer, mode: Mode) -> Outcome<Run> {
    let (loose, copy) = (bed.many(Refs::Loose)?, bed.scratch("packed-refs.git")?);
    if mode == Mode::Prepare {
        return Ok(Run::default());
    }
    duplicate(&loose, &copy)?;
    let sample = measure::command(&mut peer.command(bed, &copy, &["pack-refs", "--all"]))?;
    if !copy.join("packed-refs").exists() {
        return Err("pack-refs left no packed-refs".into());
    }
    refs_of(bed, &copy, sample, mode)
}

fn refs_of(bed: &Bed, repo: &Path, sample: Sample, mode: Mode) -> Outcome<Run> {
    let mut digest = String::new();
    if mode == Mode::Check {
        let mut refs = bed.lab.git(repo);
        refs.args(["for-each-ref", "--format=%(refname) %(objectname)"]);
        digest = printed(&mut refs, Digest::Exact)?;
    }
    fs::remove_dir_all(repo)?;
    Ok(Run { sample, digest })
}

fn serving(peer: &Peer) -> Outcome<Serving> {
    match peer.kind {
        Kind::Git => Ok(Serving::GitDaemon),
        Kind::Ours => Ok(Serving::ServeGit),
        Kind::Other(_) => Err("usage: not a server".into()),
    }
}

fn server(bed: &Bed, serving: Serving) -> Outcome<Server> {
    Server::start(&bed.lab, serving, &bed.served(), &bed.log(), None)
}

/// What a client is told of a failure says less than the server's log.
fn with_log(bed: &Bed, error: &str) -> String {
    let log = fs::read_to_string(bed.log()).unwrap_or_default();
    format!("{}; the server: {}", error.trim_end(), crate::run::tail(&log, 3))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs to a good end and digests what is printed.
fn printed(command: &mut Command, how: Digest) -> Outcome<String> {
    let errors = tempfile::NamedTempFile::new()?;
    let mut child = crate::run::Running(
        command
            .stdout(Stdio::piped())
            .stderr(errors.reopen()?)
            .spawn()
            .map_err(|error| format!("{}: {error}", crate::run::shown(command)))?,
    );
    let digest = digest(child.0.stdout.take().ok_or("no output")?, how)?;
    let status = child.0.wait()?;
    if status.success() {
        return Ok(digest);
    }
    let words = fs::read_to_string(errors.path()).unwrap_or_default();
    Err(measure::failed(command, status, &words))
}

fn digest(from: impl Read, how: Digest) -> Outcome<String> {
    let mut from = BufReader::with_capacity(1 << 18, from);
    match how {
        Digest::Exact => {
            // FNV-1a: where the reads begin and end makes no difference.
            let (mut hash, mut length) = (0xcbf2_9ce4_8422_2325_u64, 0);
            loop {
                let bytes = from.fill_buf()?;
                if bytes.is_empty() {
                    return Ok(format!("{length} bytes, {hash:x}"));
                }
                for byte in bytes {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
                let taken = bytes.len();
                length += taken;
                from.consume(taken);
            }
        }
        Digest::Ids => {
            let (mut sum, mut lines, mut line) = (0_u64, 0_u64, Vec::new());
            while from.read_until(b'\n', &mut line)? > 0 {
                let id = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
                let mut hasher = DefaultHasher::new();
                hasher.write(id);
                sum = sum.wrapping_add(hasher.finish());
                lines += 1;
                line.clear();
            }
            Ok(format!("{lines} ids, {sum:x}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_in_any_order() {
        let digest = |text: &str| digest(text.as_bytes(), Digest::Ids).unwrap();
        assert_eq!(digest("aa x\nbb\n"), digest("bb y\naa\n"));
        assert_ne!(digest("aa\nbb\n"), digest("aa\naa\n"));
    }

    #[test]
    fn keys_are_unique() {
        let keys: std::collections::BTreeSet<&str> = JOBS.iter().map(|job| job.key).collect();
        assert_eq!(keys.len(), JOBS.len());
    }
}
