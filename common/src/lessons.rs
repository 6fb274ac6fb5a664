//! The command line of a lesson crate: which of its lessons to tell, and how fast.

use std::error::Error;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::narrator::{Bilingual, Story, columns, wrapped};
use crate::output;
use crate::stock::Stock;
use crate::time::Pace;

/// A lesson: a name for the command line and the story behind it. There is an example at [`run`].
#[derive(Debug)]
pub struct Lesson {
    /// The name on the command line: `full-and-empty`.
    pub name: &'static str,
    /// The tutorial's section: `3.2`.
    pub section: &'static str,
    /// The question that the lesson answers.
    pub question: Bilingual,
    /// The sentence to remember.
    pub remember: Bilingual,
    /// Tells the story; an error ends the lesson, and the program with exit code 1.
    pub tell: fn(&Story) -> Told,
}

/// The end of a story: well, or with an error of any kind.
pub type Told = Result<(), Box<dyn Error>>;

/// A tool beside the lessons, with a command line of its own: `downloader get`.
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

/// Reads the command line and tells the lessons it names, or all of them in their order.
///
/// The exit code is 0 if all were told to their end, 1 if one of them failed or could not be
/// printed, and 2 if the command line was wrong. Python: `argparse`.
///
/// ```
/// use std::process::ExitCode;
///
/// use common::lessons::{Lesson, Told, run};
/// use common::narrator::Story;
///
/// const SUM: Lesson = Lesson {
///     name: "sum",
///     section: "1.1",
///     question: ("一加一等于几？", "How much is one and one?"),
///     remember: ("等于二。", "It is two."),
///     tell,
/// };
///
/// fn tell(story: &Story) -> Told {
///     story.event("parent", "adds 1 and 1");
///     story.ok("that makes 2", 1 + 1 == 2)?;
///     Ok(())
/// }
///
/// fn main() -> ExitCode {
///     run("sums", "How to add", &[SUM])
/// }
/// ```
#[must_use]
pub fn run(package: &'static str, about: &'static str, lessons: &[Lesson]) -> ExitCode {
    run_with(package, about, lessons, &[], &[])
}

/// Does what [`run`] does, for a crate whose lessons have options of their own, which they find by
/// [`Story::option`], or that has tools.
///
/// ```
/// # use std::process::ExitCode;
/// # use common::lessons::{Lesson, Told, run_with};
/// # use common::narrator::Story;
/// # const SUM: Lesson = Lesson {
/// #     name: "sum",
/// #     section: "1.1",
/// #     question: ("", ""),
/// #     remember: ("", ""),
/// #     tell,
/// # };
/// fn tell(story: &Story) -> Told {
///     let most: u32 = story.option("most").unwrap_or(3);
///     let sum: u32 = (1..=most).sum();
///     story.ok("the sum is what Gauss says", sum == most * (most + 1) / 2)?;
///     Ok(())
/// }
///
/// fn main() -> ExitCode {
///     let most = clap::Arg::new("most").long("most").value_parser(clap::value_parser!(u32));
///     run_with("sums", "How to add", &[SUM], &[most], &[])
/// }
/// ```
#[must_use]
pub fn run_with(
    package: &'static str,
    about: &'static str,
    lessons: &[Lesson],
    options: &[Arg],
    tools: &[Tool],
) -> ExitCode {
    output::checked(do_what_the_command_line_says(package, about, lessons, options, tools))
}

fn do_what_the_command_line_says(
    package: &'static str,
    about: &'static str,
    lessons: &[Lesson],
    options: &[Arg],
    tools: &[Tool],
) -> ExitCode {
    let command = command(package, about, lessons).args(options);
    let command = command.subcommands(tools.iter().map(|tool| (tool.command)()));
    let options = match command.args_conflicts_with_subcommands(true).try_get_matches() {
        Ok(options) => options,
        // Help comes this way too, with exit code 0.
        Err(said) => return output::print_clap(&said),
    };
    if let Some((name, options)) = options.subcommand() {
        let tool = tools.iter().find(|tool| (tool.command)().get_name() == name);
        return tool.map_or(ExitCode::from(2), |tool| (tool.run)(options));
    }
    if options.get_flag("list") {
        let names: String = lessons.iter().map(|lesson| format!("{}\n", lesson.name)).collect();
        output::print(&names);
        return ExitCode::SUCCESS;
    }
    let find = |name: &String| lessons.iter().find(|l| l.name == name).ok_or(name.clone());
    let named: Result<Vec<&Lesson>, String> =
        options.get_many("lesson").unwrap_or_default().map(find).collect();
    let told = match named {
        Ok(named) if named.is_empty() => lessons.iter().collect(),
        Ok(named) => named,
        Err(unknown) => {
            let names: Vec<&str> = lessons.iter().map(|lesson| lesson.name).collect();
            let names = names.join(", ");
            let text = format!("{package} has no lesson \"{unknown}\"; it has {names}.");
            output::complain(wrapped(&text, columns(), 0).join("\n"));
            return ExitCode::from(2);
        }
    };
    let pace = *options.get_one::<Pace>("speed").unwrap_or(&Pace::DEFAULT);
    let times = *options.get_one::<u32>("times").unwrap_or(&1);
    let story = Story::new(pace, options);
    for lesson in told {
        if let Err(error) = tell(lesson, &story, times) {
            output::complain(format_args!("{package}, lesson {}: {error}", lesson.name));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Tells a lesson this many times. What is made once and kept is made the first time; the others
/// have to leave nothing behind.
fn tell(lesson: &Lesson, story: &Story, times: u32) -> Told {
    let mut after_the_first = None;
    for _ in 0..times {
        story.open(lesson.name, lesson.section, lesson.question);
        (lesson.tell)(story)?;
        if let Some(stock) = &after_the_first {
            Stock::comes_back(stock)?;
            let claim =
                "nothing is left since the first time: no descriptor, thread, child, mapping";
            story.ok(claim, true)?;
            story.varies(format!("memory has grown by {} KiB since then", stock.grown()?));
        } else if times > 1 {
            after_the_first = Some(Stock::now()?);
        }
        story.close(lesson.remember);
    }
    Ok(())
}

fn command(package: &'static str, about: &'static str, lessons: &[Lesson]) -> Command {
    let width = lessons.iter().map(|lesson| lesson.name.len()).max().unwrap_or(0);
    let list: String = lessons
        .iter()
        .map(|l| format!("  {:<width$}  {} (§{})", l.name, l.question.1, l.section))
        .map(|line| wrapped(&line, columns(), width + 4).join("\n") + "\n")
        .collect();
    Command::new(package)
        .about(about)
        .term_width(columns())
        .after_help(format!(
            "Lessons:\n{list}\nLines that begin with ~ may differ from run to run; ok marks a \
             claim just checked."
        ))
        .arg(
            Arg::new("lesson")
                .value_name("LESSON")
                .num_args(0..)
                .help("The lessons to tell, in this order [default: all of them]"),
        )
        .arg(
            Arg::new("speed")
                .long("speed")
                .value_name("X")
                .value_parser(|text: &str| text.parse::<Pace>())
                .help(format!(
                    "How many tutorial seconds pass in a real second; 1 is the tutorial's pace \
                     [default: {}]",
                    Pace::DEFAULT
                )),
        )
        .arg(
            Arg::new("forever")
                .long("forever")
                .action(ArgAction::SetTrue)
                .help("Keep the tutorial's endless loops endless (Ctrl-C ends them)"),
        )
        .arg(
            Arg::new("times")
                .long("times")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .help("Tell each lesson so many times, and check that nothing is left behind"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .help("Print the lessons' names, one a line, and tell none"),
        )
}
