//! The client of each conversation: bytes and answers in, bytes and questions out.
