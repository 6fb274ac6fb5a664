//! Two runs side by side: whether the ranges of each ratio overlap.

use std::fs;
use std::path::Path;

use multiprocess::Failure;
use prettytable::{Table, row};
use serde::Deserialize;

use super::Measured;
use super::report::{columns_of_a_row, extent};
use crate::time::Spread;

/// The JSON that an earlier run has printed, as far as it is needed.
#[derive(Deserialize)]
pub struct Earlier {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    peers: Vec<Peer>,
}

#[derive(Deserialize)]
struct Peer {
    name: String,
    ours_is_better_by: Option<Spread<f64>>,
}

impl Earlier {
    /// Reads what `--json` of an earlier run has printed.
    ///
    /// # Errors
    /// If it can't be read, or is something else.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            Failure::new(format!("{}: {what}: give it what --json has printed", file.display()))
        };
        let text = fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))
    }

    fn ratio(&self, row: &str, peer: &str) -> Option<Spread<f64>> {
        let row = self.rows.iter().find(|earlier| earlier.name == row)?;
        row.peers.iter().find(|earlier| earlier.name == peer)?.ours_is_better_by
    }

    /// Compares the runs: a block for each row, a line for each ratio that both runs have; below,
    /// how many of them overlap, and the names of those that don't.
    pub fn compared(&self, all: &[Measured]) -> String {
        let mut text = String::new();
        let mut count = 0;
        let mut apart = Vec::new();
        for measured in all {
            let mut table = Table::new();
            table.set_format(columns_of_a_row());
            for (place, peer) in measured.benchmark.peers.iter().enumerate().skip(1) {
                let earlier = self.ratio(&measured.benchmark.name, &peer.name);
                let (Some(now), Some(earlier)) = (measured.ratio(place), earlier) else { continue };
                let agree = now.difference(&earlier).is_none();
                count += 1;
                if !agree {
                    apart.push(format!("  {}: {}\n", measured.benchmark.name, peer.name));
                }
                let word = if agree { "agree" } else { "APART" };
                table.add_row(row![peer.name, extent(now), extent(earlier), word]);
            }
            if !table.is_empty() {
                text += &format!("{}: now, before\n{table}\n", measured.benchmark.name);
            }
        }
        let agree = count - apart.len();
        text + &format!("The ranges of {agree} of {count} ratios overlap. Apart are:\n")
            + &if apart.is_empty() { "  none\n".to_owned() } else { apart.concat() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Machine;
    use super::super::report::json;
    use super::*;

    #[test]
    fn a_run_agrees_with_itself_and_not_with_one_whose_ranges_lie_apart() {
        let all = [Measured::example()];
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), json(&Machine::default(), &all)).unwrap();
        let mut earlier = Earlier::read(file.path()).unwrap();
        let text = earlier.compared(&all);
        assert!(
            text.ends_with("The ranges of 2 of 2 ratios overlap. Apart are:\n  none\n"),
            "{text}"
        );

        let ratio = earlier.rows[0].peers[1].ours_is_better_by.as_mut().unwrap();
        (ratio.min, ratio.max) = (111.0, 112.0);
        let text = earlier.compared(&all);
        let expected =
            "The ranges of 1 of 2 ratios overlap. Apart are:\n  queue-1-1: CPython 3.12.1, fork\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn what_is_no_earlier_run_is_said_with_its_name() {
        for path in ["/no/such/file", "/proc/self/cmdline"] {
            let error = Earlier::read(Path::new(path)).err().unwrap().to_string();
            assert!(error.starts_with(path) && error.ends_with("--json has printed"), "{error}");
        }
    }
}
