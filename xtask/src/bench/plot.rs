//! Two kinds of plots as SVG: bars in groups, and lines in panels. No more than the pages need.

use std::fmt::Write as _;

/// In the order of the series; readable in print and by those who do not see all colours.
const COLOURS: [&str; 5] = ["#8c8c8c", "#0b6fb8", "#d1782c", "#4f9d5d", "#9a5fb0"];
const FONT: &str = "font-family=\"Helvetica,Arial,sans-serif\"";

/// Horizontal bars.
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) series: Vec<String>,
    /// A label, a value for each series, and a mark.
    pub(super) groups: Vec<(String, Vec<Option<f64>>, Option<f64>)>,
    pub(super) logarithmic: bool,
    /// A line across all groups.
    pub(super) line: Option<f64>,
}

/// Small plots side by side, both axes logarithmic.
pub(super) struct Lines {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) panels: Vec<Panel>,
}

/// One of them.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Bars {
    pub(super) fn svg(&self) -> String {
        const LEFT: f64 = 270.0;
        const WIDE: f64 = 480.0;
        const THICK: f64 = 12.0;
        let group = THICK * self.series.len() as f64 + 12.0;
        let bottom = 82.0 + group * self.groups.len() as f64;
        let values = || self.groups.iter().flat_map(|(_, values, mark)| values.iter().flatten().chain(mark));
        let most = values().chain(&self.line).copied().fold(f64::MIN_POSITIVE, f64::max);
        let axis = if self.logarithmic {
            let least = values().copied().filter(|value| *value > 0.0).fold(most, f64::min);
            Axis::logarithmic(least, most)
        } else {
            // One bar that is far too long must not make all others unreadable; its value stands beside it.
            let most = self.line.map_or(most, |line| most.min(line * 2.0));
            Axis { low: 0.0, high: most * 1.05, logarithmic: false }
        };
        let x = |value: f64| LEFT + WIDE * axis.place(value);
        let mut out = open(LEFT + WIDE + 80.0, bottom + 40.0, &self.title, &self.note);
        legend(&mut out, LEFT, &self.series);
        for tick in axis.ticks() {
            let at = x(tick);
            put(
                &mut out,
                format_args!(
                    "<line x1=\"{at:.1}\" y1=\"76\" x2=\"{at:.1}\" y2=\"{bottom:.1}\" stroke=\"#e4e4e4\"/>\n"
                ),
            );
            text(&mut out, at, bottom + 16.0, "middle", 11, "#555", &short(tick));
        }
        if let Some(line) = self.line {
            let at = x(line);
            put(
                &mut out,
                format_args!(
                    "<line x1=\"{at:.1}\" y1=\"76\" x2=\"{at:.1}\" y2=\"{bottom:.1}\" stroke=\"#8c8c8c\" stroke-width=\"2\"/>\n"
                ),
            );
        }
        for (number, (label, values, mark)) in self.groups.iter().enumerate() {
            let top = 82.0 + group * number as f64;
            let middle = top + THICK * self.series.len() as f64 / 2.0;
            text(&mut out, LEFT - 8.0, middle + 4.0, "end", 12, "#222", label);
            for (series, value) in values.iter().enumerate() {
                let y = top + THICK * series as f64;
                let Some(value) = value.filter(|value| *value > 0.0) else {
                    text(&mut out, LEFT + 4.0, y + 10.0, "start", 10, "#999", "–");
                    continue;
                };
                let long = (x(value) - LEFT).max(1.0);
                let colour = self.colour(series);
                put(
                    &mut out,
                    format_args!(
                        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\n",
                        THICK - 1.5
                    ),
                );
                text(&mut out, LEFT + long + 4.0, y + 9.5, "start", 10, "#333", &short(value));
            }
            if let Some(mark) = mark {
                let (at, low, high) = (x(*mark), top - 3.0, top + THICK * self.series.len() as f64 + 2.0);
                put(
                    &mut out,
                    format_args!(
                        "<line x1=\"{at:.1}\" y1=\"{low:.1}\" x2=\"{at:.1}\" y2=\"{high:.1}\" stroke=\"#c02020\" stroke-width=\"2\"/>\n"
                    ),
                );
            }
        }
        close(out)
    }

    /// git-core has its own colour where it stands alone, too.
    fn colour(&self, series: usize) -> &'static str {
        if self.series.len() == 1 { COLOURS[1] } else { COLOURS[series % COLOURS.len()] }
    }
}

impl Lines {
    pub(super) fn svg(&self) -> String {
        const SIDE: (f64, f64) = (330.0, 240.0);
        const COLUMNS: usize = 2;
        let rows = self.panels.len().div_ceil(COLUMNS);
        let names: Vec<String> = self
            .panels
            .first()
            .map(|panel| panel.series.iter().map(|(name, _)| name.clone()).collect())
            .unwrap_or_default();
        let size = (SIDE.0 * COLUMNS as f64 + 40.0, 90.0 + SIDE.1 * rows as f64);
        let mut out = open(size.0, size.1, &self.title, &self.note);
        legend(&mut out, 20.0, &names);
        for (number, panel) in self.panels.iter().enumerate() {
            let left = 60.0 + SIDE.0 * (number % COLUMNS) as f64;
            let top = 108.0 + SIDE.1 * (number / COLUMNS) as f64;
            panel.draw(&mut out, (left, top), (SIDE.0 - 70.0, SIDE.1 - 70.0));
        }
        close(out)
    }
}

impl Panel {
    fn draw(&self, out: &mut String, (left, top): (f64, f64), (wide, high): (f64, f64)) {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let range = |value: fn(&(f64, f64)) -> f64| {
            let all = || points().map(value).filter(|value| *value > 0.0);
            Axis::logarithmic(all().fold(f64::MAX, f64::min), all().fold(f64::MIN_POSITIVE, f64::max))
        };
        let (across, up) = (range(|point| point.0), range(|point| point.1));
        let x = |value: f64| left + wide * across.place(value);
        let y = |value: f64| top + high * (1.0 - up.place(value));
        text(out, left, top - 8.0, "start", 12, "#222", &self.title);
        for tick in across.ticks() {
            let at = x(tick);
            put(
                out,
                format_args!(
                    "<line x1=\"{at:.1}\" y1=\"{top:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#e4e4e4\"/>\n",
                    top + high
                ),
            );
            text(out, at, top + high + 15.0, "middle", 10, "#555", &short(tick));
        }
        for tick in up.ticks() {
            let at = y(tick);
            put(
                out,
                format_args!(
                    "<line x1=\"{left:.1}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#e4e4e4\"/>\n",
                    left + wide
                ),
            );
            text(out, left - 5.0, at + 4.0, "end", 10, "#555", &short(tick));
        }
        for (series, (_, points)) in self.series.iter().enumerate() {
            let colour = COLOURS[series % COLOURS.len()];
            let places: Vec<String> =
                points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
            put(
                out,
                format_args!(
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
                    places.join(" ")
                ),
            );
            for point in points {
                put(
                    out,
                    format_args!(
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>\n",
                        x(point.0),
                        y(point.1)
                    ),
                );
            }
            if let (Some(first), Some(last)) = (points.first(), points.last()) {
                let end = (first.1 * last.0 / first.0).min(up.high);
                let at = first.0 * end / first.1;
                put(
                    out,
                    format_args!(
                        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-dasharray=\"3 4\"/>\n",
                        x(first.0),
                        y(first.1),
                        x(at),
                        y(end)
                    ),
                );
            }
        }
    }
}

struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// Whole powers of ten that hold all values.
    fn logarithmic(least: f64, most: f64) -> Axis {
        let low = 10_f64.powf(least.min(most).max(1e-6).log10().floor());
        let high = 10_f64.powf(most.max(1e-5).log10().ceil());
        Axis { low, high: high.max(low * 10.0), logarithmic: true }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let powers = (self.high / self.low).log10().round() as i32;
            return (0..=powers).map(|power| self.low * 10_f64.powi(power)).collect();
        }
        let step = 10_f64.powf((self.high / 4.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * step);
        let step = step.into_iter().find(|step| self.high / step <= 8.0).unwrap_or(self.high);
        (0..).map(|number| step * f64::from(number)).take_while(|tick| *tick <= self.high).collect()
    }
}

/// With three digits that count, and a letter for thousands and millions.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 999_500.0 => (value / 1e6, "M"),
        value if value >= 999.5 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let digits = if value >= 99.5 {
        0
    } else if value >= 9.95 {
        1
    } else if value >= 0.095 {
        2
    } else {
        4
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text[..] };
    format!("{text}{unit}")
}

fn open(wide: f64, high: f64, title: &str, note: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide:.0}\" height=\"{high:.0}\" viewBox=\"0 0 {wide:.0} {high:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut out, 20.0, 26.0, "start", 16, "#111", title);
    text(&mut out, 20.0, 45.0, "start", 11, "#555", note);
    out
}

fn legend(out: &mut String, left: f64, series: &[String]) {
    if series.len() < 2 {
        return;
    }
    for (number, name) in series.iter().enumerate() {
        let x = left + 100.0 * number as f64;
        let colour = COLOURS[number % COLOURS.len()];
        put(
            out,
            format_args!("<rect x=\"{x:.1}\" y=\"56\" width=\"12\" height=\"10\" fill=\"{colour}\"/>\n"),
        );
        text(out, x + 17.0, 65.0, "start", 11, "#333", name);
    }
}

fn close(mut out: String) -> String {
    out.push_str("</svg>\n");
    out
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, colour: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(
        out,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{colour}\" {FONT}>{words}</text>\n"
        ),
    );
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.17, "0.17"),
            (1.0, "1"),
            (12.34, "12.3"),
            (1000.0, "1k"),
            (1_234_567.0, "1.23M"),
            (0.0123, "0.0123"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn an_axis_holds_its_values() {
        let axis = Axis::logarithmic(0.3, 420.0);
        assert_eq!((axis.low, axis.high), (0.1, 1000.0));
        assert_eq!(axis.ticks().len(), 5);
        assert!(axis.place(0.3) > 0.0 && axis.place(420.0) < 1.0);
        let axis = Axis { low: 0.0, high: 1.05, logarithmic: false };
        assert!((4..=8).contains(&axis.ticks().len()), "{:?}", axis.ticks());
    }

    #[test]
    fn empty_plots_are_plots() {
        let bars = Bars {
            title: "a & b".into(),
            note: String::new(),
            series: vec!["x".into()],
            groups: vec![("none".into(), vec![None], None)],
            logarithmic: true,
            line: None,
        };
        assert!(bars.svg().contains("a &amp; b"));
        let lines = Lines { title: String::new(), note: String::new(), panels: Vec::new() };
        assert!(lines.svg().ends_with("</svg>\n"));
    }
}
