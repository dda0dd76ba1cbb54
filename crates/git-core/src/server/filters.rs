//! Which filters a server applies for those who want only a part of the objects: git's `uploadpackfilter.*`.

use bstr::ByteSlice as _;
use git_core_store::config::{Config, ConfigError};
use git_core_store::filter::FilterSpec;
use std::collections::BTreeMap;

/// Which filters are applied. The default applies all; whether clients may ask for any is
/// [`UploadPackOptions::filter`](git_core_protocol::server::UploadPackOptions::filter).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterPolicy {
    /// Whether those are applied that are not among [`kinds`](Self::kinds) (`uploadpackfilter.allow`).
    pub others: FilterUse,
    /// By kind: `blob:none`, `blob:limit`, `tree`, `object:type`, `sparse:oid`, `combine`
    /// (`uploadpackfilter.<filter>.allow`).
    pub kinds: BTreeMap<String, FilterUse>,
    /// The greatest depth of `tree:<depth>` (`uploadpackfilter.tree.maxDepth`).
    pub tree_depth: Option<u64>,
}

/// Whether a filter is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterUse {
    /// It is.
    #[default]
    Allowed,
    /// It is refused.
    Refused,
}

impl FilterPolicy {
    /// What a configuration says.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable makes no sense.
    pub(super) fn of(config: &Config) -> Result<Self, ConfigError> {
        let usage = |allowed| if allowed { FilterUse::Allowed } else { FilterUse::Refused };
        let mut policy = FilterPolicy::default();
        if let Some(allowed) = config.bool("uploadpackfilter.allow")? {
            policy.others = usage(allowed);
        }
        for kind in config.subsections("uploadpackfilter") {
            let key = |name: &str| [b"uploadpackfilter.", kind.as_bytes(), b".", name.as_bytes()].concat();
            if kind == "tree"
                && let Some(depth) = config.int(key("maxDepth"))?
            {
                policy.tree_depth = u64::try_from(depth).ok();
                policy.kinds.insert(kind.to_string(), FilterUse::Allowed);
            }
            if let Some(allowed) = config.bool(key("allow"))? {
                policy.kinds.insert(kind.to_string(), usage(allowed));
            }
        }
        Ok(policy)
    }

    /// Why a filter is not applied, in git's words; nothing if it is.
    pub(super) fn objection(&self, spec: &FilterSpec) -> Option<String> {
        if matches!(spec, FilterSpec::Combine(_))
            && let Some(objection) = self.objection_to("combine")
        {
            return Some(objection);
        }
        spec.parts().iter().find_map(|part| match part {
            FilterSpec::TreeDepth(depth) => self.objection_to("tree").or_else(|| {
                let most = self.tree_depth.filter(|most| depth > most)?;
                Some(format!("tree filter allows max depth {most}, but got {depth}"))
            }),
            FilterSpec::BlobNone => self.objection_to("blob:none"),
            FilterSpec::BlobLimit(_) => self.objection_to("blob:limit"),
            FilterSpec::ObjectType(_) => self.objection_to("object:type"),
            FilterSpec::SparseOid(_) => self.objection_to("sparse:oid"),
            _ => None,
        })
    }

    fn objection_to(&self, kind: &str) -> Option<String> {
        let usage = self.kinds.get(kind).copied().unwrap_or(self.others);
        (usage == FilterUse::Refused).then(|| format!("filter '{kind}' not supported"))
    }
}
