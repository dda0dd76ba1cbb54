//! Serves a repository from this process, fetches a raw pack from it, fetches it into another repository, and
//! pushes and deletes a branch: `cargo run --example remotes`. Everything stays in memory.

use git_core::Repository;
use git_core::object::{Blob, Commit, Context, EntryKind, Ident, ObjectFormat, Time, Tree};
use git_core::refs::Refspec;
use git_core::refs::refspec::Direction::{Fetch, Push};
use git_core::remote::{FetchOptions, Link, PushOptions, fetch_pack};
use git_core::server::{Backing, PushAccess, Server};
use git_core::transport::client::NoHistory;
use std::collections::BTreeMap;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let cx = Context::new();
    let upstream = Repository::in_memory(ObjectFormat::Sha1);
    let author = Ident::new("Your Name", "your.email@example.com", Time::new(1_700_000_000, 0))?;
    let mut tree = Tree::new(upstream.format());
    tree.add("README", EntryKind::Blob, upstream.write(&Blob::from_bytes("Hello\n"))?)?;
    let commit = Commit::new(upstream.write(&tree)?, &author, &author, "Initial commit\n");
    upstream.refs().set("refs/heads/master", upstream.write(&commit)?)?;

    // A server from a map of names to repositories, on a port that is free.
    let names = BTreeMap::from([("project".to_owned(), upstream.clone())]);
    let server = Server::new(Backing::new(names).with_access(PushAccess::Everybody));
    let running = server.listen_git("127.0.0.1:0".parse()?)?;
    let url = format!("git://{}/project", running.local_addr());

    // A raw pack: a closure says what is wanted, a walker what is here (nothing), a sink takes the bytes.
    let mut pack = Vec::new();
    let refs = fetch_pack(
        &url,
        |refs| refs.iter().filter(|one| one.name.is_branch()).filter_map(|one| one.id).collect(),
        &mut NoHistory,
        &mut |bytes| {
            pack.extend_from_slice(bytes);
            Ok(())
        },
        Link::default(),
        &cx,
    )?;
    println!("{} refs, a pack of {} bytes", refs.len(), pack.len());

    // The same into a repository: the walker comes with it.
    let work = Repository::in_memory(ObjectFormat::Sha1);
    let mut options = FetchOptions::default();
    options.refspecs = vec![Refspec::parse(Fetch, "refs/heads/master:refs/heads/master")?];
    let fetched = work.remote(&url)?.fetch(&options, Link::default(), &cx)?;
    println!("fetched {} objects", fetched.objects.unwrap_or(0));

    // Push to another name, then delete it again.
    for spec in ["master:refs/heads/qa/master", ":qa/master"] {
        let mut options = PushOptions::default();
        options.refspecs = vec![Refspec::parse(Push, spec)?];
        let pushed = work.remote(&url)?.push(&options, Link::default(), &cx)?;
        println!("pushed {spec}: {:?}", pushed.refs[0].status);
    }
    running.shutdown();
    Ok(())
}
