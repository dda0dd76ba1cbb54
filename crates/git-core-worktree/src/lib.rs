//! The staging index and a checkout that stays inside its directory.
#![forbid(unsafe_code)]
