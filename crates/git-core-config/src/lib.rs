//! The grammar of the files people write for Git: configuration, attributes, patterns.
#![forbid(unsafe_code)]
