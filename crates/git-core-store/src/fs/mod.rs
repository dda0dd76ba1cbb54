//! A repository on a file system, laid out as git lays it out.
