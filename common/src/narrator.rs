//! The narrator: puts a lesson on the screen, one kind of line for each kind of statement.
//!
//! ```text
//! # full-and-empty · §3.2                                 which lesson
//!   队列满了会怎样，空了又会怎样？                             its question, in both languages
//!   What happens when a queue is full, and when it is empty?
//!
//!   parent      puts 1, 2, 3 into a queue of three places   an event: actor, what it does
//!   ok          the queue says that it is full              a claim, checked just then
//!   ~ time for all of it = 0.3 ms                           what may differ from run to run
//!
//!   = 满了就等，或者马上报错：由你选择。                      what to remember, in both languages
//! ```
//!
//! A line longer than the terminal goes on in the next one, below its own text; see [`wrapped`].

use std::error::Error;
use std::fmt;
use std::io;

use anstyle::{AnsiColor, Style};
use clap::ArgMatches;
use terminal_size::terminal_size_of;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use crate::output::is_heard;
use crate::output::print;
use crate::time::Pace;

/// A sentence in the course's two languages: Chinese, English.
pub type Bilingual = (&'static str, &'static str);

/// The width of the actor's name, with what stands before it, so that all lines align.
const ACTOR: usize = 12;

/// A lesson being told by the parent process: what its lines are put on the screen with. Made by
/// [`run`](crate::lessons::run).
///
/// ```
/// # use common::lessons::{Lesson, Told, run_with};
/// # use common::narrator::Story;
/// # const LESSON: Lesson =
/// #     Lesson { name: "one", section: "1.1", question: ("", ""), remember: ("", ""), tell };
/// fn tell(story: &Story) -> Told {
///     for round in 0..story.rounds(3) {
///         story.event("parent", format_args!("puts {round} into a queue"));
///         story.pace().work(0.1); // a tenth of a second of the tutorial
///     }
///     story.ok("three items wait in it", [0, 1, 2].len() == 3)?;
///     assert!(story.ok("four items wait in it", [0, 1, 2].len() == 4).is_err());
///     story.varies(format_args!("this is process {}", std::process::id()));
///     story.figure("task  when\nwalls 1 to 4");
///     Ok(())
/// }
/// # fn main() -> std::process::ExitCode { run_with("lessons", "", &[LESSON], &[], &[]) }
/// ```
#[derive(Debug)]
pub struct Story {
    pace: Pace,
    options: ArgMatches,
}

impl Story {
    /// Makes a story told at this pace, with these options of the command line.
    pub(crate) fn new(pace: Pace, options: ArgMatches) -> Self {
        Self { pace, options }
    }

    /// Returns the pace at which to pretend to work, here and in children, which get it among their
    /// arguments.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns how many rounds a loop that is endless in the tutorial shall make: these, or with
    /// `--forever` [`u64::MAX`].
    #[must_use]
    pub fn rounds(&self, rounds: u64) -> u64 {
        if self.has("forever") { u64::MAX } else { rounds }
    }

    /// Returns what the command line says for an option of this crate; `None` if nothing. There is
    /// an example at [`run_with`](crate::lessons::run_with).
    ///
    /// # Panics
    /// If the crate has no such option of this type.
    #[must_use]
    pub fn option<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Option<T> {
        self.options.get_one(name).cloned()
    }

    /// Returns true if the command line has this flag; false if the crate has no such flag.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        matches!(self.options.try_get_one(flag), Ok(Some(true)))
    }

    /// Prints an event that happens in this order in every run: the actor, and what it did.
    pub fn event(&self, actor: &str, what: impl fmt::Display) {
        spoken("", actor, ACTOR, what, Style::new());
    }

    /// Prints a claim that the program has just checked, if it holds; nothing if it doesn't.
    ///
    /// # Errors
    /// [`Untrue`] if it doesn't hold, which ends the lesson.
    pub fn ok(&self, claim: impl fmt::Display, holds: bool) -> Result<(), Untrue> {
        if !holds {
            return Err(Untrue(claim.to_string()));
        }
        let green = AnsiColor::Green.on_default();
        let text = inset("", &actor_and("ok", ACTOR, claim), ACTOR, Style::new());
        print(&text.replacen("ok", &format!("{green}ok{green:#}"), 1));
        Ok(())
    }

    /// Prints what may differ from run to run; several lines if the text has several.
    pub fn varies(&self, what: impl fmt::Display) {
        for part in what.to_string().lines() {
            lines("~ ", part, 2, Style::new().dimmed());
        }
    }

    /// Prints a table or a picture that is the same in every run, formatted by `{:n}`, where n is
    /// the number of columns that it has.
    pub fn figure(&self, figure: impl fmt::Display) {
        draw("  ", figure, Style::new());
    }

    /// Prints a table or a picture that may differ from run to run.
    pub fn varying_figure(&self, figure: impl fmt::Display) {
        draw("~ ", figure, Style::new().dimmed());
    }

    pub(crate) fn open(&self, name: &str, section: &str, (chinese, english): Bilingual) {
        let bold = Style::new().bold();
        print(&format!("{bold}# {name} · §{section}{bold:#}\n"));
        lines("", chinese, 0, Style::new());
        lines("", english, 0, Style::new());
        print("\n");
    }

    pub(crate) fn close(&self, (chinese, english): Bilingual) {
        print("\n");
        lines("", &format!("= {chinese}"), 2, Style::new().bold());
        lines("", &format!("= {english}"), 2, Style::new().bold());
        print("\n");
    }
}

/// Prints a line that a child says for itself, or the parent where the order is free: a `~` line,
/// for the kernel alone decides when it comes. Python: `print(…, flush=True)`.
///
/// ```
/// common::narrator::speak("child_1", "I am here");
/// // prints:   ~ child_1   I am here
/// ```
pub fn speak(actor: &str, what: impl fmt::Display) {
    spoken("~ ", actor, ACTOR - 2, what, Style::new().dimmed());
}

/// Writes an actor and what it says; further lines stand below the first, if the actor's name is
/// short enough.
fn spoken(mark: &str, actor: &str, width: usize, what: impl fmt::Display, style: Style) {
    let indent = if actor.width() < width { width } else { 2 };
    lines(mark, &actor_and(actor, width, what), indent, style);
}

/// Puts the actor into a column of its own; a name too long for it pushes the rest on.
fn actor_and(actor: &str, width: usize, what: impl fmt::Display) -> String {
    format!("{actor:<width$} {what}", width = width - 1)
}

/// A claim of a lesson that turned out false: the error of [`Story::ok`].
#[derive(Debug, PartialEq, Eq)]
pub struct Untrue(String);

impl fmt::Display for Untrue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this did not hold: {}", self.0)
    }
}

impl Error for Untrue {}

/// Returns the columns of the screen: those of the terminal, but no fewer than 40 and no more than
/// 80; without one, 80. Python: `shutil.get_terminal_size().columns`.
#[must_use]
pub fn columns() -> usize {
    let columns = terminal_size_of(io::stdout()).map(|(columns, _)| usize::from(columns.0));
    columns.map_or(SCREEN, |columns| columns.clamp(NARROW, SCREEN))
}

/// The most columns of a text: with more it is hard to read.
const SCREEN: usize = 80;
/// The fewest columns of a text.
const NARROW: usize = 40;

/// Wraps a text in lines of at most this many columns, the second and later ones with an indent.
/// Python: `textwrap.wrap`.
///
/// Lines end between words, or between two characters of Chinese; at a no-break space (U+00A0) only
/// if there is no other way.
///
/// ```
/// let lines = common::narrator::wrapped("parent  has three tasks at work", 21, 8);
/// assert_eq!(lines, ["parent  has three", "        tasks at work"]);
/// ```
#[must_use]
pub fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
    const SPACES: [char; 2] = [' ', '\u{a0}'];
    let (mut lines, mut line, mut is_begun) = (Vec::new(), String::new(), false);
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = end_of_part(rest);
        if indent + rest[..end].trim_end().width() > columns {
            end = rest.find('\u{a0}').map_or(end, |place| end.min(place + '\u{a0}'.len_utf8()));
        }
        let (part, after) = rest.split_at(end);
        if is_begun && line.width() + part.trim_end_matches(SPACES).width() > columns {
            lines.push(line);
            line = " ".repeat(indent);
        }
        line += part;
        is_begun = true;
        rest = after;
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end_matches(SPACES).replace('\u{a0}', " ")).collect()
}

/// Returns the first index where a line may end.
fn end_of_part(text: &str) -> usize {
    // Chinese marks that belong to what is before them, or to what follows.
    const CLOSING: &str = "，。、；：？！）》」”";
    const OPENING: &str = "（《「“";
    let is_wide = |character: char| character.width() == Some(2);
    let pairs = text.char_indices().zip(text.chars().skip(1));
    let mut ends = pairs.filter(|((_, this), next)| {
        let is_between = (is_wide(*this) || is_wide(*next)) && *next != ' ' && *this != '\u{a0}';
        let is_torn = OPENING.contains(*this) || CLOSING.contains(*next) || *next == '\u{a0}';
        (*this == ' ' && *next != ' ') || (is_between && !is_torn)
    });
    ends.next().map_or(text.len(), |((place, this), _)| place + this.len_utf8())
}

fn lines(mark: &str, text: &str, indent: usize, style: Style) {
    print(&inset(mark, text, indent, style));
}

/// Lays a text out as it stands on the screen, every line with this mark.
fn inset(mark: &str, text: &str, indent: usize, style: Style) -> String {
    let room = columns() - 2 - mark.len();
    let lines = wrapped(text, room, indent);
    lines.iter().map(|line| format!("  {style}{mark}{line}{style:#}\n")).collect()
}

fn draw(mark: &str, figure: impl fmt::Display, style: Style) {
    let room = columns() - 2 - mark.len();
    for line in format!("{figure:room$}").lines() {
        print(&format!("  {style}{mark}{}{style:#}\n", line.trim_end()));
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command};

    use super::*;

    #[test]
    fn a_long_name_is_not_glued_to_what_its_owner_says() {
        assert_eq!(actor_and("parent", 12, "puts 1"), "parent      puts 1");
        assert_eq!(actor_and("Process-1:10:3", 12, "puts 1"), "Process-1:10:3 puts 1");
    }

    #[test]
    fn a_long_text_goes_on_below_itself() {
        let text = "parent  has three tasks at work";
        assert_eq!(wrapped(text, 40, 8), [text]);
        assert_eq!(wrapped(text, 21, 8), ["parent  has three", "        tasks at work"]);
        assert_eq!(wrapped("state=a\u{a0}b  c", 11, 2), ["state=a b", "  c"]);
        assert_eq!(wrapped("a\u{a0}b\u{a0}c d", 4, 2), ["a b", "  c", "  d"]);
        assert_eq!(wrapped("", 40, 8), [""]);
    }

    #[test]
    fn a_chinese_text_is_cut_between_its_characters_but_no_mark_begins_a_line() {
        let text = "= 先进先出，用 Queue 来排队。";
        assert_eq!(wrapped(text, 11, 2), ["= 先进先", "  出，用", "  Queue 来", "  排队。"]);
        assert_eq!(wrapped("（两个）三", 6, 0), ["（两", "个）三"]);
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
