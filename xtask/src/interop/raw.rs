//! A client that asks for a pack in protocol v2 over git:// and throws it away, so that a measurement shows what
//! the server does and nothing else.

use crate::Outcome;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// A pack that has gone by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    /// Seconds from before the connection to the first byte of the pack.
    pub(crate) first: f64,
    pub(crate) bytes: u64,
    /// As the header of the pack says.
    pub(crate) objects: u32,
}

/// One line, or one of the special ones.
enum Line {
    Flush,
    Other,
    Data(Vec<u8>),
}

/// A list of refs that has gone by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) refs: u64,
    /// Of all lines, in their order.
    pub(crate) digest: u64,
}

/// Fetches from an address like `git://127.0.0.1:9418/repo.git`.
pub(crate) fn fetch(url: &str, format: &str, wants: &[String], haves: &[String]) -> Outcome<Passed> {
    let start = Instant::now();
    let (mut from, mut to) = connect(url)?;
    send(&mut to, "command=fetch")?;
    send(&mut to, &format!("object-format={format}"))?;
    to.write_all(b"0001")?;
    for word in ["ofs-delta", "no-progress"] {
        send(&mut to, word)?;
    }
    for want in wants {
        send(&mut to, &format!("want {want}\n"))?;
    }
    for have in haves {
        send(&mut to, &format!("have {have}\n"))?;
    }
    send(&mut to, "done\n")?;
    to.write_all(b"0000")?;
    to.flush()?;
    take(&mut from, start)
}

/// Lists all refs with what tags point at and what symbolic refs name.
pub(crate) fn list(url: &str) -> Outcome<Listed> {
    let (mut from, mut to) = connect(url)?;
    send(&mut to, "command=ls-refs\n")?;
    to.write_all(b"0001")?;
    for word in ["peel\n", "symrefs\n"] {
        send(&mut to, word)?;
    }
    to.write_all(b"0000")?;
    to.flush()?;
    let mut hasher = DefaultHasher::new();
    let mut refs = 0;
    loop {
        match line(&mut from)? {
            Line::Flush => return Ok(Listed { refs, digest: hasher.finish() }),
            Line::Data(data) if data.starts_with(b"ERR ") => {
                return Err(String::from_utf8_lossy(&data).into_owned().into());
            }
            Line::Data(data) => {
                hasher.write(data.trim_ascii_end());
                refs += 1;
            }
            Line::Other => return Err("a special line within the list of refs".into()),
        }
    }
}

/// Speaks to a server until it has said what it can do.
fn connect(url: &str) -> Outcome<(BufReader<TcpStream>, BufWriter<TcpStream>)> {
    let rest = url.strip_prefix("git://").ok_or("not a git:// address")?;
    let (host, path) = rest.split_once('/').ok_or("an address without a path")?;
    let stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    let mut from = BufReader::with_capacity(1 << 16, stream.try_clone()?);
    let mut to = BufWriter::new(stream);
    send(&mut to, &format!("git-upload-pack /{path}\0host={host}\0\0version=2\0"))?;
    to.flush()?;
    loop {
        match line(&mut from)? {
            Line::Flush => break,
            Line::Data(data) if data.starts_with(b"ERR ") => {
                return Err(String::from_utf8_lossy(&data).into_owned().into());
            }
            _ => {}
        }
    }
    Ok((from, to))
}

fn take(from: &mut impl Read, start: Instant) -> Outcome<Passed> {
    match line(from)? {
        Line::Data(data) if data.starts_with(b"packfile") => {}
        Line::Data(data) => {
            return Err(format!("instead of a pack: {}", String::from_utf8_lossy(&data)).into());
        }
        _ => return Err("the answer holds no pack".into()),
    }
    let mut passed = Passed { first: 0.0, bytes: 0, objects: 0 };
    let mut header = Vec::new();
    loop {
        match line(from)? {
            Line::Flush => break,
            Line::Other => return Err("a special line within the pack".into()),
            Line::Data(data) => match data.split_first() {
                Some((1, data)) => {
                    if passed.bytes == 0 {
                        passed.first = start.elapsed().as_secs_f64();
                    }
                    passed.bytes += data.len() as u64;
                    if header.len() < 12 {
                        header.extend_from_slice(&data[..data.len().min(12)]);
                    }
                }
                Some((2, _)) => {}
                Some((_, words)) => return Err(format!("refused: {}", String::from_utf8_lossy(words)).into()),
                None => return Err("an empty line within the pack".into()),
            },
        }
    }
    match header.get(..12) {
        Some([b'P', b'A', b'C', b'K', _, _, _, _, count @ ..]) => {
            passed.objects = count.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            Ok(passed)
        }
        _ => Err("what came is no pack".into()),
    }
}

fn send(to: &mut impl Write, text: &str) -> io::Result<()> {
    write!(to, "{:04x}{text}", text.len() + 4)
}

fn line(from: &mut impl Read) -> io::Result<Line> {
    let mut digits = [0; 4];
    from.read_exact(&mut digits)?;
    let length = std::str::from_utf8(&digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    match length {
        Some(0) => Ok(Line::Flush),
        Some(1..=3) => Ok(Line::Other),
        Some(length) => {
            let mut data = vec![0; length - 4];
            from.read_exact(&mut data)?;
            Ok(Line::Data(data))
        }
        None => Err(io::Error::other("a line without a length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_taken() {
        let text = b"000dpackfile\n0011\x01PACK\0\0\0\x02\0\0\x01\x020007\x02hi0008\x01abc0000";
        let mut bytes = text.to_vec();
        bytes[13..17].copy_from_slice(b"0011");
        let passed = take(&mut &bytes[..], Instant::now()).unwrap();
        assert_eq!((passed.objects, passed.bytes), (258, 15));
    }

    #[test]
    fn a_refusal_is_told() {
        let error = take(&mut &b"000dpackfile\n000b\x03denied0000"[..], Instant::now()).unwrap_err();
        assert_eq!(error.to_string(), "refused: denied");
    }
}
