//! A picture of who worked when, drawn with characters: one row each, time from left to right.
//!
//! ```text
//! task 1  ▕████░░░░████░░░░░░░░▏
//! task 2  ▕░░░░████░░░░████░░░░▏
//! ```

use std::fmt;
use std::time::Duration;

/// Rows of intervals on one common [clock](crate::time::clock).
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    rows: Vec<(String, Vec<Interval>)>,
}

/// From when to when, on the common clock.
pub type Interval = (Duration, Duration);

/// How many characters the whole time takes.
const WIDTH: usize = 60;

impl Timeline {
    /// Adds a row below the others: the intervals in which its owner worked.
    pub fn row(&mut self, label: impl Into<String>, worked: impl Into<Vec<Interval>>) {
        self.rows.push((label.into(), worked.into()));
    }
}

/// A cell is full where its owner worked for at least half of it.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || self.rows.iter().flat_map(|(_, worked)| worked);
        let start = all()
            .map(|(from, _)| from.as_secs_f64())
            .fold(f64::INFINITY, f64::min);
        let end = all().map(|(_, to)| to.as_secs_f64()).fold(start, f64::max);
        let cell = ((end - start) / WIDTH as f64).max(f64::MIN_POSITIVE);
        let label_width = self
            .rows
            .iter()
            .map(|(label, _)| label.chars().count())
            .max();
        for (label, worked) in &self.rows {
            write!(f, "{label:<width$}  ▕", width = label_width.unwrap_or(0))?;
            for column in 0..WIDTH {
                let from = start + cell * column as f64;
                let overlap = |&(a, b): &Interval| {
                    (b.as_secs_f64().min(from + cell) - a.as_secs_f64().max(from)).max(0.0)
                };
                let busy: f64 = worked.iter().map(overlap).sum();
                f.write_str(if busy >= cell / 2.0 { "█" } else { "░" })?;
            }
            f.write_str("▏\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_worked_in_the_first_half_has_the_first_half_of_the_row() {
        let second = Duration::from_secs;
        let mut timeline = Timeline::default();
        timeline.row("a", [(second(10), second(20))]);
        timeline.row("both", [(second(10), second(12)), (second(20), second(30))]);
        let (half, tenth) = (WIDTH / 2, WIDTH / 10);
        let a = format!("a     ▕{}{}▏\n", "█".repeat(half), "░".repeat(half));
        let both = "█".repeat(tenth) + &"░".repeat(half - tenth) + &"█".repeat(half);
        assert_eq!(timeline.to_string(), a + &format!("both  ▕{both}▏\n"));
    }

    #[test]
    fn a_timeline_without_any_work_is_empty_rows() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.to_string(), "");
        timeline.row("idle", []);
        assert_eq!(
            timeline.to_string(),
            format!("idle  ▕{}▏\n", "░".repeat(WIDTH))
        );
    }
}
