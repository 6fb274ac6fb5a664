//! The command line of a lesson crate: which of its lessons to tell, and how fast.

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Id};
use multiprocess::Failure;

use crate::arguments::{self, language_option, number, option, refuse};
use crate::contents::{Entry, Section, find, nearest, translated};
use crate::narrator::{close, columns, lead_on, open, wrapped};
use crate::output;
use crate::stock::Stock;
use crate::time::Pace;
use crate::{check, note, text};

/// A lesson: its program, and what that is called; see [`lessons!`](crate::lessons!).
#[derive(Debug)]
pub struct Lesson {
    /// The module it stands in: `full_and_empty`.
    pub module: &'static str,
    /// The program; an error ends the lesson, and all of them with exit code 1.
    pub main: fn() -> Result<(), Failure>,
    /// The program's source.
    pub source: &'static str,
}

impl Lesson {
    /// Returns the name on the command line: `full-and-empty`.
    #[must_use]
    pub fn name(&self) -> String {
        self.module.replace('_', "-")
    }

    /// Returns what the table of contents has of this lesson.
    ///
    /// # Panics
    /// If it has none.
    fn contents(&self) -> (&'static Section, &'static Entry) {
        find(&self.name()).expect("each lesson is in the table of contents")
    }
}

/// Lists the lessons of these modules, each with a function `main` that tells it.
///
/// ```ignore
/// mod first_in_first_out;
/// mod full_and_empty;
///
/// pub(crate) const ALL: &[Lesson] = common::lessons![first_in_first_out, full_and_empty];
/// ```
#[macro_export]
macro_rules! lessons {
    ($($module:ident),* $(,)?) => {
        &[$($crate::lessons::Lesson {
            module: ::std::stringify!($module),
            main: $module::main,
            source: ::std::include_str!(::std::concat!(::std::stringify!($module), ".rs")),
        }),*]
    };
}

/// A tool beside the lessons, with a command line of its own: `downloader get`. It takes `--lang`,
/// too, and what clap adds to its help is in the reader's language; the rest of its texts the tool
/// says by [`text!`](crate::text!).
///
/// ```
/// use std::process::ExitCode;
///
/// use clap::Command;
/// use common::lessons::{Tool, run_with};
///
/// const GET: Tool = Tool {
///     command: || Command::new("get").about("Downloads images"),
///     run: |_| ExitCode::SUCCESS,
/// };
///
/// fn main() -> ExitCode {
///     run_with("downloads", "How to download", &[], &[], &[GET])
/// }
/// ```
#[derive(Debug)]
pub struct Tool {
    /// The tool's command line; its name is the subcommand's.
    pub command: fn() -> Command,
    /// Does what the command line says.
    pub run: fn(&ArgMatches) -> ExitCode,
}

/// Reads the command line and tells the lessons it names, or all of them in their order. What the
/// crate is about, the caller says in the reader's language.
///
/// The exit code is 0 if all were told to their end, 1 if one of them failed or could not be
/// printed, and 2 if the command line was wrong. Python: `argparse`.
///
/// ```
/// use std::process::ExitCode;
///
/// use common::lessons::{Lesson, run};
///
/// const TWO_ENDS: Lesson = Lesson {
///     module: "two_ends",
///     main: || {
///         common::say!("adds 1 and 1");
///         common::check!(1 + 1 == 2, "that makes 2");
///         Ok(())
///     },
///     source: "",
/// };
///
/// fn main() -> ExitCode {
///     run("ipc-pipe", "How to add", &[TWO_ENDS])
/// }
/// ```
#[must_use]
pub fn run(package: &'static str, about: &str, lessons: &[Lesson]) -> ExitCode {
    run_with(package, about, lessons, &[], &[])
}

/// Does what [`run`] does, for a crate whose lessons have options of their own, which they find by
/// [`option_of`](crate::arguments::option_of), or that has tools.
#[must_use]
pub fn run_with(
    package: &'static str,
    about: &str,
    lessons: &[Lesson],
    options: &[Arg],
    tools: &[Tool],
) -> ExitCode {
    output::checked(do_what_the_command_line_says(package, about, lessons, options, tools))
}

fn do_what_the_command_line_says(
    package: &'static str,
    about: &str,
    lessons: &[Lesson],
    options: &[Arg],
    tools: &[Tool],
) -> ExitCode {
    let command = command(package, about, lessons, options, tools);
    let options = match command.try_get_matches() {
        Ok(options) => options,
        // Help comes this way too, with exit code 0.
        Err(said) => return arguments::print_said(&said),
    };
    if let Some((name, of_tool)) = options.subcommand() {
        return use_tool(tools, name, of_tool, &options);
    }
    if options.get_flag("list") {
        let names: String = lessons.iter().map(|lesson| lesson.name() + "\n").collect();
        output::print(&names);
        return ExitCode::SUCCESS;
    }
    let chosen = match chosen(package, lessons, &options) {
        Ok(chosen) => chosen,
        Err(why) => return refuse(&why),
    };
    if options.get_flag("source") {
        let sources: Vec<&str> = chosen.iter().map(|lesson| lesson.source).collect();
        output::print(&sources.join("\n"));
        return ExitCode::SUCCESS;
    }
    let times = *options.get_one::<u32>("times").unwrap_or(&1);
    arguments::keep(options);
    for (index, lesson) in chosen.iter().enumerate() {
        if let Err(error) = tell(lesson, times, index + 1 == chosen.len()) {
            output::complain(text!("{}, lesson {}: {}", package, lesson.name(), error));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs the tool of this name with its options. Of the program's own, only `--lang` is for tools.
fn use_tool(tools: &[Tool], name: &str, options: &ArgMatches, all: &ArgMatches) -> ExitCode {
    let is_given = |id: &str| all.value_source(id) == Some(ValueSource::CommandLine);
    let mut given = all.ids().map(Id::as_str).filter(|id| is_given(id));
    if let Some(other) = given.find(|id| *id != "lang") {
        return refuse(&text!("{} and {} don't go together", format!("--{other}"), name));
    }
    let tool = tools.iter().find(|tool| (tool.command)().get_name() == name);
    tool.map_or(ExitCode::from(2), |tool| (tool.run)(options))
}

/// Returns the lessons that the command line names, or all of them; an error says what is wrong.
fn chosen<'a>(
    package: &str,
    lessons: &'a [Lesson],
    options: &ArgMatches,
) -> Result<Vec<&'a Lesson>, String> {
    let named = options.get_many::<String>("lesson").unwrap_or_default();
    let found = named.map(|name| {
        let found = lessons.iter().find(|lesson| lesson.name() == *name);
        found.ok_or_else(|| has_no(package, name, lessons))
    });
    let mut chosen: Vec<&Lesson> = found.collect::<Result<_, _>>()?;
    if chosen.is_empty() {
        chosen.extend(lessons);
    }
    // Endless loops go through `rounds`.
    let is_loop = |lesson: &&Lesson| lesson.source.contains("rounds(");
    if options.get_flag("forever") && !chosen.iter().any(is_loop) {
        let loops: Vec<String> = lessons.iter().filter(is_loop).map(Lesson::name).collect();
        let loops = if loops.is_empty() { text!("none") } else { loops.join(&text!(", ")) };
        return Err(text!("--forever is for lessons with an endless loop; here: {}", loops));
    }
    Ok(chosen)
}

/// Says that a crate has no such lesson, and what may be meant.
fn has_no(package: &str, name: &str, lessons: &[Lesson]) -> String {
    let meant = find(name).map(|_| name).or_else(|| nearest(name));
    let meant = meant.and_then(find).map(|(section, entry)| (section.package, entry.name));
    let quoted = text!("\"{}\"", output::escaped(name));
    match meant {
        Some((other, name)) if other != package => {
            let command = format!("cargo run -p {other} -- {name}");
            text!("{} has no lesson {}; {} has one: {}", package, quoted, other, command)
        }
        Some((_, name)) => text!("{} has no lesson {}; did you mean {}?", package, quoted, name),
        None => {
            let names: Vec<String> = lessons.iter().map(Lesson::name).collect();
            text!("{} has no lesson {}; it has {}.", package, quoted, names.join(&text!(", ")))
        }
    }
}

/// Tells a lesson this many times. What is made once and kept is made the first time; the others
/// have to leave nothing behind. After the last of all comes where to go on.
fn tell(lesson: &Lesson, times: u32, is_last: bool) -> Result<(), Failure> {
    let (section, entry) = lesson.contents();
    let mut after_the_first = None;
    for time in 1..=times {
        open(section, entry);
        (lesson.main)()?;
        if let Some(stock) = &after_the_first {
            Stock::comes_back(stock)?;
            check!(
                true,
                "nothing is left since the first time: no descriptor, thread, child, mapping"
            );
            note!("memory has grown by {} KiB since then", stock.grown()?);
        } else if times > 1 {
            after_the_first = Some(Stock::now()?);
        }
        close(entry);
        if is_last && time == times {
            lead_on(entry);
        }
        output::print("\n");
    }
    Ok(())
}

/// Describes the command line of a lesson crate.
fn command(
    package: &'static str,
    about: &str,
    lessons: &[Lesson],
    options: &[Arg],
    tools: &[Tool],
) -> Command {
    let width = lessons.iter().map(|lesson| lesson.module.len()).max().unwrap_or(0);
    let line = |lesson: &Lesson| {
        let (section, entry) = lesson.contents();
        let question = text!("{} (§{})", translated(entry.question), section.number);
        let line = format!("  {:<width$}  {question}", entry.name);
        wrapped(&line, columns(), width + 4).join("\n") + "\n"
    };
    let lists: String = lessons.iter().map(line).collect();
    let marks =
        text!("Lines that begin with ~ may differ from run to run; ok marks a claim just checked.");
    let foot = format!(
        "{}\n{lists}\n{}",
        text!("Lessons, run in the order in which they are named [default: all of them]:"),
        wrapped(&marks, columns(), 0).join("\n")
    );
    let speed = text!(
        "How many tutorial seconds pass in a real second; 1 is the tutorial's pace [default: {}]",
        Pace::DEFAULT
    );
    let times = text!("Run each lesson N times, and check that nothing is left behind");
    let endless = text!("Keep the tutorial's endless loops endless (Ctrl-C ends them)");
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    arguments::command(package, about, &text!("[LESSON]..."), !tools.is_empty())
        .after_help(foot)
        .arg(Arg::new("lesson").num_args(0..))
        .arg(language_option().global(true))
        .arg(option("speed", "X", speed).value_parser(|text: &str| text.parse::<Pace>()))
        .arg(flag("forever", endless))
        .arg(option("times", "N", times).value_parser(number(1..=u32::MAX)))
        .arg(flag("list", text!("Print only the lessons' names, one per line")))
        .arg(flag("source", text!("Print only the lessons' source")).conflicts_with("list"))
        .args(options)
        .subcommands(tools.iter().map(|tool| arguments::tool((tool.command)())))
}
