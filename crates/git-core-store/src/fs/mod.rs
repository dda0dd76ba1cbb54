//! A repository on a file system, laid out as git does (`gitrepository-layout(5)`).

pub mod sys;
