//! The table of commands; each one is a file here.

mod archive;
mod archive_remote;
mod bundle;
mod cat_file;
mod cat_file_answer;
mod cat_file_batch;
mod cat_file_change;
mod cat_file_follow;
mod cat_file_shares;
mod clone;
mod commit_graph;
mod count_objects;
mod daemon;
mod diff_tree;
mod fetch;
mod fetch_head;
mod fetch_many;
mod fetch_options;
mod fetch_pack;
mod fetch_table;
mod fetch_upstream;
mod for_each_ref;
mod gc;
mod hash_object;
mod http_backend;
mod index_pack;
mod index_pack_file;
mod init;
mod ls_remote;
mod merge_base;
mod multi_pack_index;
mod pack_objects;
mod pack_objects_bitmap;
mod pack_objects_cruft;
mod pack_objects_islands;
mod pack_objects_missing;
mod pack_objects_options;
mod pack_objects_write;
mod pack_refs;
mod prune;
mod prune_packed;
mod push;
mod push_default;
mod push_options;
mod push_table;
mod remote;
mod remote_add;
mod remote_branches;
mod remote_change;
mod remote_show;
mod remote_urls;
mod repack;
mod rev_list;
mod rev_list_bitmap;
mod rev_list_cherry;
mod rev_list_grep;
mod rev_list_history;
mod rev_list_objects;
mod rev_list_reflog;
mod rev_list_show;
mod rev_parse;
mod rev_parse_places;
mod send_pack;
mod serve;
mod show_index;
mod show_ref;
mod signing;
mod symbolic_ref;
mod unpack_objects;
mod unpack_objects_salvage;
mod update_ref;
mod update_ref_stdin;
mod upload_archive;
mod upload_pack;
mod verify_pack;

use crate::args::Args;
use crate::fail::Failure;
use crate::globals::Globals;
use std::fmt::Write as _;
use std::process::ExitCode;

/// A command: what it is called, what it says of itself, what it does.
pub(crate) struct Command {
    /// Its name, without `git-`.
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) summary: &'static str,
    /// Its arguments, as shown behind `usage: `.
    pub(crate) usage: &'static str,
    /// Runs it.
    pub(crate) run: fn(&Globals, Args) -> Result<ExitCode, Failure>,
}

/// All commands, in the order of [`overview`].
static COMMANDS: &[Command] = &[
    clone::COMMAND,
    fetch::COMMAND,
    push::COMMAND,
    daemon::COMMAND,
    http_backend::COMMAND,
    init::COMMAND,
    ls_remote::COMMAND,
    send_pack::COMMAND,
    serve::COMMAND,
    upload_pack::UPLOAD_ARCHIVE,
    upload_pack::UPLOAD_PACK,
    upload_pack::RECEIVE_PACK,
    archive::COMMAND,
    bundle::COMMAND,
    cat_file::COMMAND,
    commit_graph::COMMAND,
    count_objects::COMMAND,
    diff_tree::COMMAND,
    fetch_pack::COMMAND,
    for_each_ref::COMMAND,
    gc::COMMAND,
    hash_object::COMMAND,
    index_pack::COMMAND,
    merge_base::COMMAND,
    multi_pack_index::COMMAND,
    pack_objects::COMMAND,
    pack_refs::COMMAND,
    prune::COMMAND,
    prune_packed::COMMAND,
    remote::COMMAND,
    repack::COMMAND,
    rev_list::COMMAND,
    rev_parse::COMMAND,
    show_index::COMMAND,
    show_ref::COMMAND,
    symbolic_ref::COMMAND,
    unpack_objects::COMMAND,
    update_ref::COMMAND,
    verify_pack::COMMAND,
];

/// The command of this name.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// A list of all commands.
pub(crate) fn overview() -> String {
    let width = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or(0);
    let mut text = "usage: git-core [<options>] <command> [<args>]\n\nCommands:\n".to_owned();
    for command in COMMANDS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "   {:width$}   {}", command.name, command.summary);
    }
    text
}
