//! [`Died`]: what is told of a process that died while it held a lock.

use std::fmt;

/// A death with a lock in hand, as the next holder is told of it: the process that died last, and
/// the number of deaths since what the lock guards was last said to be whole. As text it is a
/// sentence: "Process-3 (process 4711) died holding the lock".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Died {
    /// Id of the process that died last; 0 if it died before it had run at all.
    pub pid: u32,
    /// Name of that process, its first 32 bytes. Python: `Process.name`.
    pub name: Option<String>,
    /// Number of deaths, and of panics, since the last recovery.
    pub deaths: u32,
    /// True if the last of them was a panic: the process may still be alive.
    pub panicked: bool,
}

impl Died {
    /// Writes the sentence, with the name of what the process held.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, held: &str) -> fmt::Result {
        match (&self.name, self.pid) {
            (Some(name), pid) => write!(f, "{name} (process {pid})")?,
            (None, 0) => f.write_str("a process that was just starting")?,
            (None, pid) => write!(f, "process {pid}")?,
        }
        f.write_str(if self.panicked { " panicked" } else { " died" })?;
        write!(f, " holding {held}")?;
        match self.deaths {
            0 | 1 => Ok(()),
            deaths => write!(f, " (the last of {deaths} since the last recovery)"),
        }
    }
}

impl fmt::Display for Died {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "the lock")
    }
}

impl std::error::Error for Died {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_which_process_died_and_how_often_that_happened() {
        let died = |name: Option<&str>, pid, deaths, panicked| {
            Died { pid, name: name.map(String::from), deaths, panicked }.to_string()
        };
        let sentence = "Process-3 (process 12) died holding the lock";
        assert_eq!(died(Some("Process-3"), 12, 1, false), sentence);
        let sentence =
            "process 12 panicked holding the lock (the last of 3 since the last recovery)";
        assert_eq!(died(None, 12, 3, true), sentence);
        let sentence = "a process that was just starting died holding the lock";
        assert_eq!(died(None, 0, 1, false), sentence);
    }
}
