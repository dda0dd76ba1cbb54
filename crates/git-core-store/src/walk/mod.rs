//! Walks over history: commits, everything they reach, what to send, what is missing.
