//! The two sides of `git archive --remote`, joined in memory: the same however the bytes between them are cut.

#![allow(clippy::unwrap_used)]

use git_core_protocol::client::{Action, ClientError, FetchArchive, Machine};
use git_core_protocol::server::{Conversation, Outcome, Output, ServerError, UploadArchive};
use proptest::prelude::*;

/// What the server does with a request.
#[derive(Clone, Debug)]
enum Deed {
    Send(Vec<u8>),
    Refuse(&'static str),
    /// Sends some of it before it fails.
    Break(Vec<u8>),
}

#[derive(Debug, PartialEq, Eq)]
struct Talk {
    arguments: Vec<Vec<u8>>,
    archive: Vec<u8>,
    messages: Vec<u8>,
    client: Result<(), ClientError>,
    server: Option<Outcome>,
}

/// Both sides, which pass each other pieces of this size.
fn talk(arguments: &[&[u8]], deed: &Deed, piece: usize) -> Talk {
    let mut client = FetchArchive::new(arguments).unwrap();
    let mut server = UploadArchive::new();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let mut talk = Talk {
        arguments: Vec::new(),
        archive: Vec::new(),
        messages: Vec::new(),
        client: Ok(()),
        server: None,
    };
    loop {
        match client.poll() {
            Ok(Action::Send(bytes)) => there.extend_from_slice(bytes),
            Ok(Action::EndRequest) => {}
            Ok(Action::Pack(bytes)) => talk.archive.extend_from_slice(bytes),
            Ok(Action::Progress(text)) => talk.messages.extend_from_slice(text),
            Ok(Action::Read) => {
                while back.is_empty() && talk.server.is_none() {
                    serve(&mut server, &mut there, &mut back, deed, piece, &mut talk);
                }
                if back.is_empty() {
                    client.feed_end();
                    continue;
                }
                let end = piece.min(back.len());
                let taken = client.feed(&back[..end]);
                back.drain(..taken);
            }
            Ok(Action::Done) => return talk,
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                talk.client = Err(error);
                return talk;
            }
        }
    }
}

fn serve(
    server: &mut UploadArchive,
    there: &mut Vec<u8>,
    back: &mut Vec<u8>,
    deed: &Deed,
    piece: usize,
    talk: &mut Talk,
) {
    match server.poll() {
        Output::Send(bytes) => back.extend_from_slice(&bytes),
        Output::Read if there.is_empty() => server.feed_end(),
        Output::Read => {
            let end = piece.min(there.len());
            let taken = server.feed(&there[..end]);
            there.drain(..taken);
        }
        Output::SendArchive(request) => {
            talk.arguments = request.arguments.iter().map(|one| one.to_vec()).collect();
            match deed {
                Deed::Send(bytes) => {
                    server.progress(b"a file\n");
                    bytes.chunks(piece.max(1000)).for_each(|bytes| server.pack_bytes(bytes));
                    server.pack_end();
                }
                Deed::Refuse(why) => server.refuse(why),
                Deed::Break(bytes) => {
                    server.pack_bytes(bytes);
                    server.refuse("fatal: it broke");
                }
            }
        }
        Output::Done(outcome) => talk.server = Some(outcome),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_arrives_however_it_is_cut() {
    let arguments: [&[u8]; 3] = [b"--format=tar", b"HEAD", b"a \xff path"];
    let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    for deed in [Deed::Send(content.clone()), Deed::Send(Vec::new())] {
        let whole = talk(&arguments, &deed, usize::MAX);
        assert_eq!(whole.arguments, arguments);
        assert_eq!(whole.client, Ok(()));
        assert_eq!(whole.messages, b"a file\n");
        for piece in [1, 4, 5, 65_520] {
            assert_eq!(talk(&arguments, &deed, piece), whole, "{piece}");
        }
    }
}

#[test]
fn what_is_refused_is_said_on_two_bands() {
    for piece in [1, usize::MAX] {
        let refused = talk(&[b"x"], &Deed::Refuse("fatal: no such ref: x"), piece);
        assert_eq!(refused.messages, b"fatal: no such ref: x\n");
        let Err(ClientError::Remote(text)) = refused.client else { panic!("{refused:?}") };
        assert_eq!(text.to_string(), "git upload-archive: archiver died with error");
        let broken = talk(&[b"x"], &Deed::Break(b"abc".to_vec()), piece);
        assert_eq!((broken.archive.as_slice(), broken.client.is_err()), (&b"abc"[..], true));
    }
}

#[test]
fn too_many_arguments_and_strange_lines_are_refused() {
    let many = vec![&b"x"[..]; 64];
    let refused = talk(&many, &Deed::Send(Vec::new()), 100);
    let Err(ClientError::Remote(text)) = refused.client else { panic!("{refused:?}") };
    assert_eq!(text.to_string(), ServerError::Limit { what: "options", bound: 63 }.to_string());
    assert_eq!(talk(&many[..63], &Deed::Send(Vec::new()), 100).client, Ok(()));
    let mut server = UploadArchive::new();
    server.feed(b"0008argu");
    let Output::Send(bytes) = server.poll() else { panic!("an error") };
    assert!(bytes.windows(4).any(|window| window == b"ERR "));
}

#[test]
fn a_server_that_says_no_is_understood() {
    for (said, expected) in [
        (&b"000bNACK no0000"[..], "remote error: NACK no"),
        (b"000aERR no", "remote error: no"),
        (b"0000", "protocol error: expected ACK, got 'a flush packet'"),
        (b"0008ACK\n0008ACK\n", "protocol error: expected a flush packet, got 'ACK'"),
        (b"0008ACK\n", "the remote end hung up unexpectedly"),
        (b"0008ACK\n00000005\x04", "protocol error"),
    ] {
        let mut client = FetchArchive::new([b"HEAD"]).unwrap();
        let mut left = said;
        let error = loop {
            match client.poll() {
                Ok(Action::Read) if left.is_empty() => client.feed_end(),
                Ok(Action::Read) => left = &left[client.feed(left)..],
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), expected);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..20) {
        let mut server = UploadArchive::new();
        let mut fed = 0;
        loop {
            match server.poll() {
                Output::Read if fed == bytes.len() => server.feed_end(),
                Output::Read => {
                    let end = bytes.len().min(fed + piece);
                    fed += server.feed(&bytes[fed..end]);
                }
                Output::SendArchive(_) => server.pack_end(),
                Output::Done(_) => break,
                _ => {}
            }
        }
    }
}
