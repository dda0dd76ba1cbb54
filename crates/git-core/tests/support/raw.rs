//! Peers that misbehave: clients that speak the protocol by hand, and a wire that breaks or corrupts.

use super::{feed, run};
use git_core::object::ObjectId;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;

pub fn pkt(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

/// The address and the path of a URL.
pub fn parts(url: &str) -> (&str, &str) {
    url.split_once("://").unwrap().1.split_once('/').unwrap()
}

/// A conversation in version 0 over git://, behind the advertisement of refs.
pub fn greet(url: &str, service: &str) -> TcpStream {
    let (address, name) = parts(url);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&pkt(format!("{service} /{name}\0host={address}\0").as_bytes())).unwrap();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&length).unwrap(), 16).unwrap();
        if length == 0 {
            return stream;
        }
        stream.read_exact(&mut vec![0; length - 4]).unwrap();
    }
}

/// What asks for a ref to be changed, and the pack behind it.
pub fn push_request(name: &str, old: &ObjectId, new: &ObjectId, pack: &[u8]) -> Vec<u8> {
    let format = old.format().name();
    let line = format!("{old} {new} {name}\0report-status object-format={format}");
    [pkt(line.as_bytes()).as_slice(), b"0000", pack].concat()
}

/// Pushes what is given, says no more, and gives the report.
pub fn push(url: &str, request: &[u8]) -> String {
    let report = if url.starts_with("git:") {
        let mut stream = greet(url, "git-receive-pack");
        finish_push(&mut stream, request)
    } else {
        post(url, request, request.len())
    };
    String::from_utf8_lossy(&report).into_owned()
}

/// Sends the rest of a push over git:// and reads the report.
pub fn finish_push(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    // The server may hang up before it has read everything.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut report = Vec::new();
    let _ = stream.read_to_end(&mut report);
    report
}

/// Begins a push over HTTP whose body is said to have this length.
pub fn begin_post(url: &str, body: &[u8], length: usize) -> TcpStream {
    let (address, name) = parts(url);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /{name}/git-receive-pack HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    stream
}

fn post(url: &str, body: &[u8], length: usize) -> Vec<u8> {
    let mut answer = Vec::new();
    let _ = begin_post(url, body, length).read_to_end(&mut answer);
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(split + 4)
}

/// A pack of exactly what git lists for these arguments of `rev-list`.
pub fn pack(repository: &Path, objects: &[&str]) -> Vec<u8> {
    let list = run(repository, &[&["rev-list", "--objects"], objects].concat());
    let ids: String =
        list.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned() + "\n").collect();
    pack_of(repository, &ids)
}

/// A pack of the objects whose ids are given, a line each.
pub fn pack_of(repository: &Path, ids: &str) -> Vec<u8> {
    feed(repository, &["pack-objects", "--stdout", "-q"], ids.as_bytes())
}

/// What a wire does to the bytes of each connection: to those of the client or those of the server.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It breaks after so many bytes of the client.
    CutUpstream(usize),
    /// It breaks after so many bytes of the server.
    CutDownstream(usize),
    /// The byte so far behind the beginning of the server's pack is another one.
    FlipInPack(usize),
}

/// Passes connections on to `address` with a fault in them; gives the address to connect to.
pub fn wire(address: &str, fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap().to_string();
    let address = address.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&address) else { return };
            let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(client_too, server_too, fault, true));
            std::thread::spawn(move || pass(server, client, fault, false));
        }
    });
    local
}

fn pass(mut from: TcpStream, mut to: TcpStream, fault: Fault, upstream: bool) {
    let mut buf = vec![0; 16 << 10];
    let mut passed = 0;
    // Where the pack began, and the end of what came before, in which its mark may have begun.
    let (mut begun, mut tail) = (None, Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buf) {
        let piece = &mut buf[..count];
        let mut keep = count;
        match fault {
            Fault::CutUpstream(limit) if upstream => keep = keep.min(limit - passed),
            Fault::CutDownstream(limit) if !upstream => keep = keep.min(limit - passed),
            Fault::FlipInPack(distance) if !upstream => {
                if begun.is_none() {
                    let seen = [tail.as_slice(), piece].concat();
                    let found = seen.windows(8).position(|eight| eight == b"PACK\0\0\0\x02");
                    begun = found.map(|at| passed + at - tail.len());
                    tail = seen[seen.len().saturating_sub(7)..].to_vec();
                }
                if let Some(begun) = begun
                    && let Some(at) = (begun + distance).checked_sub(passed)
                    && let Some(byte) = piece.get_mut(at)
                {
                    *byte ^= 0x10;
                }
            }
            _ => {}
        }
        passed += keep;
        if to.write_all(&buf[..keep]).is_err() || keep < count {
            break;
        }
    }
    let cut = matches!((fault, upstream), (Fault::CutUpstream(_), true) | (Fault::CutDownstream(_), false));
    if cut {
        // As when a process is killed: both directions, at once.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    } else {
        let _ = to.shutdown(Shutdown::Write);
    }
}
