//! The options of `clone` and `fetch` about how deep a history is to be.

use crate::args::{Args, bytes};
use crate::fail::Failure;
use crate::when;
use bstr::BString;
use git_core::remote::Deepen;

/// What was said of depths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Depths {
    depth: Option<u32>,
    deepen: Option<u32>,
    unshallow: bool,
    since: Option<i64>,
    not: Vec<BString>,
}

impl Depths {
    /// Takes the value of an option if it is one of these.
    pub(crate) fn option(&mut self, name: &str, args: &mut Args) -> Result<bool, Failure> {
        match name {
            "depth" => {
                let text = args.text()?;
                let depth = text.parse().ok().filter(|depth| (1..=Deepen::INFINITE).contains(depth));
                self.depth =
                    Some(depth.ok_or_else(|| {
                        Failure::fatal(format_args!("depth {text} is not a positive number"))
                    })?);
            }
            "shallow-since" => self.since = Some(when::parse(&args.text()?)?),
            "shallow-exclude" => self.not.push(bytes(&args.value()?).into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the value of an option that only a fetch has.
    pub(crate) fn fetch_option(&mut self, name: &str, args: &mut Args) -> Result<bool, Failure> {
        match name {
            "deepen" => {
                let text = args.text()?;
                if text.starts_with('-') {
                    return Err(Failure::fatal("negative depth in --deepen is not supported"));
                }
                self.deepen = Some(text.parse().map_err(|_| {
                    args.bad("option `deepen' expects an integer value with an optional k/m/g suffix")
                })?);
            }
            "unshallow" => self.unshallow = true,
            _ => return self.option(name, args),
        }
        Ok(true)
    }

    /// Whether any was given.
    pub(crate) fn is_asked(&self) -> bool {
        self.depth.is_some()
            || self.deepen.is_some_and(|more| more > 0)
            || self.unshallow
            || self.since.is_some()
            || !self.not.is_empty()
    }

    /// The options as git has them that make no sense where a repository on the same machine is copied.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.depth.is_some(), "--depth"),
            (self.since.is_some(), "--shallow-since"),
            (!self.not.is_empty(), "--shallow-exclude"),
        ]
        .into_iter()
        .filter_map(|(given, name)| given.then_some(name))
    }

    /// What is asked of the server, for a repository that is complete or not.
    pub(crate) fn deepen(self, complete: bool) -> Result<Deepen, Failure> {
        let clash = |a: &str, b: &str| {
            Err(Failure::fatal(format_args!("options '{a}' and '{b}' cannot be used together")))
        };
        if self.deepen.is_some_and(|more| more > 0) && self.depth.is_some() {
            return clash("--deepen", "--depth");
        }
        if self.unshallow && self.depth.is_some() {
            return clash("--depth", "--unshallow");
        }
        if self.unshallow && complete {
            return Err(Failure::fatal("--unshallow on a complete repository does not make sense"));
        }
        let limits = self.since.is_some() || !self.not.is_empty();
        if limits && (self.depth.is_some() || self.deepen.is_some() || self.unshallow) {
            return Err(Failure::fatal(
                "git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together",
            ));
        }
        Ok(match (self.depth, self.deepen.filter(|more| *more > 0)) {
            _ if self.unshallow => Deepen::Depth(Deepen::INFINITE),
            _ if limits => Deepen::Limits { since: self.since, not: self.not },
            (Some(depth), _) => Deepen::Depth(depth),
            (None, Some(more)) => Deepen::Further(more),
            (None, None) => Deepen::No,
        })
    }
}
