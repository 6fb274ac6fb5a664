//! Whether there is memory for what shared memory is to hold: asked before it is promised.
//!
//! Pages of a file in memory are taken when they are first touched, by default. If there is none
//! left then, the toucher dies of SIGBUS, or the system kills a process of its choice. So all pages
//! are taken when the memory is created, and if they can't be, that is an error:
//!
//! | | what takes the pages | what is asked before |
//! | --- | --- | --- |
//! | Linux | `fallocate` | memory and swap, those of the control groups, the limit of file sizes |
//! | macOS | the first access: swap grows by itself | the size of the RAM |
//! | Windows | the section is charged against the commit limit | the same |
//!
//! To ask before is necessary on Linux: `fallocate` takes pages until there are none, and then the
//! system begins to kill. It is a guess all the same, because other processes take memory, too.

use std::io;

use super::file_size_limit;

/// Size in bytes up to which nothing is asked: the system has always that much to spare.
const SMALL: u64 = 1 << 20;

/// Part of the memory that the system itself needs for it, such as page tables: one of so many.
const UPKEEP: u64 = 64;

/// Fails if this process may not have a shared memory of so many bytes, or the system hasn't them.
pub(crate) fn check_memory(bytes: u64) -> io::Result<()> {
    let needed = bytes.saturating_add(bytes / UPKEEP);
    let available = if bytes > SMALL { system::available()? } else { needed };
    if needed > available {
        return Err(too_much(bytes, &format!(": the system has {available} to spare")));
    }
    let limit = file_size_limit();
    if bytes > limit {
        let message = format!(
            "the limit of file sizes ({limit} bytes, ulimit -f) is too low for {bytes} bytes that \
             processes share"
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(())
}

/// Makes the error for more bytes than there are.
fn too_much(bytes: u64, why: &str) -> io::Error {
    let message = format!("there is no memory for {bytes} bytes that processes share{why}");
    io::Error::new(io::ErrorKind::OutOfMemory, message)
}

#[cfg(target_os = "linux")]
pub(super) use system::take;

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::io;
    use std::os::fd::AsFd;
    use std::path::Path;

    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    /// Bytes taken by one call. A signal undoes the whole call.
    const STEP: u64 = 16 << 20;
    const SMALLEST_STEP: u64 = 1 << 16;

    /// Takes memory for this part of a file in memory.
    pub(in super::super) fn take(file: impl AsFd, start: u64, bytes: u64) -> io::Result<()> {
        let (mut taken, mut step) = (0, STEP);
        while taken < bytes {
            let length = step.min(bytes - taken);
            match fallocate(&file, FallocateFlags::KEEP_SIZE, start + taken, length) {
                Ok(()) => taken += length,
                // Signals that come faster than the pages must not keep it here for ever.
                Err(Errno::INTR) => step = (step / 2).max(SMALLEST_STEP),
                Err(Errno::NOSPC | Errno::NOMEM) => return Err(super::too_much(bytes, "")),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Returns the number of bytes that this process could still take.
    pub(super) fn available() -> io::Result<u64> {
        let told = fs::read_to_string("/proc/meminfo")?;
        let (memory, swap) = of_machine(&told).ok_or(io::ErrorKind::InvalidData)?;
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = of_groups(&groups, Path::new("/sys/fs/cgroup"), swap);
        Ok(memory.saturating_add(swap).min(group))
    }

    /// Reads what the machine has to spare, in bytes: memory, and swap.
    fn of_machine(meminfo: &str) -> Option<(u64, u64)> {
        let kib = |name| number_after(meminfo, name);
        Some((kib("MemAvailable:")? * 1024, kib("SwapFree:").unwrap_or(0) * 1024))
    }

    /// Finds what the control groups of this process leave it, in bytes: each group from its own
    /// up to the root has a limit. Version 2 has one tree of groups, version 1 one for memory.
    fn of_groups(groups: &str, root: &Path, swap: u64) -> u64 {
        let mut least = u64::MAX;
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(kinds), Some(path)) = (fields.next(), fields.next()) else { continue };
            let (tree, spare_of): (_, fn(&Path, u64) -> Option<u64>) = match kinds {
                "" => (root.to_owned(), in_group),
                _ if kinds.split(',').any(|kind| kind == "memory") => {
                    (root.join("memory"), in_group_of_version_1)
                }
                _ => continue,
            };
            let own = tree.join(path.trim_start_matches('/'));
            // A container sees the tree from its own group on: then the path leads nowhere.
            let folders = own.ancestors().take_while(|folder| folder.starts_with(&tree));
            least = folders.filter_map(|folder| spare_of(folder, swap)).fold(least, u64::min);
        }
        least
    }

    /// Finds what a group leaves to spare; `None` if it has no limit.
    fn in_group(folder: &Path, swap: u64) -> Option<u64> {
        let number = |file: &str| number_in(&folder.join(file));
        let (most, used) = (number("memory.max")?, number("memory.current")?);
        let swap_most = number("memory.swap.max").unwrap_or(u64::MAX);
        let swap_used = number("memory.swap.current").unwrap_or(0);
        let own_swap = swap.min(swap_most.saturating_sub(swap_used));
        let kept = kept_for_files(folder, ["inactive_file ", "active_file "]);
        Some(most.saturating_sub(used).saturating_add(kept).saturating_add(own_swap))
    }

    /// Finds what a group of version 1 leaves to spare; `None` if it has no limit.
    fn in_group_of_version_1(folder: &Path, swap: u64) -> Option<u64> {
        let kept = kept_for_files(folder, ["total_inactive_file ", "total_active_file "]);
        let spare = |kind: &str| {
            let most = number_in(&folder.join(format!("memory.{kind}limit_in_bytes")))?;
            let used = number_in(&folder.join(format!("memory.{kind}usage_in_bytes")))?;
            Some(most.saturating_sub(used).saturating_add(kept))
        };
        let with_swap = spare("")?.saturating_add(swap);
        Some(with_swap.min(spare("memsw.").unwrap_or(u64::MAX)))
    }

    /// Finds how much of a group's memory holds copies of files: the kernel drops them when it
    /// needs the memory.
    fn kept_for_files(folder: &Path, names: [&str; 2]) -> u64 {
        let told = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        names.iter().filter_map(|name| number_after(&told, name)).sum()
    }

    /// Reads a file that holds a number; `None` also if it holds "max".
    fn number_in(file: &Path) -> Option<u64> {
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// Finds the number in the line that begins with this name.
    fn number_after(text: &str, name: &str) -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use std::os::unix::fs::MetadataExt;

        use rustix::fs::MemfdFlags;

        use super::*;

        const MEMINFO: &str = "MemTotal:       24683960 kB\nMemFree:         3394212 kB\n\
            MemAvailable:   24053140 kB\nBuffers:          511896 kB\nSwapFree:          1024 kB\n";

        #[test]
        fn what_the_machine_has_to_spare_is_memory_and_swap() {
            assert_eq!(of_machine(MEMINFO), Some((24_053_140 << 10, 1 << 20)));
            assert_eq!(of_machine("MemTotal: 5 kB\n"), None);
            assert!(available().unwrap() > 1 << 20);
        }

        /// Writes files of a pretended control group.
        fn group(folder: &Path, files: &[(&str, &str)]) {
            fs::create_dir_all(folder).unwrap();
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
        }

        #[test]
        fn the_narrowest_group_up_to_the_root_counts() {
            let root = tempfile::tempdir().unwrap();
            let root = root.path();
            assert_eq!(of_groups("0::/a/b\n", root, 7), u64::MAX);
            group(&root.join("a/b"), &[("memory.max", "max\n"), ("memory.current", "900\n")]);
            assert_eq!(of_groups("0::/a/b\n", root, 7), u64::MAX);
            let limit = [("memory.max", "5000\n"), ("memory.current", "1900\n")];
            group(&root.join("a"), &limit);
            assert_eq!(of_groups("0::/a/b\n", root, 7), 3107, "and all swap");
            let stat = "anon 3\nactive_file 100\ninactive_file 20\nfile 5000\n";
            group(&root.join("a"), &[("memory.stat", stat), ("memory.swap.max", "5\n")]);
            assert_eq!(of_groups("0::/a/b\n", root, 7), 3225, "its own swap, copies of files");
            let narrow = [("memory.max", "400\n"), ("memory.current", "900\n")];
            group(&root.join("a/b"), &narrow);
            assert_eq!(of_groups("0::/a/b\n", root, 7), 7, "it has too much already");
            assert_eq!(of_groups("0::/\n", root, 7), u64::MAX);
            // In a container the path is that of another tree.
            group(root, &limit);
            assert_eq!(of_groups("0::/elsewhere/c\n", root, 0), 3100);
        }

        #[test]
        fn groups_of_version_1_count_too() {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("memory/x");
            let files = [
                ("memory.limit_in_bytes", "5000"),
                ("memory.usage_in_bytes", "2000"),
                ("memory.stat", "cache 1\ntotal_inactive_file 30\ntotal_active_file 5\n"),
            ];
            group(&folder, &files);
            let told = "5:cpu,memory:/x\n4:pids:/y\nnonsense\n0::/\n";
            assert_eq!(of_groups(told, root.path(), 100), 3135);
            let with_swap =
                [("memory.memsw.limit_in_bytes", "5010"), ("memory.memsw.usage_in_bytes", "2000")];
            group(&folder, &with_swap);
            assert_eq!(of_groups(told, root.path(), 100), 3045);
        }

        #[test]
        fn memory_that_was_taken_is_there() {
            let file = fs::File::from(rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC).unwrap());
            file.set_len(48 << 20).unwrap();
            take(&file, 4096, 40 << 20).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.len(), metadata.blocks() * 512), (48 << 20, 40 << 20));
        }
    }
}

#[cfg(target_os = "macos")]
mod system {
    use std::io;
    use std::ptr::null_mut;

    /// Returns the number of bytes that all processes together could take before most of them lie
    /// in swap: the size of the RAM.
    #[expect(unsafe_code, reason = "rustix doesn't have it")]
    pub(super) fn available() -> io::Result<u64> {
        let (mut bytes, mut length) = (0_u64, size_of::<u64>());
        let (name, into) = (c"hw.memsize".as_ptr(), (&raw mut bytes).cast());
        // SAFETY: the name ends with 0, the buffer has the given length, and any bytes are a
        // number.
        match unsafe { libc::sysctlbyname(name, into, &raw mut length, null_mut(), 0) } {
            0 => Ok(bytes),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use windows_sys::Win32::System::ProcessStatus::{GetPerformanceInfo, PERFORMANCE_INFORMATION};

    /// Returns the number of bytes that the system can still promise: of RAM and paging files.
    #[expect(unsafe_code, reason = "a call of the system")]
    pub(super) fn available() -> io::Result<u64> {
        let size = size_of::<PERFORMANCE_INFORMATION>() as u32;
        let mut told = PERFORMANCE_INFORMATION { cb: size, ..Default::default() };
        // SAFETY: the struct has the given size.
        if unsafe { GetPerformanceInfo(&raw mut told, size) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let pages = told.CommitLimit.saturating_sub(told.CommitTotal);
        Ok(pages as u64 * told.PageSize as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_and_a_page_never() {
        for bytes in [1 << 50, 1 << 60, u64::MAX] {
            let error = check_memory(bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(error.to_string().contains(&bytes.to_string()), "{error}");
        }
        check_memory(4096).unwrap();
        check_memory(2 << 20).unwrap();
    }
}
