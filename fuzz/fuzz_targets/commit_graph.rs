//! Commit-graph files of either format, alone and as a chain: opened or refused; then no access panics.
#![no_main]

use git_core_idx::graph::{CommitGraph, GraphFile, GraphPosition};
use git_core_object::{IdPrefix, ObjectFormat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&split, data)) = data.split_first() else { return };
    let (lower, upper) = data.split_at(data.len() * usize::from(split) / 255);
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let files: Vec<_> =
            [lower, upper].into_iter().filter_map(|bytes| GraphFile::open(bytes, format).ok()).collect();
        for file in &files {
            let _ = file.verify();
            if file.count() > 0 {
                let hex = file.id(0).to_hex();
                let prefix = IdPrefix::from_hex(format, &hex.as_bytes()[..3]).expect("three digits");
                let _ = file.lookup_prefix(&prefix);
            }
        }
        let chains = [files.clone(), files.into_iter().take(1).collect()];
        for graph in chains.into_iter().filter_map(|files| CommitGraph::new(files).ok()) {
            let key = graph.filter_settings().map(|settings| settings.key(b"some/path"));
            for at in (0..graph.count()).map(GraphPosition) {
                let _ = (graph.lookup(&graph.id(at)), graph.tree(at), graph.time(at), graph.generation(at));
                graph.parents(at).for_each(drop);
                if let (Some(key), Some((_, filter))) = (&key, graph.filter(at)) {
                    let _ = filter.may_contain(key);
                }
            }
        }
    }
});
