//! `update-ref --stdin`: edits of refs as lines, or as NUL-terminated arguments, gathered into transactions.
//!
//! From `prepare` to the end of the transaction the locks of its refs are held.

use super::update_ref::{commit, expectation, hindered};
use crate::fail::Failure;
use crate::input::{read_record, stdin};
use crate::output::written;
use crate::repo;
use bstr::{BStr, BString, ByteSlice as _};
use git_core::Repository;
use git_core::object::{Context, ObjectId};
use git_core::refs::{Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core::store::Snapshot;
use git_core::store::fs::refs::RefsCommit;
use git_core::store::revision;
use std::io::{BufRead, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Edits are gathered; the end of the input commits them.
    Open,
    /// After `start`: only `commit` carries them out.
    Started,
    Prepared,
    /// After `commit` or `abort`.
    Closed,
}

struct Script<'a, R> {
    repository: &'a Repository,
    snapshot: Arc<dyn Snapshot>,
    log: Option<LogMessage>,
    /// What an edit does unless the line before it says otherwise.
    usual: Deref,
    deref: Deref,
    input: R,
    end: u8,
    state: State,
    edits: RefTransaction,
}

/// Reads edits up to the end of standard input and carries them out.
pub(super) fn run(
    repository: &Repository,
    log: Option<LogMessage>,
    deref: Deref,
    end: u8,
) -> Result<ExitCode, Failure> {
    let snapshot = repository.snapshot()?;
    let mut script = Script {
        repository,
        snapshot,
        log,
        usual: deref,
        deref,
        input: stdin(),
        end,
        state: State::Open,
        edits: RefTransaction::new(),
    };
    let mut record = Vec::new();
    while read_record(&mut script.input, end, &mut record)? {
        script.line(&record)?;
    }
    match script.state {
        State::Open => {
            commit(repository, &script.edits, |why| Failure::fatal(why))?;
        }
        // What was started and not committed is dropped.
        State::Started | State::Prepared | State::Closed => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl<R: BufRead> Script<'_, R> {
    fn line(&mut self, record: &[u8]) -> Result<(), Failure> {
        if record.is_empty() {
            return Err(Failure::fatal("empty command in input"));
        }
        if record[0].is_ascii_whitespace() {
            return Err(Failure::fatal(format_args!("whitespace before command: {}", record.as_bstr())));
        }
        let (command, rest) = match record.find_byte(b' ') {
            Some(at) => (&record[..at], &record[at + 1..]),
            None => (record, &b""[..]),
        };
        match command {
            b"start" | b"prepare" | b"commit" | b"abort" => {
                if !rest.is_empty() {
                    return Err(extra(command, rest));
                }
                return self.control(command);
            }
            _ => {}
        }
        let known: &[&[u8]] = &[
            b"update",
            b"create",
            b"delete",
            b"verify",
            b"option",
            b"symref-update",
            b"symref-create",
            b"symref-delete",
            b"symref-verify",
        ];
        if !known.contains(&command) {
            return Err(Failure::fatal(format_args!("unknown command: {}", record.as_bstr())));
        }
        match self.state {
            State::Open | State::Started => {}
            State::Prepared => return Err(Failure::fatal("prepared transactions can only be closed")),
            State::Closed => return Err(Failure::fatal("transaction is closed")),
        }
        if command == b"option" {
            return match rest {
                b"no-deref" => {
                    self.deref = Deref::Direct;
                    Ok(())
                }
                _ => Err(Failure::fatal(format_args!("option unknown: {}", rest.as_bstr()))),
            };
        }
        let fields = self.fields(command, rest)?;
        let edit = self.edit(command, fields)?;
        self.edits.push(edit);
        self.deref = self.usual;
        Ok(())
    }

    fn control(&mut self, command: &[u8]) -> Result<(), Failure> {
        let shown = command.as_bstr();
        match (command, self.state) {
            (b"start", State::Started) => return Err(Failure::fatal("cannot restart ongoing transaction")),
            (_, State::Prepared) if matches!(command, b"start" | b"prepare") => {
                return Err(Failure::fatal("prepared transactions can only be closed"));
            }
            (b"prepare" | b"commit" | b"abort", State::Closed) => {
                return Err(Failure::fatal("transaction is closed"));
            }
            _ => {}
        }
        match command {
            b"start" => {
                if self.state == State::Closed {
                    self.edits = RefTransaction::new();
                    self.snapshot = self.repository.snapshot()?;
                }
                self.state = State::Started;
            }
            b"prepare" => return self.prepare(),
            b"commit" => {
                commit(self.repository, &self.edits, |why| Failure::fatal(format_args!("commit: {why}")))?;
                self.edits = RefTransaction::new();
                self.state = State::Closed;
            }
            _ => {
                self.edits = RefTransaction::new();
                self.state = State::Closed;
            }
        }
        say_ok(shown)
    }

    /// Takes the locks, and holds them until the transaction ends.
    fn prepare(&mut self) -> Result<(), Failure> {
        let edits = std::mem::take(&mut self.edits);
        let (snapshot, cx) = (self.repository.snapshot()?, Context::new());
        let fail = |what: &'static str| move |why: &str| Failure::fatal(format_args!("{what}: {why}"));
        let refs = repo::on_disk(self.repository)?.refs();
        let prepared = refs
            .prepare(&edits, Some(&snapshot), &RefsCommit::atomic(), &cx)
            .map_err(|error| hindered(&error, fail("prepare")))?;
        self.state = State::Prepared;
        say_ok(b"prepare".as_bstr())?;
        let mut record = Vec::new();
        while read_record(&mut self.input, self.end, &mut record)? {
            match record.as_slice() {
                b"commit" => {
                    prepared.commit().map_err(|error| hindered(&error, fail("commit")))?;
                }
                b"abort" => drop(prepared),
                _ => {
                    self.line(&record)?;
                    continue;
                }
            }
            self.state = State::Closed;
            return say_ok(record.as_bstr());
        }
        Ok(())
    }

    /// The arguments of a command: behind it on the line, or in records of their own. `None` is one that was
    /// left out.
    fn fields(&mut self, command: &[u8], rest: &[u8]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        if self.end == b'\n' {
            return split(command, rest);
        }
        let mut fields = vec![Some(rest.to_vec())];
        let more = match command {
            b"update" => 2,
            b"create" | b"delete" | b"verify" => 1,
            b"symref-create" | b"symref-delete" | b"symref-verify" => 1,
            _ => 2,
        };
        let mut record = Vec::new();
        for at in 0..more {
            if !read_record(&mut self.input, 0, &mut record)? {
                return Err(missing(command, rest, at));
            }
            let kind_follows = command == b"symref-update" && at == 1 && !record.is_empty();
            fields.push(Some(record.clone()));
            if kind_follows {
                if !read_record(&mut self.input, 0, &mut record)? {
                    return Err(missing(command, rest, 2));
                }
                fields.push(Some(record.clone()));
            }
        }
        // Without a value, an old one is not looked at.
        let old_at = match command {
            b"update" => Some(2),
            b"delete" | b"verify" | b"symref-delete" | b"symref-verify" => Some(1),
            b"symref-update" => Some(2),
            _ => None,
        };
        if let Some(field) = old_at.and_then(|at| fields.get_mut(at))
            && field.as_ref().is_some_and(Vec::is_empty)
        {
            *field = None;
        }
        Ok(fields)
    }

    fn edit(&self, command: &[u8], fields: Vec<Option<Vec<u8>>>) -> Result<RefEdit, Failure> {
        let shown = command.as_bstr();
        let mut fields = fields.into_iter();
        let name = fields.next().flatten().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::fatal(format_args!("{shown}: missing <ref>")))?;
        let name = parse_name(&name)?;
        let (second, third, fourth) =
            (fields.next().flatten(), fields.next().flatten(), fields.next().flatten());
        let log = self.log.clone();
        let needed = |field: Option<Vec<u8>>, what: &str| {
            field.ok_or_else(|| Failure::fatal(format_args!("{shown} {name}: missing <{what}>")))
        };
        let zero = |what: &str| Failure::fatal(format_args!("{shown} {name}: zero <{what}>"));
        let (expected, change) = match command {
            b"update" => {
                let new = self.id(&needed(second, "new-oid")?, command, &name, "new-oid")?;
                let old = third.map(|old| self.id(&old, command, &name, "old-oid")).transpose()?;
                let change = match new {
                    Some(id) => Change::Update { target: Target::Id(id), log },
                    None => Change::Delete { log },
                };
                (old.map_or(Expected::Any, expectation), change)
            }
            b"create" => {
                let new = self.id(&needed(second, "new-oid")?, command, &name, "new-oid")?;
                let id = new.ok_or_else(|| zero("new-oid"))?;
                (Expected::MustNotExist, Change::Update { target: Target::Id(id), log })
            }
            b"delete" => {
                let expected = match second {
                    None => Expected::Any,
                    Some(old) => {
                        let old = self.id(&old, command, &name, "old-oid")?;
                        expectation(Some(old.ok_or_else(|| zero("old-oid"))?))
                    }
                };
                (expected, Change::Delete { log })
            }
            b"verify" => {
                let old = second.map(|old| self.id(&old, command, &name, "old-oid")).transpose()?.flatten();
                (expectation(old), Change::Verify)
            }
            b"symref-create" => {
                let target = Target::Symbolic(parse_name(&needed(second, "new-target")?)?);
                (Expected::MustNotExist, Change::Update { target, log })
            }
            b"symref-delete" | b"symref-verify" => {
                if self.deref == Deref::Follow {
                    return Err(Failure::fatal(format_args!("{shown}: cannot operate with deref mode")));
                }
                let expected = match &second {
                    Some(target) => Expected::Is(Target::Symbolic(parse_name(target)?)),
                    None if command == b"symref-verify" => Expected::MustNotExist,
                    None => Expected::Any,
                };
                let change =
                    if command == b"symref-verify" { Change::Verify } else { Change::Delete { log } };
                (expected, change)
            }
            _ => {
                let target = Target::Symbolic(parse_name(&needed(second, "new-target")?)?);
                let expected = match (third.as_deref(), fourth) {
                    (None, _) => Expected::Any,
                    (Some(b"oid"), Some(old)) => expectation(self.id(&old, command, &name, "old-oid")?),
                    (Some(b"ref"), Some(old)) => Expected::Is(Target::Symbolic(parse_name(&old)?)),
                    (Some(b"oid" | b"ref"), None) => {
                        return Err(Failure::fatal(format_args!("{shown} {name}: expected old value")));
                    }
                    (Some(other), _) => {
                        return Err(Failure::fatal(format_args!(
                            "{shown} {name}: invalid arg '{}' for old value",
                            other.as_bstr()
                        )));
                    }
                };
                (expected, Change::Update { target, log })
            }
        };
        let deref = match change {
            Change::Update { target: Target::Symbolic(_), .. } => Deref::Direct,
            _ => self.deref,
        };
        Ok(RefEdit { name, expected, change, deref })
    }

    /// The id that a field names; `None` for the zero id and an empty field.
    fn id(
        &self,
        text: &[u8],
        command: &[u8],
        name: &RefName,
        what: &str,
    ) -> Result<Option<ObjectId>, Failure> {
        if text.is_empty() {
            return Ok(None);
        }
        let format = self.snapshot.format();
        if text.len() == format.hex_len()
            && let Ok(id) = ObjectId::from_hex(text)
        {
            return Ok(Some(id).filter(|id| !id.is_null()));
        }
        revision::resolve(&*self.snapshot, text).map(Some).map_err(|_| {
            Failure::fatal(format_args!("{} {name}: invalid <{what}>: {}", command.as_bstr(), text.as_bstr()))
        })
    }
}

fn parse_name(text: &[u8]) -> Result<RefName, Failure> {
    RefName::new(text).map_err(|_| Failure::fatal(format_args!("invalid ref format: {}", text.as_bstr())))
}

fn extra(command: &[u8], rest: &[u8]) -> Failure {
    Failure::fatal(format_args!("{}: extra input: {}", command.as_bstr(), rest.as_bstr()))
}

fn missing(command: &[u8], name: &[u8], at: usize) -> Failure {
    let what = match (command, at) {
        (b"update" | b"create", 0) => "new-oid",
        (b"symref-update" | b"symref-create", 0) => "new-target",
        (b"symref-delete" | b"symref-verify", _) => "old-target",
        _ => "old-oid",
    };
    Failure::fatal(format_args!(
        "{} {}: unexpected end of input when reading <{what}>",
        command.as_bstr(),
        name.as_bstr()
    ))
}

/// Splits the arguments of a line at single blanks; one may stand within quotes, with escapes as in C.
fn split(command: &[u8], text: &[u8]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let most = match command {
        b"update" => 3,
        b"symref-update" => 4,
        _ => 2,
    };
    let (mut fields, mut rest) = (Vec::new(), text);
    while fields.len() < most && !(fields.is_empty() && rest.is_empty()) {
        let len = if rest.first() == Some(&b'"') {
            let bad = || Failure::fatal(format_args!("badly quoted argument: {}", rest.as_bstr()));
            let (field, len) = unquote(rest).ok_or_else(bad)?;
            fields.push(Some(field.into()));
            len
        } else {
            let len = rest.find_byte(b' ').unwrap_or(rest.len());
            fields.push(Some(rest[..len].to_vec()));
            len
        };
        match rest.get(len) {
            None => {
                rest = b"";
                break;
            }
            Some(b' ') => rest = &rest[len + 1..],
            Some(_) => {
                return Err(Failure::fatal(format_args!(
                    "unexpected character after quoted argument: {}",
                    rest.as_bstr()
                )));
            }
        }
    }
    if rest.is_empty() { Ok(fields) } else { Err(extra(command, rest)) }
}

/// A quoted text at the start, and how long it is with its quotes.
fn unquote(text: &[u8]) -> Option<(BString, usize)> {
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some((out.into(), at + 1)),
            b'\\' => {
                at += 1;
                let escaped = *text.get(at)?;
                out.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'"' | b'\\' => escaped,
                    b'0'..=b'3' => {
                        let digits = text.get(at..at + 3)?;
                        if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
                            return None;
                        }
                        at += 2;
                        digits.iter().fold(0u8, |value, digit| (value << 3) | (digit - b'0'))
                    }
                    _ => return None,
                });
            }
            byte => out.push(byte),
        }
        at += 1;
    }
}

fn say_ok(command: &BStr) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    written(writeln!(out, "{command}: ok").and_then(|()| out.flush()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_and_unquoted() {
        let fields = split(b"update", br#""refs/heads/a\303\251" 1234 "" "#);
        assert!(fields.is_ok_and(|fields| {
            fields == [Some("refs/heads/aé".into()), Some(b"1234".to_vec()), Some(Vec::new())]
        }));
        assert_eq!(split(b"delete", b"a").unwrap(), [Some(b"a".to_vec())]);
        assert!(split(b"delete", b"a b c").is_err());
        assert!(split(b"delete", br#""a"b"#).is_err());
        assert_eq!(unquote(br#""\x""#), None);
        assert_eq!(unquote(br#""open"#), None);
    }
}
