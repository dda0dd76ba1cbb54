//! Storage of repositories: traits, file system and memory, lookup, walks, quarantine, discovery.
