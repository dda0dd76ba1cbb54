//! Builds a history by hand: a blob, a tree, a commit, a branch; changes the file; prints the difference.
//!
//! `cargo run --example object_store -- <folder>` leaves a repository that git finds nothing wrong with.

use git_core::object::{Blob, Commit, EntryKind, Ident, Time, Tree};
use git_core::{InitOptions, Repository};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: object_store <folder>")?;
    let repository = Repository::init(&folder, &InitOptions::work_tree())?;
    print!("{}", String::from_utf8_lossy(&walkthrough(&repository)?));
    Ok(())
}

fn walkthrough(repository: &Repository) -> Result<Vec<u8>, Box<dyn Error>> {
    // A file, the directory that holds it, and a commit of that directory.
    let mut blob = Blob::from_bytes("My file content\n");
    let mut tree = Tree::new(repository.format());
    tree.add("spam", EntryKind::Blob, repository.write(&blob)?)?;
    let author = Ident::new("Your Name", "your.email@example.com", Time::new(1_700_000_000, -120))?;
    let first_tree = repository.write(&tree)?;
    let commit = Commit::new(first_tree, &author, &author, "Initial commit\n");
    let first = repository.write(&commit)?;

    // A branch that points to it, and a HEAD that points to the branch.
    let refs = repository.refs();
    refs.set("refs/heads/master", first)?;
    refs.set_symbolic("HEAD", "refs/heads/master")?;
    println!("HEAD is {}", refs.get("HEAD")?.ok_or("no HEAD")?);

    // The file changes, and everything above it is built again.
    blob.data = b"My new file content\n".to_vec();
    let mut tree = Tree::new(repository.format());
    tree.add("spam", EntryKind::Blob, repository.write(&blob)?)?;
    let second_tree = repository.write(&tree)?;
    let mut commit = Commit::new(second_tree, &author, &author, "Change \"spam\"\n").with_parent(first);
    commit.set_committer(&author.at(Time::new(1_700_000_060, -120)));
    refs.set("HEAD", repository.write(&commit)?)?;

    Ok(repository.patch(Some(first_tree), Some(second_tree))?)
}
