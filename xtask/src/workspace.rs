//! What the workspace looks like: its root, its target directory, its packages and their edges.
//!
//! Read from `cargo metadata`; judging it is left to `tidy`.

use crate::Outcome;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace as cargo describes it.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    /// The registries it may be published to; an empty list is `publish = false`, `None` is any.
    pub(crate) publish: Option<Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) benches: Vec<String>,
}

/// One line of a dependency table.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Where it comes from when not from a folder of this workspace.
    pub(crate) source: Option<String>,
    pub(crate) role: Role,
}

/// Which dependency table it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Normal,
    Build,
    Dev,
}

/// The folder of the workspace, known since xtask was compiled.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that runs us, or the one on PATH.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Outcome<Workspace> {
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--no-deps", "--quiet"])
            .stderr(std::process::Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err("cargo metadata failed; see its message above".into());
        }
        Workspace::parse(&serde_json::from_slice(&output.stdout)?)
    }

    fn parse(value: &Value) -> Outcome<Workspace> {
        let text = |key: &str| {
            value[key].as_str().map(PathBuf::from).ok_or_else(|| format!("cargo metadata has no {key}"))
        };
        let packages = value["packages"].as_array().ok_or("cargo metadata has no packages")?;
        Ok(Workspace {
            root: text("workspace_root")?,
            target: text("target_directory")?,
            packages: packages.iter().map(Package::parse).collect(),
        })
    }
}

impl Package {
    fn parse(value: &Value) -> Package {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        Package {
            name: string(&value["name"]),
            manifest: string(&value["manifest_path"]).into(),
            publish: value["publish"].as_array().map(|all| all.iter().map(string).collect()),
            dependencies: list(&value["dependencies"]).iter().map(Dependency::parse).collect(),
            benches: list(&value["targets"])
                .iter()
                .filter(|target| list(&target["kind"]).iter().any(|kind| kind == "bench"))
                .map(|target| string(&target["name"]))
                .collect(),
        }
    }
}

impl Dependency {
    fn parse(value: &Value) -> Dependency {
        Dependency {
            name: string(&value["name"]),
            source: value["source"].as_str().map(str::to_owned),
            role: match value["kind"].as_str() {
                Some("dev") => Role::Dev,
                Some("build") => Role::Build,
                _ => Role::Normal,
            },
        }
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let value = serde_json::json!({
            "workspace_root": "/w", "target_directory": "/w/target",
            "packages": [{
                "name": "a", "manifest_path": "/w/a/Cargo.toml", "publish": [],
                "dependencies": [
                    {"name": "b", "source": null, "kind": null},
                    {"name": "c", "source": "registry+x", "kind": "dev"}
                ],
                "targets": [{"name": "speed", "kind": ["bench"]}, {"name": "a", "kind": ["lib"]}]
            }]
        });
        let workspace = Workspace::parse(&value).unwrap();
        let package = &workspace.packages[0];
        assert_eq!(package.publish, Some(vec![]));
        assert_eq!(package.benches, ["speed"]);
        assert_eq!(package.dependencies[0].role, Role::Normal);
        assert_eq!(package.dependencies[1].role, Role::Dev);
    }
}
