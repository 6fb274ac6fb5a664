//! A picture of when each worker or task was at work, drawn with characters: a row for each, time
//! from left to right.
//!
//! ```text
//! task 1  ▕████░░░░████░░░░░░░░▏
//! task 2  ▕░░░░████░░░░████░░░░▏
//! worker  ▕AAAAAAAABBBBBBBB░░░░▏
//! ```

use std::fmt::{self, Write};
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

/// Rows of intervals on one common [clock](crate::time::clock), to be printed.
///
/// ```
/// # use std::time::Duration;
/// let [one, two, three] = [1, 2, 3].map(Duration::from_secs);
/// let mut timeline = common::timeline::Timeline::default();
/// timeline.row("task 1", [(one, two)]);
/// timeline.marked_row("worker", [('A', (one, two)), ('B', (two, three))]);
/// assert_eq!(format!("{timeline:16}"), "task 1  ▕███░░░▏\nworker  ▕AAABBB▏\n");
/// assert_eq!(timeline.whole(), (one, three));
/// assert_eq!(timeline.first(two - one).whole(), (one, two));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    rows: Vec<(String, Vec<(char, Interval)>)>,
}

/// An interval (begin, end) on the common clock.
pub type Interval = (Duration, Duration);

/// The number of characters that the whole time takes, if there are enough columns.
const WIDTH: usize = 60;

impl Timeline {
    /// Adds a row below the others: the intervals in which its owner worked.
    pub fn row(&mut self, label: impl Into<String>, worked: impl Into<Vec<Interval>>) {
        self.marked_row(label, worked.into().into_iter().map(|interval| ('█', interval)));
    }

    /// Adds a row as [`row`](Self::row), each interval drawn with a character of its own: what its
    /// owner worked at.
    pub fn marked_row(
        &mut self,
        label: impl Into<String>,
        worked: impl IntoIterator<Item = (char, Interval)>,
    ) {
        self.rows.push((label.into(), worked.into_iter().collect()));
    }

    /// Returns the interval from the beginning of the first work to the end of the last.
    #[must_use]
    pub fn whole(&self) -> Interval {
        let all = || self.rows.iter().flat_map(|(_, worked)| worked);
        let begin = all().map(|(_, (from, _))| *from).min().unwrap_or_default();
        (begin, all().map(|(_, (_, to))| *to).max().unwrap_or_default())
    }

    /// Makes the timeline of only the beginning of the whole, for this long.
    #[must_use]
    pub fn first(&self, duration: Duration) -> Self {
        let end = self.whole().0 + duration;
        let cut = |worked: &Vec<(char, Interval)>| {
            let early = worked.iter().filter(|(_, (from, _))| *from < end);
            early.map(|&(mark, (from, to))| (mark, (from, end.min(to)))).collect()
        };
        Self {
            rows: self.rows.iter().map(|(label, worked)| (label.clone(), cut(worked))).collect(),
        }
    }
}

/// Draws the rows: a cell is full where its owner worked for at least half of it, and has the mark
/// of the longest work. Written by `{:n}`, the timeline takes at most n columns.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.whole();
        let (start, end) = (start.as_secs_f64(), end.as_secs_f64());
        let label_width = self.rows.iter().map(|(label, _)| label.width()).max();
        let label_width = label_width.unwrap_or(0);
        let room = f.width().map_or(WIDTH, |columns| columns.saturating_sub(label_width + 4));
        let width = room.clamp(1, WIDTH);
        let cell = ((end - start) / width as f64).max(f64::MIN_POSITIVE);
        for (label, worked) in &self.rows {
            let space = " ".repeat(label_width - label.width());
            write!(f, "{label}{space}  ▕")?;
            for column in 0..width {
                let from = start + cell * column as f64;
                let overlap = |&(mark, (a, b)): &(char, Interval)| {
                    let time = b.as_secs_f64().min(from + cell) - a.as_secs_f64().max(from);
                    (time.max(0.0), mark)
                };
                let busy: f64 = worked.iter().map(|work| overlap(work).0).sum();
                let longest = worked.iter().map(overlap).max_by(|a, b| a.0.total_cmp(&b.0));
                let mark = longest.filter(|_| busy >= cell / 2.0).map_or('░', |(_, mark)| mark);
                f.write_char(mark)?;
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
        assert_eq!(timeline.whole(), (second(10), second(30)));

        let beginning = timeline.first(second(4));
        let a = format!("a     ▕{}▏\n", "█".repeat(WIDTH));
        let both = "█".repeat(half) + &"░".repeat(half);
        assert_eq!(beginning.to_string(), a + &format!("both  ▕{both}▏\n"));
    }

    #[test]
    fn marks_tell_one_work_from_the_next() {
        let second = Duration::from_secs;
        let mut timeline = Timeline::default();
        let (a, b) = ((second(0), second(10)), (second(10), second(20)));
        timeline.marked_row("worker", [('A', a), ('B', b)]);
        timeline.row("other", [(second(20), second(30))]);
        let third = |mark: &str| mark.repeat(WIDTH / 3);
        let worker = third("A") + &third("B") + &third("░");
        let other = third("░") + &third("░") + &third("█");
        assert_eq!(timeline.to_string(), format!("worker  ▕{worker}▏\nother   ▕{other}▏\n"));
    }

    #[test]
    fn a_timeline_is_as_wide_as_there_is_room() {
        let mut timeline = Timeline::default();
        timeline.row("a", [(Duration::from_secs(0), Duration::from_secs(1))]);
        assert_eq!(format!("{timeline:15}"), format!("a  ▕{}▏\n", "█".repeat(10)));
        assert_eq!(format!("{timeline:99}"), timeline.to_string());
        assert_eq!(format!("{timeline:2}"), "a  ▕█▏\n");
    }

    #[test]
    fn a_chinese_label_is_as_wide_as_it_is_seen() {
        let mut timeline = Timeline::default();
        timeline.row("涂漆", []);
        timeline.row("paint", []);
        assert_eq!(format!("{timeline:12}"), "涂漆   ▕░░░▏\npaint  ▕░░░▏\n");
    }

    #[test]
    fn a_timeline_without_any_work_is_empty_rows() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.to_string(), "");
        timeline.row("idle", []);
        assert_eq!(timeline.to_string(), format!("idle  ▕{}▏\n", "░".repeat(WIDTH)));
    }
}
