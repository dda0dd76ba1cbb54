//! Tree differences and patches, as git diff-tree -p prints them.
#![forbid(unsafe_code)]
