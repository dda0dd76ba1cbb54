//! A Git engine: repositories, remotes and an embeddable server.
#![forbid(unsafe_code)]
