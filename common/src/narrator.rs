//! The narrator: puts a lesson on the screen, one kind of line for each kind of statement.
//!
//! ```text
//! # full-and-empty · §3.2                                 which lesson
//!   队列满了会怎样，空了又会怎样？                             its question, in both languages
//!   What happens when a queue is full, and when it is empty?
//!
//!   parent      puts 1, 2, 3 into a queue of three places   an event: who, what
//!   ok          the queue says that it is full              a claim, checked just then
//!   ~ time for all of it = 0.3 ms                           what may differ from run to run
//!
//!   = 满了就等，或者马上报错：由你选择。                        what to remember, in both languages
//! ```

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use clap::ArgMatches;

use crate::time::Pace;

/// One sentence in the course's two languages: Chinese, English.
pub type Bilingual = (&'static str, &'static str);

/// How wide the actor's name is, with what stands before it, so that all lines align.
const ACTOR: usize = 12;

/// A lesson being told by the parent process: what its lines are put on the screen with. There is an
/// example at [`run`](crate::lessons::run), which makes one for each lesson.
#[derive(Debug)]
pub struct Story {
    pace: Pace,
    options: ArgMatches,
}

impl Story {
    /// A story told at this pace, with these options of the command line.
    pub(crate) fn new(pace: Pace, options: ArgMatches) -> Self {
        Self { pace, options }
    }

    /// The pace at which to pretend to work, here and in children, which get it among their arguments.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// How many rounds a loop that is endless in the tutorial shall make.
    #[must_use]
    pub fn rounds(&self, rounds: u64) -> u64 {
        if self.has("forever") { u64::MAX } else { rounds }
    }

    /// What the command line says for an option of this crate; `None` if nothing.
    ///
    /// # Panics
    /// If the crate has no such option of this type.
    #[must_use]
    pub fn option<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Option<T> {
        self.options.get_one(name).cloned()
    }

    /// Whether the command line has this flag; false if the crate has no such flag.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        matches!(self.options.try_get_one(flag), Ok(Some(true)))
    }

    /// Prints an event that happens in this order in every run: who did what.
    pub fn event(&self, actor: &str, what: impl fmt::Display) {
        line(&columns(actor, ACTOR, what), Style::new());
    }

    /// Prints a claim that the program has just checked, if it holds.
    ///
    /// # Errors
    /// [`Untrue`] if it doesn't hold, which ends the lesson.
    pub fn ok(&self, claim: impl fmt::Display, holds: bool) -> Result<(), Untrue> {
        if !holds {
            return Err(Untrue(claim.to_string()));
        }
        let style = AnsiColor::Green.on_default();
        line(&format!("{style}{:<ACTOR$}{style:#}{claim}", "ok"), Style::new());
        Ok(())
    }

    /// Prints what may differ from run to run; several lines if the text has several.
    pub fn varies(&self, what: impl fmt::Display) {
        for part in what.to_string().lines() {
            line(&format!("~ {part}"), Style::new().dimmed());
        }
    }

    pub(crate) fn open(&self, name: &str, section: &str, (chinese, english): Bilingual) {
        let bold = Style::new().bold();
        write(&format!("{bold}# {name} · §{section}{bold:#}\n"));
        line(chinese, Style::new());
        line(english, Style::new());
        write("\n");
    }

    pub(crate) fn close(&self, (chinese, english): Bilingual) {
        write("\n");
        line(&format!("= {chinese}"), Style::new().bold());
        line(&format!("= {english}"), Style::new().bold());
        write("\n");
    }
}

/// Prints a line that a child says for itself, or the parent where the order is free: a `~` line, for
/// the kernel alone decides when it comes. Python: `print(…, flush=True)`.
///
/// ```
/// common::narrator::speak("child_1", "I am here");
/// // prints:   ~ child_1   I am here
/// ```
pub fn speak(actor: &str, what: impl fmt::Display) {
    line(&format!("~ {}", columns(actor, ACTOR - 2, what)), Style::new().dimmed());
}

/// The actor in a column of its own; a name too long for it pushes the rest on.
fn columns(actor: &str, width: usize, what: impl fmt::Display) -> String {
    format!("{actor:<width$} {what}", width = width - 1)
}

/// A claim of a lesson that turned out false.
#[derive(Debug, PartialEq, Eq)]
pub struct Untrue(String);

impl fmt::Display for Untrue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this did not hold: {}", self.0)
    }
}

impl Error for Untrue {}

fn line(text: &str, style: Style) {
    write(&format!("  {style}{text}{style:#}\n"));
}

/// Whether somebody still reads standard output.
static HEARD: AtomicBool = AtomicBool::new(true);

/// True until a write to standard output has failed, for example because a pager was left. An
/// endless lesson ends then; any other goes on silently, so that its children are waited for.
#[must_use]
pub fn is_heard() -> bool {
    HEARD.load(Ordering::Relaxed)
}

/// Writes whole lines at once, so that lines of several processes never mix.
fn write(text: &str) {
    let mut stdout = anstream::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        HEARD.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command};

    use super::*;

    #[test]
    fn a_long_name_is_not_glued_to_what_its_owner_says() {
        assert_eq!(columns("parent", 12, "puts 1"), "parent      puts 1");
        assert_eq!(columns("Process-1:10:3", 12, "puts 1"), "Process-1:10:3 puts 1");
    }

    #[test]
    fn a_false_claim_is_an_error_with_the_claim_in_it() {
        let story = Story::new(Pace::DEFAULT, ArgMatches::default());
        assert_eq!(story.ok("1 is 1", true), Ok(()));
        let untrue = story.ok("1 is 2", false).unwrap_err();
        assert_eq!(untrue.to_string(), "this did not hold: 1 is 2");
    }

    #[test]
    fn only_a_lesson_that_is_told_for_ever_is_endless() {
        let story = |arguments: &[&str]| {
            let forever = Arg::new("forever").long("forever").action(ArgAction::SetTrue);
            let command = Command::new("lesson").no_binary_name(true).arg(forever);
            Story::new(Pace::DEFAULT, command.get_matches_from(arguments))
        };
        assert_eq!(story(&[]).rounds(3), 3);
        assert_eq!(story(&["--forever"]).rounds(3), u64::MAX);
    }
}
