//! How much freed memory the system's allocator keeps, for commands that run for long.
//!
//! Left alone, the allocator of the GNU C library gives eight arenas to each processor, and each keeps up to twice the
//! size of the largest block that was ever freed, here tens of MiB: a server would grow with every thread that has
//! counted something.

/// What `mallopt(3)` has for that, to be there when the program starts: two arenas, 1 MiB kept in each, and blocks from
/// 4 MiB on given back at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_TRIM_THRESHOLD_", "1048576"), ("MALLOC_MMAP_THRESHOLD_", "4194304")];

/// Begins the program anew with these settings, unless somebody has made some already. Nothing may have been done yet
/// that must not be done twice.
pub(crate) fn keep_little() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::os::unix::process::CommandExt as _;
        let is_set = |name: &str| std::env::var_os(name).is_some();
        if is_set("GLIBC_TUNABLES") || SETTINGS.iter().any(|(name, _)| is_set(name)) {
            return;
        }
        let Ok(program) = std::env::current_exe() else { return };
        let mut arguments = std::env::args_os();
        let mut command = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        // Where this returns, it has failed, and everything works without it.
        drop(command.args(arguments).envs(SETTINGS).exec());
    }
}
