//! Counting tests and printing the table at the end.

use std::fmt;
use std::time::Duration;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Count {
    /// One check that is a test of its own.
    pub(crate) fn one(passed: bool) -> Count {
        Count { passed: usize::from(passed), failed: usize::from(!passed), skipped: 0 }
    }

    /// Reads the summaries that `cargo test` (one per binary) and `cargo nextest run` print.
    pub(crate) fn parse(output: &str) -> Count {
        let mut total = Count::default();
        for line in output.lines().map(plain) {
            let summary = if let Some(rest) = line.trim().strip_prefix("test result: ") {
                rest
            } else if let Some((_, rest)) =
                line.split_once("] ").filter(|_| line.trim().starts_with("Summary ["))
            {
                rest.split_once(" run: ").map_or(rest, |(_, rest)| rest)
            } else {
                continue;
            };
            let mut words =
                summary.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            let mut number = None;
            for word in &mut words {
                if let Ok(value) = word.parse::<usize>() {
                    number = Some(value);
                } else if let Some(value) = number.take() {
                    match word {
                        "passed" => total.passed += value,
                        "failed" | "timed" | "exec" => total.failed += value,
                        "ignored" | "skipped" => total.skipped += value,
                        _ => {}
                    }
                }
            }
        }
        total
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Without the colours of a terminal.
fn plain(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    text
}

/// How a step of a longer run ended.
pub(crate) enum Ending {
    Passed,
    Failed(String),
    Skipped(String),
}

/// The steps of a run, in order.
#[derive(Default)]
pub(crate) struct Steps(Vec<(String, Ending, Duration)>);

impl Steps {
    pub(crate) fn push(&mut self, name: &str, ending: Ending, took: Duration) {
        self.0.push((name.to_owned(), ending, took));
    }

    pub(crate) fn all_passed(&self) -> bool {
        !self.0.iter().any(|(_, ending, _)| matches!(ending, Ending::Failed(_)))
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.0.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        for (name, ending, took) in &self.0 {
            let (word, why) = match ending {
                Ending::Passed => ("passed", ""),
                Ending::Failed(why) => ("FAILED", &why[..]),
                Ending::Skipped(why) => ("skipped", &why[..]),
            };
            let line = format!(
                "{name:wide$}  {word:<7}  {:>7.1} s  {}",
                took.as_secs_f64(),
                why.replace('\n', " / ")
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_is_counted() {
        let text = "running 4 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.12s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.12s\n";
        assert_eq!(Count::parse(text), Count { passed: 4, failed: 2, skipped: 1 });
    }

    #[test]
    fn nextest_is_counted() {
        let text =
            "     Summary [   0.018s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped\n";
        assert_eq!(Count::parse(text), Count { passed: 10, failed: 2, skipped: 3 });
        let text = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.018s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m passed, 0 skipped\n";
        assert_eq!(Count::parse(text), Count { passed: 2, failed: 0, skipped: 0 });
        let text = "     Summary [   0.018s] 3/9 tests run: 2 passed, 1 failed, 0 skipped\n";
        assert_eq!(Count::parse(text), Count { passed: 2, failed: 1, skipped: 0 });
    }

    #[test]
    fn the_table_names_what_failed() {
        let mut steps = Steps::default();
        steps.push("a", Ending::Passed, Duration::from_millis(100));
        steps.push("longer", Ending::Failed("two\nlines".into()), Duration::from_secs(1));
        let text = steps.to_string();
        assert!(text.contains("longer  FAILED       1.0 s  two / lines\n"), "{text}");
        assert!(!steps.all_passed());
    }
}
