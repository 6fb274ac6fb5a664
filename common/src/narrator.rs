//! The narrator: puts a lesson on the screen, one kind of line for each kind of statement.
//!
//! ```text
//! # full-and-empty · §3.2                                 which lesson
//!   What happens when a queue is full, and when it is empty?
//!
//!   main        puts 1, 2, 3 into a queue of capacity 3     say!: what the main process does
//!   ok          the queue is full                           check!: a claim, checked just then
//!   ~ it took 3.5 ms                                        note!: what may differ from run to run
//!   ~ Process-1 gets 1                                      say! in a child: the order is free
//!
//!   = A full queue makes you wait or tells you at once: your choice.
//!   next: cargo run -p ipc-queue -- one-message
//! ```
//!
//! All of it is in the [reader's language](mod@crate::text). A line longer than the terminal goes
//! on in the next one, below its own text; see [`wrapped`].

use std::error::Error;
use std::fmt;
use std::io;

use anstyle::{AnsiColor, Style};
use multiprocess::{current_process, parent_process};
use terminal_size::terminal_size_of;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::contents::{Entry, Section, next_after, translated};
use crate::output::print;
use crate::text;

/// The width of the actor's name, with what stands before it, so that all lines align.
const ACTOR: usize = 12;

/// Says what this process does, in the reader's language. Python: `print(…, flush=True)`.
///
/// In the main process that is an event, which comes in this order in every run; in a child the
/// line has its name and a `~`, for the kernel alone decides when it comes.
///
/// ```
/// common::say!("puts {} into the queue", 3);
/// // prints:   main        puts 3 into the queue
/// ```
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::narrator::said(::std::env!("CARGO_PKG_NAME"), &$crate::text!($($text)*))
    };
}

/// Prints a `~` line in the reader's language: what may differ from run to run.
///
/// ```
/// common::note!("the process id is {}", std::process::id());
/// ```
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => {
        $crate::narrator::noted(&$crate::text!($($text)*))
    };
}

/// Checks a claim, and prints it in the reader's language if it holds; if it doesn't, that is the
/// lesson's error, which the function returns. Python: `assert`.
///
/// ```
/// fn main() -> Result<(), multiprocess::Failure> {
///     let numbers = [1, 2, 3];
///     common::check!(numbers.len() == 3, "there are {} numbers", 3);
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! check {
    ($holds:expr, $($text:tt)*) => {
        $crate::narrator::checked($holds, $crate::text!($($text)*))?
    };
}

/// Prints what a process has said, see [`say!`](crate::say).
#[doc(hidden)]
pub fn said(package: &str, what: &str) {
    match parent_process() {
        Some(_) => speak(current_process().name(), what),
        None => spoken("", &text::translated(package, "main", &[]), ACTOR, what, Style::new()),
    }
}

/// Prints a line for [`note!`](crate::note); several lines if the text has several.
#[doc(hidden)]
pub fn noted(what: &str) {
    for part in what.lines() {
        lines("~ ", part, 2, Style::new().dimmed());
    }
}

/// Prints a claim for [`check!`](crate::check), if it holds.
#[doc(hidden)]
pub fn checked(holds: bool, claim: String) -> Result<(), Untrue> {
    if !holds {
        return Err(Untrue(claim));
    }
    let (green, ok) = (AnsiColor::Green.on_default(), text!("ok"));
    let text = inset("", &actor_and(&ok, ACTOR, claim), ACTOR, Style::new());
    print(&text.replacen(&ok, &format!("{green}{ok}{green:#}"), 1));
    Ok(())
}

/// Prints a table or a picture that is the same in every run, formatted by `{:n}`, where n is the
/// number of columns that it has.
pub fn figure(figure: impl fmt::Display) {
    draw("  ", figure, Style::new());
}

/// Prints a table or a picture that may differ from run to run.
pub fn varying_figure(figure: impl fmt::Display) {
    draw("~ ", figure, Style::new().dimmed());
}

/// Prints the head of a lesson: its name, its section, its question.
pub(crate) fn open(section: &Section, entry: &Entry) {
    let bold = Style::new().bold();
    print(&format!("{bold}# {} · §{}{bold:#}\n", entry.name, section.number));
    lines("", &translated(entry.question), 0, Style::new());
    print("\n");
}

/// Prints the foot of a lesson: what to remember.
pub(crate) fn close(entry: &Entry) {
    print("\n");
    lines("", &format!("= {}", translated(entry.remember)), 2, Style::new().bold());
}

/// Prints where to go on after this lesson.
pub(crate) fn lead_on(entry: &Entry) {
    let next = match next_after(entry.name) {
        Some((Section { package, .. }, Entry { name, .. })) => {
            text!("next: {}", format_args!("cargo run -p {package} -- {name}"))
        }
        None => text!("next: a program of your own; README.md has the one dependency it needs"),
    };
    lines("", &next, 2, Style::new().dimmed());
}

/// Prints a line that a process or a thread says: a `~` line, for the order is free.
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
    let space = " ".repeat(width.saturating_sub(actor.width()).max(1));
    format!("{actor}{space}{what}")
}

/// A claim of a lesson that turned out false: the error of [`check!`](crate::check).
#[derive(Debug, PartialEq, Eq)]
pub struct Untrue(String);

impl fmt::Display for Untrue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text!("this did not hold: {}", self.0))
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
    use super::*;

    #[test]
    fn a_long_name_is_not_glued_to_what_its_owner_says() {
        assert_eq!(actor_and("parent", 12, "puts 1"), "parent      puts 1");
        assert_eq!(actor_and("Process-1:10:3", 12, "puts 1"), "Process-1:10:3 puts 1");
        assert_eq!(actor_and("主进程", 12, "放入 1"), "主进程      放入 1");
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
        assert_eq!(checked(true, "1 is 1".into()), Ok(()));
        let untrue = checked(false, "1 is 2".into()).unwrap_err();
        assert_eq!(untrue.to_string(), text!("this did not hold: {}", "1 is 2"));
    }
}
