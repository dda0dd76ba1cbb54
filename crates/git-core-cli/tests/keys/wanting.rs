//! What is wanted by name, asked for before a push, or fetched from elsewhere.

use super::*;

#[test]
fn uploadpack_allow_ref_in_want_has_refs_wanted_by_name() {
    for format in FORMATS {
        let world = World::new(format);
        let (top, remote) = (world.top(), world.remote());
        git(&remote, &["branch", "dev", "main~1"]);
        git(&remote, &["branch", "same", "main"]);
        git(&remote, &["update-ref", "refs/hidden/x", "main~2"]);
        git(&remote, &["config", "uploadpack.hideRefs", "refs/hidden"]);
        git(&remote, &["config", "uploadpack.allowRefInWant", "true"]);
        let first = git(&remote, &["rev-parse", "main~2"]);
        let mut asked = Vec::new();
        for pairing in pairings() {
            let clone = top.join("clone");
            let log = top.join("packets");
            let trace = |run: &mut Command| {
                if pairing.0 == Program::Git {
                    run.env("GIT_TRACE_PACKET", &log);
                }
            };
            git(&remote, &["branch", "-f", "same", "main"]);
            let url = world.url();
            let before = git(&remote, &["rev-parse", "main"]);
            world.done(pairing, &top, &["clone", "-q", "--bare", &url, "clone"], &trace);
            git(&remote, &["commit", "-q", "--allow-empty", "-m", "more"]);
            git(&remote, &["tag", "-a", "-m", "tag", "more"]);
            world.done(pairing, &clone, &["fetch", "-q", "origin", "main:m", "dev:d"], &trace);
            git(&remote, &["commit", "-q", "--allow-empty", "-m", "even more"]);
            let tip = git(&remote, &["rev-parse", "main"]);
            // An object by its id, beside a ref.
            world.done(pairing, &clone, &["fetch", "-q", "origin", "main", &tip], &trace);
            git(&clone, &["fsck", "--full"]);
            assert_eq!(git(&clone, &["rev-parse", "m"]), git(&remote, &["rev-parse", "main~1"]));
            assert_eq!(git(&clone, &["rev-parse", "more^{}"]), git(&clone, &["rev-parse", "m"]));
            if pairing.0 == Program::Git {
                let log = std::fs::read_to_string(&log).unwrap();
                let lines = log.lines().filter(|line| line.contains("> want"));
                let wants: Vec<_> = lines.map(|line| line.split_once("> ").unwrap().1.to_owned()).collect();
                assert!(wants.iter().any(|line| line == "want-ref refs/heads/main"), "{log}");
                asked.push(wants.len());
            }
            // Back to where it was, for the next one.
            git(&remote, &["reset", "-q", "--hard", &before]);
            git(&remote, &["tag", "-d", "more"]);
            std::fs::remove_dir_all(&clone).unwrap();
            let _ = std::fs::remove_file(&log);
        }
        assert!(asked.windows(2).all(|two| two[0] == two[1]), "{asked:?}");

        // What both clients ask for is the same.
        let asked = PROGRAMS.map(|client| {
            let _ = std::fs::remove_dir_all(top.join("clone"));
            let log = top.join("packets");
            let trace = |run: &mut Command| _ = run.env("GIT_TRACE_PACKET", &log);
            let url = world.url();
            let pairing = (client, Program::Ours);
            git(&top, &["init", "-q", "--bare", &format!("--object-format={format}"), "clone"]);
            let clone = top.join("clone");
            git(&clone, &["remote", "add", "origin", &url]);
            for args in [
                &["fetch", "-q", "origin", "refs/heads/dev", &first][..],
                &["fetch", "-q", "origin"],
                &["fetch", "-q", "--depth=1", "origin", "main"],
            ] {
                world.done(pairing, &clone, args, &trace);
            }
            let log = std::fs::read_to_string(&log).unwrap();
            std::fs::remove_file(top.join("packets")).unwrap();
            let lines = log.lines().filter(|line| line.contains("fetch> want"));
            lines
                .map(|line| line.split_once("> ").unwrap().1.to_owned())
                .collect::<std::collections::BTreeSet<_>>()
        });
        assert!(asked[0].len() > 5, "{asked:?}");
        assert_eq!(asked[0], asked[1], "{format}: left git's, right ours");

        // What is hidden cannot be had by its name either.
        for (name, told) in [("refs/hidden/x", false), ("refs/none", false), ("refs/heads/dev", true)] {
            let servers = PROGRAMS.map(|server| {
                let format = format!("object-format={format}");
                let lines =
                    ["command=fetch", &format, "", &format!("want-ref {name}"), "no-progress", "done"];
                let mut input = String::new();
                for line in lines {
                    input += &match line {
                        "" => "0001".to_owned(),
                        line => format!("{:04x}{line}\n", line.len() + 5),
                    };
                }
                input += "0000";
                let mut run = command(server, &top);
                run.env("GIT_PROTOCOL", "version=2").args(["upload-pack", "--stateless-rpc", "remote"]);
                run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = run.spawn().unwrap();
                std::io::Write::write_all(child.stdin.as_mut().unwrap(), input.as_bytes()).unwrap();
                let output = child.wait_with_output().unwrap();
                let end = output.stdout.windows(8).position(|part| part == b"packfile");
                let said = output.stdout[..end.unwrap_or(output.stdout.len())].to_vec();
                let said = String::from_utf8(said).unwrap();
                // Our server ends what it says of failures with a newline.
                said.split_once("ERR ").map_or(said.clone(), |(_, text)| text.trim_end().to_owned())
            });
            assert_eq!(servers[0], servers[1], "{name}: left git's, right ours");
            assert_eq!(servers[0].contains("wanted-refs"), told, "{name}");
        }
    }
}

#[test]
fn push_negotiate_sends_less() {
    for format in FORMATS {
        let world = World::new(format);
        let (top, remote, work) = (world.top(), world.remote(), world.top().join("work"));
        for n in 0..20 {
            git(&remote, &["commit", "-q", "--allow-empty", "-m", &format!("more {n}")]);
        }
        let old = git(&remote, &["rev-parse", "main"]);
        git(&top, &["clone", "-q", "remote", "work"]);
        git(&work, &["commit", "-q", "--allow-empty", "-m", "ours"]);
        // The remote has gone on: no ref of it shows what is here.
        git(&remote, &["commit", "-q", "--allow-empty", "-m", "theirs"]);
        for tag in ["t1", "t2", "t3"] {
            git(&remote, &["tag", "-d", tag]);
        }
        git(&remote, &["config", "receive.unpackLimit", "1"]);
        let packs = |dir: &Path| {
            let entries = std::fs::read_dir(dir.join(".git/objects/pack")).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            paths.filter(|path| path.extension().is_some_and(|end| end == "idx")).collect::<Vec<_>>()
        };
        let before = packs(&remote);
        let (ssh, local) = (world.url(), remote.to_str().unwrap().to_owned());
        // What comes of a push: how many objects, and what is said.
        let push = |client: Program, settings: &[&str], url: &str| {
            let mut run = command(client, &work);
            run.env("GIT_SSH_COMMAND", top.join("ssh")).env("GIT_SSH_VARIANT", "ssh").stdin(Stdio::null());
            for setting in settings {
                run.args(["-c", setting]);
            }
            let output = run.args(["push", "-q", url, "HEAD:refs/heads/new"]).output().unwrap();
            assert!(output.status.success(), "{client:?} {settings:?} {output:?}");
            let came: Vec<_> = packs(&remote).into_iter().filter(|path| !before.contains(path)).collect();
            assert_eq!(came.len(), 1, "{client:?} {settings:?}");
            let listed = git(&remote, &["verify-pack", "-v", came[0].to_str().unwrap()]);
            let objects = listed.lines().filter(|line| line.contains(" commit ")).count();
            git(&remote, &["update-ref", "-d", "refs/heads/new"]);
            for path in packs(&remote).iter().filter(|path| !before.contains(path)) {
                for end in ["idx", "pack", "rev"] {
                    let _ = std::fs::remove_file(path.with_extension(end));
                }
            }
            (objects, String::from_utf8(output.stderr).unwrap())
        };
        let on = "push.negotiate=true";
        for url in [&ssh, &local] {
            for client in PROGRAMS {
                let (objects, said) = push(client, &[], url);
                assert!(objects > 20, "{client:?} {url} {objects} {said}");
                assert_eq!(push(client, &[on], url), (1, String::new()), "{client:?} {url}");
            }
        }
        // A server that cannot be asked: the push goes on.
        for client in PROGRAMS {
            let (objects, said) = push(client, &[on, "protocol.version=0"], &ssh);
            assert!(objects > 20, "{client:?} {objects}");
            assert!(said.contains("warning: --negotiate-only requires protocol v2\n"), "{client:?} {said}");
            let failed = "warning: push negotiation failed; proceeding anyway with push\n";
            assert!(said.ends_with(failed), "{client:?} {said}");
        }
        assert_eq!(git(&remote, &["rev-parse", "main~1"]), old);
    }
}

#[test]
fn fetch_uri_protocols_has_parts_of_packs_fetched_from_elsewhere() {
    // The server is git's: it leaves blobs out of packs that are to be had elsewhere.
    let world = World::new("sha1");
    let (top, remote) = (world.top(), world.remote());
    let web = web::Web::new(Program::Git, &top);
    let big: String = (0..5000).map(|n| format!("line {n} of a big file\n")).collect();
    std::fs::write(remote.join("big"), &big).unwrap();
    git(&remote, &["add", "big"]);
    git(&remote, &["commit", "-q", "-m", "big"]);
    let blob = git(&remote, &["rev-parse", "HEAD:big"]);
    let pack = |name: &str, objects: &str| {
        let made =
            common::output(Program::Git, &remote, &["pack-objects", "--stdout", "-q"], objects.as_bytes());
        std::fs::write(top.join(name), &made).unwrap();
        made[made.len() - 20..].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let checksum = pack("blob.pack", &format!("{blob}\n"));
    let other = pack("other.pack", &format!("{}\n", git(&remote, &["rev-parse", "HEAD:f"])));
    // git's server leaves nothing out unless all of its answer is on side bands.
    git(&remote, &["config", "uploadpack.allowSidebandAll", "true"]);
    let offer = |line: &str| git(&remote, &["config", "uploadpack.blobPackfileUri", line]);
    let clone = |client: Program, protocols: &str| {
        let _ = std::fs::remove_dir_all(top.join("clone"));
        let setting = format!("fetch.uriProtocols={protocols}");
        let args = ["-c", &setting, "clone", "-q", "--bare", &world.url(), "clone"];
        world.run((client, Program::Git), &top, &args, &|_| {})
    };
    offer(&format!("{blob} {checksum} {}", web.url("plain/blob.pack")));
    for client in PROGRAMS {
        for protocols in ["http,https", "http", "https", ""] {
            let output = clone(client, protocols);
            assert!(
                output.status.success(),
                "{client:?} {protocols} {}",
                String::from_utf8_lossy(&output.stderr)
            );
            git(&top.join("clone"), &["fsck", "--full"]);
            let apart = protocols.split(',').any(|one| one == "http");
            if client == Program::Ours {
                let named = top.join(format!("clone/objects/pack/pack-{checksum}.pack"));
                assert_eq!(named.exists(), apart, "{protocols}");
            }
        }
    }
    // Another pack than was named, none at all, one that breaks off: nothing is there afterwards.
    for line in [
        format!("{blob} {other} {}", web.url("plain/blob.pack")),
        format!("{blob} {checksum} {}", web.url("plain/none.pack")),
        format!("{blob} {checksum} {}", web.url("plain/cut.pack")),
    ] {
        let whole = std::fs::read(top.join("blob.pack")).unwrap();
        std::fs::write(top.join("cut.pack"), &whole[..whole.len() - 10]).unwrap();
        offer(&line);
        for client in PROGRAMS {
            let output = clone(client, "http");
            assert!(!output.status.success(), "{client:?} {line}");
        }
    }
}
