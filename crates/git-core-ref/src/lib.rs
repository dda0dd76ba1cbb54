//! Ref names, refspecs, packed-refs, reflog lines and ref transactions as data.
#![forbid(unsafe_code)]
