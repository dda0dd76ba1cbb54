//! `upload-archive` of what is no repository: the client is told within the protocol, as git tells it.

use crate::fail::{Failure, chain};
use git_core::object::Context;
use git_core::protocol::Service;
use git_core::protocol::server::{
    Answer, ArchiveRequest, PackRequest, Question, ReceivePackOptions, UpdateReport, UpdateRequest,
    UploadPackOptions,
};
use git_core::repository::OpenError;
use git_core::server::{Refusal, RefusalKind};
use git_core::transport::server::{PackSink, PackStream, Received, Session, StdioOptions, serve_stdio};
use std::process::ExitCode;

/// Reads what is asked for, and says why it cannot be.
pub(super) fn refuse(error: &OpenError) -> Result<ExitCode, Failure> {
    let mut session = Nothing(format!("fatal: {}", chain(error)));
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let options = StdioOptions::default();
    let _ = serve_stdio(&mut session, Service::UploadArchive, &options, input, output, &Context::new());
    Err(Failure::fatal("sent error to the client: git upload-archive: archiver died with error"))
}

/// A session over nothing.
struct Nothing(String);

impl Nothing {
    fn refusal(&self) -> Refusal {
        Refusal::new(RefusalKind::NotFound, self.0.clone())
    }
}

impl Session for Nothing {
    fn upload_pack(&self) -> UploadPackOptions {
        UploadPackOptions::default()
    }

    fn receive_pack(&self) -> ReceivePackOptions {
        ReceivePackOptions::default()
    }

    fn answer(&mut self, _: Question, _: &Context) -> Result<Answer, Refusal> {
        Err(self.refusal())
    }

    fn send(&mut self, _: PackRequest, _: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        Err(self.refusal())
    }

    fn archive(&mut self, _: ArchiveRequest, _: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        Err(self.refusal())
    }

    fn receive(&mut self, _: &Context) -> Result<Box<dyn PackSink>, Refusal> {
        Err(self.refusal())
    }

    fn update(
        &mut self,
        _: UpdateRequest,
        _: Option<Received>,
        _: &Context,
    ) -> Result<UpdateReport, Refusal> {
        Err(self.refusal())
    }
}
