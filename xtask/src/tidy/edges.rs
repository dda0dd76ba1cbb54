//! Which crate may use which: the table of `ARCHITECTURE.md` against the manifests.
//!
//! "Uses" are direct, and whatever can be reached along them may be used too. The table has to be a graph
//! without cycles. Tests may look further: a dev-dependency may name any crate that does not itself, along
//! the table, reach back to the crate under test, so that the layers stay layers in tests as well.

use super::{Finding, below};
use crate::Outcome;
use crate::workspace::{Package, Role, Workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const DOCUMENT: &str = "ARCHITECTURE.md";
/// Members that are not part of the product and stand outside the table.
const OUTSIDE: &[&str] = &["xtask"];

/// One row of the table of crates.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    uses: BTreeSet<String>,
}

type Table = BTreeMap<String, Row>;

/// Everything there is to say about crates and their edges.
pub(super) fn check(workspace: &Workspace) -> Outcome<Vec<Finding>> {
    let text = std::fs::read_to_string(workspace.root.join(DOCUMENT))
        .map_err(|error| format!("{DOCUMENT}: {error}; it must hold the table of crates"))?;
    let (table, mut findings) = parse(&text);
    if table.is_empty() {
        findings.push(Finding::new(
            Path::new(DOCUMENT),
            1,
            "no table of crates: add one with the columns `crate | holds | uses`",
        ));
        return Ok(findings);
    }
    let manifest = |package: &Package| {
        let text = std::fs::read_to_string(&package.manifest).unwrap_or_default();
        (below(&workspace.root, &package.manifest).to_path_buf(), text)
    };
    findings.extend(compare(&table, &workspace.packages, manifest));
    Ok(findings)
}

/// The first markdown table whose header is `crate | holds | uses`.
fn parse(text: &str) -> (Table, Vec<Finding>) {
    let mut table = Table::new();
    let mut findings = Vec::new();
    let mut lines = (1..).zip(text.lines()).skip_while(|(_, line)| cells(line) != ["crate", "holds", "uses"]);
    lines.next();
    for (line, content) in lines {
        let cells = cells(content);
        if cells.is_empty() {
            break;
        }
        if cells.iter().all(|cell| cell.chars().all(|char| matches!(char, '-' | ':'))) {
            continue;
        }
        let [name, _, uses] = &cells[..] else {
            findings.push(Finding::new(
                Path::new(DOCUMENT),
                line,
                "a row has three cells: crate, holds, uses",
            ));
            continue;
        };
        let uses = uses.split(',').map(bare).filter(|name| !matches!(&name[..], "" | "–" | "-")).collect();
        if table.insert(bare(name), Row { line, uses }).is_some() {
            let message = format!("second row for {}: join them", bare(name));
            findings.push(Finding::new(Path::new(DOCUMENT), line, message));
        }
    }
    (table, findings)
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inner.map(|inner| inner.split('|').map(str::trim).collect()).unwrap_or_default()
}

fn bare(cell: &str) -> String {
    cell.trim().trim_matches('`').to_owned()
}

/// `manifest` answers the path to name in a finding and the text in which to look for the line.
fn compare(
    table: &Table,
    packages: &[Package],
    manifest: impl Fn(&Package) -> (std::path::PathBuf, String),
) -> Vec<Finding> {
    let document = Path::new(DOCUMENT);
    let mut findings = Vec::new();
    for (name, row) in table {
        if !packages.iter().any(|package| package.name == *name) {
            findings.push(Finding::new(document, row.line, format!("no crate {name}: remove its row")));
        }
        for used in row.uses.iter().filter(|used| !table.contains_key(*used)) {
            let message =
                format!("{name} is said to use {used}, which has no row: add one or remove the use");
            findings.push(Finding::new(document, row.line, message));
        }
        if reachable(table, name).contains(name) {
            let message = format!("{name} reaches itself along the uses: break the cycle");
            findings.push(Finding::new(document, row.line, message));
        }
    }
    for package in packages {
        let (path, text) = manifest(package);
        let line = |wanted: &str| {
            let found = text.lines().position(|line| {
                line.strip_prefix(wanted).is_some_and(|rest| rest.starts_with([' ', '=', '.']))
            });
            found.map_or(1, |index| index + 1)
        };
        if package.publish.as_ref().is_none_or(|registries| !registries.is_empty()) {
            let message = "our names belong to others on the public registry: set `publish.workspace = true`";
            findings.push(Finding::new(&path, line("publish"), message));
        }
        let outside = OUTSIDE.contains(&&package.name[..]);
        if !outside && !table.contains_key(&package.name) {
            let message = format!("{} has no row in the table of {DOCUMENT}: add one", package.name);
            findings.push(Finding::new(&path, 1, message));
            continue;
        }
        let allowed = reachable(table, &package.name);
        for dependency in &package.dependencies {
            let used = &dependency.name;
            let ours = table.contains_key(used) || packages.iter().any(|package| package.name == *used);
            if !ours || *used == package.name {
                continue;
            }
            if let Some(source) = &dependency.source {
                let message = format!("{used} comes from {source}: use `{used}.workspace = true`, a path");
                findings.push(Finding::new(&path, line(used), message));
            }
            let fine = match dependency.role {
                _ if outside => true,
                Role::Normal | Role::Build => allowed.contains(used),
                Role::Dev => !reachable(table, used).contains(&package.name),
            };
            if !fine {
                let name = &package.name;
                let message = match dependency.role {
                    Role::Dev => format!(
                        "the tests of {name} may not use {used}, which builds on {name}: \
                         move the test to a crate above both"
                    ),
                    _ => format!(
                        "{name} may not use {used}: the table of {DOCUMENT} does not allow it; \
                         move the code, or change the table with a record in docs/adr/"
                    ),
                };
                findings.push(Finding::new(&path, line(used), message));
            }
        }
    }
    findings
}

/// Everything that can be reached from `name` along the uses; `name` itself only through a cycle.
fn reachable(table: &Table, name: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        for used in table.get(&name).iter().flat_map(|row| &row.uses) {
            if seen.insert(used.clone()) {
                open.push(used.clone());
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const TEXT: &str = "# Crates\n\n| crate | holds | uses |\n| --- | --- | --- |\n\
        | `top` | all | `middle` |\n| `middle` | much | low |\n| `low` | little | – |\n\nMore text | here |\n";

    fn package(name: &str, dependencies: &[(&str, Role)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, role)| Dependency { name: name.to_owned(), source: None, role })
            .collect();
        Package { name: name.to_owned(), publish: Some(vec![]), dependencies, ..Package::default() }
    }

    fn found(packages: &[Package]) -> Vec<Finding> {
        let (table, findings) = parse(TEXT);
        assert_eq!(findings, []);
        compare(&table, packages, |package| {
            let path = format!("crates/{}/Cargo.toml", package.name);
            let lines = package.dependencies.iter().map(|used| format!("{}.workspace = true\n", used.name));
            (path.into(), format!("[dependencies]\n{}", lines.collect::<String>()))
        })
    }

    fn three() -> [Package; 3] {
        [
            package("top", &[("middle", Role::Normal), ("low", Role::Normal), ("libc", Role::Normal)]),
            package("middle", &[("low", Role::Normal)]),
            package("low", &[]),
        ]
    }

    #[test]
    fn the_table_is_read() {
        let (table, _) = parse(TEXT);
        assert_eq!(table["top"].uses, BTreeSet::from(["middle".to_owned()]));
        assert_eq!(table["low"], Row { line: 7, uses: BTreeSet::new() });
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn reachable_edges_pass() {
        assert_eq!(found(&three()), []);
    }

    #[test]
    fn a_forbidden_edge_fails() {
        let mut packages = three();
        packages[2] = package("low", &[("libc", Role::Normal), ("middle", Role::Normal)]);
        let findings = found(&packages);
        assert_eq!(findings.len(), 1);
        let text = findings[0].to_string();
        assert!(text.starts_with("crates/low/Cargo.toml:3: low may not use middle"), "{text}");
    }

    #[test]
    fn a_build_dependency_counts_like_a_normal_one() {
        let mut packages = three();
        packages[1] = package("middle", &[("top", Role::Build)]);
        assert_eq!(found(&packages).len(), 1);
    }

    #[test]
    fn tests_may_look_sideways_but_not_up() {
        let text = "| crate | holds | uses |\n|---|---|---|\n| a | x | c |\n| b | x | c |\n| c | x | – |\n";
        let (table, _) = parse(text);
        let check =
            |packages: &[Package]| compare(&table, packages, |_| ("Cargo.toml".into(), String::new()));
        let a = package("a", &[("b", Role::Dev)]);
        assert_eq!(check(&[a, package("b", &[]), package("c", &[])]), []);
        let c = package("c", &[("a", Role::Dev)]);
        assert_eq!(check(&[package("a", &[]), package("b", &[]), c]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_fail() {
        let mut packages = three().to_vec();
        packages.push(package("stranger", &[]));
        packages.remove(0);
        let texts: Vec<String> = found(&packages).iter().map(Finding::to_string).collect();
        assert!(texts.iter().any(|text| text.contains("no crate top")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("stranger has no row")), "{texts:?}");
    }

    #[test]
    fn a_cycle_fails() {
        let (table, _) = parse("| crate | holds | uses |\n|---|---|---|\n| a | x | b |\n| b | x | a |\n");
        let packages = [package("a", &[]), package("b", &[])];
        let findings = compare(&table, &packages, |_| ("Cargo.toml".into(), String::new()));
        assert_eq!(findings.len(), 2);
        assert!(findings[0].message.contains("cycle"));
    }

    #[test]
    fn our_crates_come_by_path_and_are_not_published() {
        let mut packages = three();
        packages[1].dependencies[0].source = Some("registry+somewhere".into());
        packages[2].publish = None;
        let texts: Vec<String> = found(&packages).iter().map(Finding::to_string).collect();
        assert!(texts[0].starts_with("crates/middle/Cargo.toml:2: low comes from registry"), "{texts:?}");
        assert!(texts[1].contains("publish.workspace"), "{texts:?}");
    }
}
