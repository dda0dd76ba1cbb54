//! What a run on a real history measured, as a table, and its place in `docs/performance.md`.

use super::measure::Sample;
use crate::Outcome;
use std::fmt::Write as _;
use std::path::Path;

/// One job, measured in pairs.
pub(crate) struct Job {
    pub(crate) name: String,
    /// git's and ours, by turns; git's may be missing.
    pub(crate) pairs: Vec<(Option<Sample>, Sample)>,
}

/// A markdown section: a heading, the circumstances, a table.
pub(crate) fn section(name: &str, circumstances: &str, jobs: &[Job]) -> String {
    let mut text = format!("### {name}\n\n{circumstances}\n\n");
    text.push_str("| job | | git | git-core | ratio |\n| --- | --- | --- | --- | --- |\n");
    for job in jobs {
        let mut label = &job.name[..];
        type Value = fn(&Sample) -> Option<f64>;
        let rows: [(&str, usize, Value); 5] = [
            ("time, s", 2, |sample| Some(sample.wall)),
            ("first byte, s", 3, |sample| sample.first),
            ("processor, s", 2, |sample| sample.cpu),
            ("peak memory, MiB", 0, |sample| sample.resident),
            ("of it anonymous, MiB", 0, |sample| sample.anonymous),
        ];
        for (what, digits, value) in rows {
            let ours = median(job.pairs.iter().filter_map(|(_, ours)| value(ours)));
            let theirs = median(job.pairs.iter().filter_map(|(theirs, _)| theirs.as_ref().and_then(value)));
            let ratio = median(job.pairs.iter().filter_map(|(theirs, ours)| {
                let theirs = theirs.as_ref().and_then(value).filter(|value| *value > 0.0)?;
                Some(value(ours)? / theirs)
            }));
            let Some(ours) = ours else { continue };
            let show =
                |value: Option<f64>, digits| value.map_or("–".into(), |value| format!("{value:.digits$}"));
            let (theirs, ratio) = (show(theirs, digits), show(ratio, 2));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {label} | {what} | {theirs} | {ours:.digits$} | {ratio} |");
            label = "";
        }
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Puts the section between its markers, or at the end of the document.
pub(crate) fn write(document: &Path, name: &str, section: &str) -> Outcome {
    let text =
        std::fs::read_to_string(document).map_err(|error| format!("{}: {error}", document.display()))?;
    std::fs::write(document, replaced(&text, name, section)?)?;
    Ok(())
}

fn replaced(text: &str, name: &str, section: &str) -> Outcome<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let body = format!("{begin}{section}{end}");
    match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            Ok(format!("{}{body}{}", &text[..from], &text[to + end.len()..]))
        }
        (None, None) => Ok(format!("{}\n\n{body}", text.trim_end())),
        _ => Err(format!("the markers of {name} do not match").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_where_it_stands() {
        let once = replaced("# Title\n", "cargo", "one\n").unwrap();
        assert_eq!(once, "# Title\n\n<!-- begin cargo -->\none\n<!-- end cargo -->\n");
        let more = format!("{once}after\n");
        let twice = replaced(&more, "cargo", "two\n").unwrap();
        assert_eq!(twice, "# Title\n\n<!-- begin cargo -->\ntwo\n<!-- end cargo -->\nafter\n");
        assert!(replaced("<!-- begin cargo -->\n", "cargo", "x").is_err());
    }

    #[test]
    fn ratios_are_medians_over_pairs() {
        let sample = |wall: f64| Sample { wall, ..Sample::default() };
        let pairs = vec![
            (Some(sample(2.0)), sample(1.0)),
            (Some(sample(4.0)), sample(1.0)),
            (Some(sample(8.0)), sample(6.0)),
        ];
        let text = section("x", "here", &[Job { name: "clone".into(), pairs }]);
        assert!(text.ends_with("| clone | time, s | 4.00 | 1.00 | 0.50 |\n"), "{text}");
    }
}
