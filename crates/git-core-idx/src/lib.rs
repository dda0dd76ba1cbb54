//! Where an object is: pack indexes and their companions, as pure functions on bytes.
#![forbid(unsafe_code)]
