//! What we want to reach: for each job, limits of what it takes, mostly as a share of what git takes in the same run.

use crate::interop::measure::Sample;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Time,
    First,
    Processor,
    Resident,
    Anonymous,
    Size,
}

impl Figure {
    pub(super) const ALL: [Figure; 6] =
        [Figure::Time, Figure::First, Figure::Processor, Figure::Resident, Figure::Anonymous, Figure::Size];

    /// With its unit.
    pub(super) fn name(self) -> &'static str {
        match self {
            Figure::Time => "time, s",
            Figure::First => "first byte, s",
            Figure::Processor => "processor, s",
            Figure::Resident => "peak memory, MiB",
            Figure::Anonymous => "of it anonymous, MiB",
            Figure::Size => "size, MB",
        }
    }

    pub(super) fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Figure::Time => Some(sample.wall),
            Figure::First => sample.first,
            Figure::Processor => sample.cpu,
            Figure::Resident => sample.resident,
            Figure::Anonymous => sample.anonymous,
            Figure::Size => sample.bytes.map(|bytes| bytes / 1e6),
        }
    }

    pub(super) fn shown(self, value: f64) -> String {
        match self {
            Figure::Time | Figure::First | Figure::Processor if value < 1.0 => format!("{value:.3}"),
            Figure::Time | Figure::First | Figure::Processor => format!("{value:.2}"),
            Figure::Resident | Figure::Anonymous => format!("{value:.0}"),
            Figure::Size => format!("{value:.1}"),
        }
    }
}

/// What a figure shall not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// This share of git's.
    Ratio(f64),
    /// So much as it stands, in the unit of the figure.
    Absolute(f64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) figure: Figure,
    pub(super) limit: Limit,
    /// For packs of more than [`LARGE`] bytes, where that differs.
    pub(super) large: Option<Limit>,
}

/// From this size of its pack on, a history counts as a large one.
pub(super) const LARGE: u64 = 300_000_000;

impl Target {
    /// No more than this share of git's.
    pub(super) const fn ratio(figure: Figure, ratio: f64) -> Target {
        Target { figure, limit: Limit::Ratio(ratio), large: None }
    }

    /// No more anonymous memory than so many MiB.
    pub(super) const fn memory(mebibytes: f64) -> Target {
        Target { figure: Figure::Anonymous, limit: Limit::Absolute(mebibytes), large: None }
    }

    /// With another limit for large histories.
    pub(super) const fn or_large(mut self, limit: f64) -> Target {
        self.large = Some(match self.limit {
            Limit::Ratio(_) => Limit::Ratio(limit),
            Limit::Absolute(_) => Limit::Absolute(limit),
        });
        self
    }

    pub(super) fn limit(&self, pack_bytes: u64) -> Limit {
        match self.large {
            Some(large) if pack_bytes > LARGE => large,
            _ => self.limit,
        }
    }
}

impl Limit {
    /// Whether it is kept; `None` when what it is compared with is missing.
    pub(super) fn met(self, value: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        match self {
            Limit::Ratio(limit) => Some(ratio? <= limit),
            Limit::Absolute(limit) => Some(value? <= limit),
        }
    }

    pub(super) fn shown(self) -> String {
        match self {
            Limit::Ratio(limit) => format!("≤ {limit:.2}×"),
            Limit::Absolute(limit) => format!("≤ {limit:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_compared() {
        let target = Target::ratio(Figure::Time, 0.2).or_large(0.17);
        assert_eq!(target.limit(1).met(Some(9.0), Some(0.19)), Some(true));
        assert_eq!(target.limit(LARGE + 1).met(Some(9.0), Some(0.19)), Some(false));
        assert_eq!(target.limit(1).met(Some(9.0), None), None);
        assert_eq!(Target::memory(64.0).limit(1).met(Some(65.0), Some(0.1)), Some(false));
    }
}
