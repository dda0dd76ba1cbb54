//! The archive as a stream that is pulled.

use super::content::{Content, Looks, content};
use super::tar::TarWriter;
use super::walk::{Found, Walk};
use super::zip::ZipWriter;
use super::{ArchiveError, ArchiveFormat, ArchiveOptions, Entry, ExtraContent, ExtraFile};
use crate::attributes::AttributeStack;
use bstr::BStr;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use git_core_config::pathspec::{Pathspec, PathspecDefaults};
use git_core_object::{Context, EntryKind, ObjectId};
use git_core_store::{ObjectReader, Snapshot};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

/// About how much is given at once.
const PIECE: usize = 64 << 10;
/// Above it, the sizes of a zip entry stand behind its content, which is then not held.
const ZIP_HELD: u64 = 32 << 20;

/// An archive that is being made.
pub struct Archive {
    objects: Arc<dyn Snapshot>,
    tree: ObjectId,
    options: ArchiveOptions,
    attributes: AttributeStack,
    walk: Walk,
    extra: vec::IntoIter<ExtraFile>,
    form: Form,
    gzip: Option<GzEncoder<Vec<u8>>>,
    scratch: Vec<u8>,
    state: State,
    on_entry: Option<OnEntry>,
}

/// Hears the path of each entry.
type OnEntry = Box<dyn FnMut(&BStr) + Send>;

enum Form {
    Tar(TarWriter),
    Zip(Box<ZipWriter>),
}

enum State {
    /// The entry of the prefix comes first.
    Prefix,
    Entries,
    /// The content of an entry is on its way.
    Object(Box<dyn ObjectReader>),
    File {
        file: File,
        path: PathBuf,
        left: u64,
    },
    Done,
}

impl Archive {
    /// Begins an archive of a tree.
    ///
    /// # Errors
    /// [`ArchiveError`] when the tree cannot be read.
    pub fn new(
        objects: Arc<dyn Snapshot>,
        tree: ObjectId,
        options: ArchiveOptions,
    ) -> Result<Self, ArchiveError> {
        let mut attributes = AttributeStack::new(&options.attributes);
        let walk = Walk::new(&*objects, &tree, Some((&mut attributes, &options)))?;
        let mut scratch = Vec::new();
        let commit = options.commit.as_ref();
        let form = match options.format {
            ArchiveFormat::Tar | ArchiveFormat::TarGz { .. } => {
                Form::Tar(TarWriter::new(options.mtime, options.umask, commit, &mut scratch))
            }
            ArchiveFormat::Zip { level } => {
                Form::Zip(Box::new(ZipWriter::new(options.mtime, options.local_offset, level, commit)))
            }
        };
        let gzip = match options.format {
            ArchiveFormat::TarGz { level } => {
                Some(GzBuilder::new().operating_system(3).write(Vec::new(), Compression::new(level)))
            }
            _ => None,
        };
        let extra = options.extra.clone().into_iter();
        let state = State::Prefix;
        Ok(Archive {
            objects,
            tree,
            options,
            attributes,
            walk,
            extra,
            form,
            gzip,
            scratch,
            state,
            on_entry: None,
        })
    }

    /// Tells of each entry of the tree when it is begun.
    #[must_use]
    pub fn telling(mut self, on_entry: impl FnMut(&BStr) + Send + 'static) -> Self {
        self.on_entry = Some(Box::new(on_entry));
        self
    }

    /// Checks that each of some pathspecs, taken by itself, means something in the tree.
    ///
    /// # Errors
    /// [`ArchiveError::NoMatch`] for the first that does not; others when it cannot be found out.
    pub fn check_paths(
        objects: &dyn Snapshot,
        tree: &ObjectId,
        texts: &[impl AsRef<[u8]>],
        within: &[u8],
        defaults: PathspecDefaults,
    ) -> Result<(), ArchiveError> {
        for text in texts {
            let text = text.as_ref();
            let one = Pathspec::parse([text], within, defaults)?;
            let depth = ArchiveOptions::default().max_depth;
            if !Walk::any_match(objects, tree, &one, within, depth)? {
                let elsewhere = !within.is_empty() && Walk::any_match(objects, tree, &one, b"", depth)?;
                return Err(match elsewhere {
                    true => ArchiveError::Outside(text.into()),
                    false => ArchiveError::NoMatch(text.into()),
                });
            }
        }
        Ok(())
    }

    /// Appends the next bytes, some 64 KiB; `Break` with the last of them.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, ArchiveError> {
        let before = out.len();
        loop {
            cx.check()?;
            let mut made = std::mem::take(&mut self.scratch);
            let result = match self.gzip {
                // What is not compressed goes where it is wanted at once.
                None => {
                    out.append(&mut made);
                    self.step(out)
                }
                Some(_) => self.step(&mut made),
            };
            let done = match result {
                Ok(flow) => flow.is_break(),
                Err(error) => return Err(error),
            };
            if let Some(gzip) = &mut self.gzip {
                let failed = |error: std::io::Error| ArchiveError::Deflate(error.into());
                gzip.write_all(&made).map_err(failed)?;
                if done {
                    gzip.try_finish().map_err(failed)?;
                }
                out.append(gzip.get_mut());
                made.clear();
            }
            self.scratch = made;
            if done {
                return Ok(ControlFlow::Break(()));
            }
            if out.len() - before >= PIECE {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Goes on by one entry, or one piece of its content.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<ControlFlow<()>, ArchiveError> {
        match &mut self.state {
            State::Prefix => {
                self.state = State::Entries;
                self.prefix(out)?;
            }
            State::Entries => match self.walk.next(&*self.objects, &self.options, &mut self.attributes)? {
                Some(found) => self.begin(&found, out)?,
                None => match self.extra.next() {
                    Some(extra) => self.begin_extra(extra, out)?,
                    None => {
                        self.state = State::Done;
                        match &mut self.form {
                            Form::Tar(tar) => tar.finish(out),
                            Form::Zip(zip) => zip.finish(out),
                        }
                        return Ok(ControlFlow::Break(()));
                    }
                },
            },
            State::Object(reader) => {
                let mut piece = Vec::new();
                let more = reader.fill(&mut piece)?;
                self.form.content(&piece, out)?;
                if !more {
                    self.state = State::Entries;
                    self.form.end(out)?;
                }
            }
            State::File { file, path, left } => {
                let mut piece = Vec::new();
                let failed =
                    |source| ArchiveError::Io { path: path.as_os_str().as_encoded_bytes().into(), source };
                file.take((*left).min(PIECE as u64)).read_to_end(&mut piece).map_err(failed)?;
                *left -= piece.len() as u64;
                if piece.is_empty() && *left > 0 {
                    return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
                }
                let done = *left == 0;
                self.form.content(&piece, out)?;
                if done {
                    self.state = State::Entries;
                    self.form.end(out)?;
                }
            }
            State::Done => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The entry of a prefix that is a directory.
    fn prefix(&mut self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let prefix = &self.options.prefix;
        if !prefix.ends_with(b"/") {
            return Ok(());
        }
        let end = prefix.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        let path = prefix[..(end + 1).min(prefix.len())].into();
        let entry = Entry { path, kind: EntryKind::Tree, id: self.tree };
        self.tell(&entry);
        self.form.whole(&entry, b"", true, out)
    }

    fn tell(&mut self, entry: &Entry) {
        if let Some(tell) = &mut self.on_entry {
            tell(entry.path.as_ref());
        }
    }

    fn begin(&mut self, found: &Found, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        self.tell(&found.entry);
        let (content, looks) = content(&*self.objects, found, &self.attributes, &self.options)?;
        match content {
            Content::Nothing => self.form.whole(&found.entry, b"", true, out),
            Content::Held(content) => {
                let binary = looks.is_binary(&content);
                self.form.whole(&found.entry, &content, binary, out)
            }
            Content::Read(mut reader) => {
                self.begin_large(&found.entry, &looks, &mut reader, out).map(|done| {
                    if !done {
                        self.state = State::Object(reader);
                    }
                })
            }
        }
    }

    /// Begins an entry whose content is not held; says whether all of it was given at once.
    fn begin_large(
        &mut self,
        entry: &Entry,
        looks: &Looks,
        reader: &mut Box<dyn ObjectReader>,
        out: &mut Vec<u8>,
    ) -> Result<bool, ArchiveError> {
        let size = reader.header().size;
        let mut beginning = Vec::new();
        let mut more = true;
        if let Form::Zip(_) = &self.form {
            // Zip files say whether a file is text, and small ones say their sizes first.
            let wanted = if size <= ZIP_HELD.min(self.options.big_file) { size } else { 1 };
            while more && (beginning.len() as u64) < wanted {
                more = reader.fill(&mut beginning)?;
            }
            if !more {
                let binary = looks.is_binary(&beginning);
                self.form.whole(entry, &beginning, binary, out)?;
                return Ok(true);
            }
        }
        self.form.begin(entry, size, looks.is_binary(&beginning), out)?;
        self.form.content(&beginning, out)?;
        Ok(false)
    }

    fn begin_extra(&mut self, extra: ExtraFile, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let id = ObjectId::null(self.tree.format());
        let mut entry = Entry { path: extra.path, kind: EntryKind::Blob, id };
        let path = match extra.content {
            ExtraContent::Bytes(content) => {
                let binary = Looks::Unknown.is_binary(&content);
                return self.form.whole(&entry, &content, binary, out);
            }
            ExtraContent::File(path) => path,
        };
        let failed = |source| ArchiveError::Io { path: path.as_os_str().as_encoded_bytes().into(), source };
        let mut file = File::open(&path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if is_runnable(&found) {
            entry.kind = EntryKind::Executable;
        }
        if found.len() <= ZIP_HELD {
            let mut content = Vec::new();
            file.read_to_end(&mut content).map_err(failed)?;
            let binary = Looks::Unknown.is_binary(&content);
            return self.form.whole(&entry, &content, binary, out);
        }
        self.form.begin(&entry, found.len(), false, out)?;
        self.state = State::File { file, path, left: found.len() };
        Ok(())
    }
}

impl Form {
    fn whole(
        &mut self,
        entry: &Entry,
        content: &[u8],
        binary: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        match self {
            Form::Tar(tar) if entry.kind == EntryKind::Link => tar.begin(entry, 0, content, out),
            Form::Tar(tar) => {
                tar.begin(entry, content.len() as u64, b"", out)?;
                tar.content(content, out);
                tar.end(out);
                Ok(())
            }
            Form::Zip(zip) => zip.whole(entry, content, binary, out),
        }
    }

    fn begin(
        &mut self,
        entry: &Entry,
        size: u64,
        binary: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        match self {
            Form::Tar(tar) => tar.begin(entry, size, b"", out),
            Form::Zip(zip) => zip.begin(entry, size, binary, out),
        }
    }

    fn content(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        match self {
            Form::Tar(tar) => tar.content(bytes, out),
            Form::Zip(zip) => zip.content(bytes, out)?,
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        match self {
            Form::Tar(tar) => tar.end(out),
            Form::Zip(zip) => zip.end(out)?,
        }
        Ok(())
    }
}

#[cfg(unix)]
fn is_runnable(found: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_runnable(_found: &std::fs::Metadata) -> bool {
    false
}
