//! Which attributes a path has: the lines of all attributes files that speak of it, the nearest first
//! (`gitattributes(5)`).
//!
//! Files of a tree come and go as a walk enters and leaves directories; those outside of it are given once. What a
//! line says is read by `git-core-config`.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::WildOptions;
use git_core_config::attributes::{Assignment, AttributeLine, State, Subject, parse};
use std::collections::HashMap;

/// Larger attributes files are passed over, as in git, in bytes.
pub const MAX_FILE_LEN: u64 = 100 << 20;

/// Attributes files outside of the tree: their contents.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OuterAttributes {
    /// The system's (`/etc/gitattributes`).
    pub system: Vec<u8>,
    /// The user's (`core.attributesFile`).
    pub user: Vec<u8>,
    /// The repository's (`info/attributes`), which nothing overrides.
    pub info: Vec<u8>,
    /// How patterns are matched: `core.ignoreCase`.
    pub options: WildOptions,
}

/// The attributes files that are in force for a directory, and how they are asked.
#[derive(Debug)]
pub struct AttributeStack {
    system: Vec<AttributeLine>,
    user: Vec<AttributeLine>,
    info: Vec<AttributeLine>,
    directories: Vec<Frame>,
    macros: HashMap<BString, Vec<Assignment>>,
    options: WildOptions,
}

#[derive(Debug)]
struct Frame {
    /// The length of the directory's path, with the `/` behind it.
    prefix: usize,
    lines: Vec<AttributeLine>,
}

/// What is said of one path.
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a>(HashMap<&'a [u8], &'a State>);

impl AttributeStack {
    /// Begins outside of the tree.
    pub fn new(outer: &OuterAttributes) -> Self {
        let read = |text: &[u8]| parse(text, outer.options);
        let binary = ["diff", "merge", "text"]
            .map(|name| Assignment { name: name.into(), state: State::Unset })
            .to_vec();
        let mut stack = AttributeStack {
            system: read(&outer.system),
            user: read(&outer.user),
            info: read(&outer.info),
            directories: Vec::new(),
            macros: HashMap::from([("binary".into(), binary)]),
            options: outer.options,
        };
        stack.define();
        stack
    }

    /// Enters a directory, whose path is of this length with the `/` at its end (0 for the top), with the content
    /// of its `.gitattributes`, if it has one.
    pub fn enter(&mut self, prefix: usize, text: Option<&[u8]>) {
        let lines = text.map_or_else(Vec::new, |text| parse(text, self.options));
        let top = self.directories.is_empty();
        self.directories.push(Frame { prefix, lines });
        if top {
            self.define();
        }
    }

    /// Leaves the directory that was entered last.
    pub fn leave(&mut self) {
        self.directories.pop();
    }

    /// What is said of a file, link or submodule in the directory that was entered last.
    pub fn of_file<'a>(&'a self, path: &[u8]) -> Attributes<'a> {
        self.ask(path, false)
    }

    /// What is said of a directory, whose path has no `/` at its end.
    pub fn of_directory<'a>(&'a self, path: &[u8]) -> Attributes<'a> {
        self.ask(path, true)
    }

    /// Macros are defined outside of the tree and at its top only; what overrides other lines does so here.
    fn define(&mut self) {
        let top = self.directories.first().map_or(&[][..], |frame| &frame.lines);
        for lines in [&self.system[..], &self.user, top, &self.info] {
            for line in lines {
                if let Subject::Macro(name) = &line.subject {
                    self.macros.insert(name.clone(), line.attributes.clone());
                }
            }
        }
    }

    fn ask<'a>(&'a self, path: &[u8], directory: bool) -> Attributes<'a> {
        let mut found = Attributes::default();
        let inner = self.directories.iter().rev().map(|frame| (frame.prefix, &frame.lines));
        let outer = [(0, &self.user), (0, &self.system)];
        for (prefix, lines) in std::iter::once((0, &self.info)).chain(inner).chain(outer) {
            let Some(below) = path.get(prefix..) else { continue };
            for line in lines.iter().rev() {
                let Subject::Paths(pattern) = &line.subject else { continue };
                let about = match directory {
                    true => pattern.matches_directory(below),
                    false => pattern.matches(below),
                };
                if about {
                    self.assign(&mut found, &line.attributes);
                }
            }
        }
        found
    }

    /// Takes what is not known yet, the last first, and what it stands for if it is a macro.
    fn assign<'a>(&'a self, found: &mut Attributes<'a>, assignments: &'a [Assignment]) {
        let mut waiting: Vec<&Assignment> = assignments.iter().collect();
        while let Some(one) = waiting.pop() {
            if found.0.contains_key(one.name.as_bytes()) {
                continue;
            }
            found.0.insert(one.name.as_bytes(), &one.state);
            if one.state == State::Set
                && let Some(meaning) = self.macros.get(&one.name)
            {
                waiting.extend(meaning);
            }
        }
    }
}

impl<'a> Attributes<'a> {
    /// What is said of an attribute; nothing is the same as [`State::Unspecified`].
    pub fn get(&self, name: &str) -> &'a State {
        self.0.get(name.as_bytes()).copied().unwrap_or(&State::Unspecified)
    }

    /// Whether an attribute is set.
    pub fn is_set(&self, name: &str) -> bool {
        *self.get(name) == State::Set
    }

    /// The value of an attribute, where it has one.
    pub fn value(&self, name: &str) -> Option<&'a BStr> {
        match self.get(name) {
            State::Value(value) => Some(value.as_bstr()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_line_wins() {
        let outer = OuterAttributes {
            user: b"* a=user b c\n[attr]pair x -y\n".to_vec(),
            info: b"*.z a=info\n".to_vec(),
            ..OuterAttributes::default()
        };
        let mut stack = AttributeStack::new(&outer);
        stack.enter(0, Some(b"*.c a=top !c\n/d/*.c b=anchored\n*.p pair\nd/ here"));
        stack.enter(2, Some(b"x.c a=near -b\n[attr]pair z\n*.q binary"));
        let found = stack.of_file(b"d/x.c");
        assert_eq!(found.value("a").unwrap(), "near");
        assert_eq!(found.get("b"), &State::Unset);
        assert_eq!(found.get("c"), &State::Unspecified);
        assert_eq!(stack.of_file(b"d/y.c").value("b").unwrap(), "anchored");
        assert_eq!(stack.of_file(b"d/y.z").value("a").unwrap(), "info");
        let pair = stack.of_file(b"d/y.p");
        assert!(pair.is_set("x") && pair.get("y") == &State::Unset && !pair.is_set("z"));
        assert_eq!(stack.of_file(b"d/y.q").get("text"), &State::Unset);
        assert!(stack.of_directory(b"d").is_set("here") && !stack.of_file(b"d").is_set("here"));
        stack.leave();
        assert_eq!(stack.of_file(b"d/x.c").value("a").unwrap(), "top");
    }

    #[test]
    fn macros_that_name_each_other_end() {
        let outer = OuterAttributes { info: b"[attr]a b\n[attr]b a\n* a".to_vec(), ..Default::default() };
        assert!(AttributeStack::new(&outer).of_file(b"x").is_set("b"));
    }
}
