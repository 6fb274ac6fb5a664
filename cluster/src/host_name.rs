//! The name of this machine.

use std::env::consts::OS;
use std::fs;
use std::process::{Command, Stdio};

/// Longest name, in characters.
const LONGEST: usize = 32;

/// Returns the machine's host name, as far as it is a name for a worker: up to the first dot, `-`
/// in place of other characters than A-Z, a-z, 0-9, - and _; `worker` if there is none. Python:
/// `socket.gethostname`.
pub(crate) fn host_name() -> String {
    // macOS and Windows have a program instead, as Linux mostly has, too.
    let read = || fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let linux = (OS == "linux").then(read).flatten();
    cleaned(&linux.or_else(by_program).unwrap_or_default())
}

fn by_program() -> Option<String> {
    let said = Command::new("hostname").stdin(Stdio::null()).output().ok()?;
    String::from_utf8(said.stdout).ok()
}

fn cleaned(name: &str) -> String {
    let first = name.trim().split('.').next().unwrap_or_default();
    let fit = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let cleaned = first.chars().map(|letter| if fit(letter) { letter } else { '-' });
    let cleaned: String = cleaned.take(LONGEST).collect();
    if cleaned.is_empty() { "worker".to_owned() } else { cleaned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_host_name_becomes_a_name_for_a_worker() {
        assert_eq!(cleaned("host-3\n"), "host-3");
        assert_eq!(cleaned("host_3.example.org"), "host_3");
        assert_eq!(cleaned("Adas Rechner (neu)"), "Adas-Rechner--neu-");
        assert_eq!(cleaned("机器"), "--");
        assert_eq!(cleaned(&"x".repeat(64)), "x".repeat(32));
        assert_eq!((cleaned(""), cleaned("\n")), ("worker".to_owned(), "worker".to_owned()));
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(crate::address::check_name(&host_name()).is_ok());
        // Not every Linux has the program.
        assert_eq!(by_program().map_or_else(host_name, |said| cleaned(&said)), host_name());
    }
}
