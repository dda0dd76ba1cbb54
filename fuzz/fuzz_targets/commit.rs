//! Content of commits: what parses is written again byte by byte, and walks see the same parents.
#![no_main]

use git_core_object::check::{CheckOptions, check};
use git_core_object::{CommitRef, Kind, ObjectFormat, commit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        check(format, Kind::Commit, content, &CheckOptions::strict());
        let links = commit::links(format, content);
        if let Ok(commit) = CommitRef::parse(format, content) {
            let links = links.expect("less is needed for a walk");
            assert_eq!(links.parents().collect::<Vec<_>>(), commit.parents());
            let _ = (commit.author().to_owned(), commit.committer().time(), commit.summary());
            assert_eq!(commit.to_owned().to_bytes(), content);
        }
    }
});
