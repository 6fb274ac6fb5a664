//! The tools beside the lessons: `amdahl plan`, `law`, `fit` and `measure`.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use amdahl::report::{InputError, Report};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use common::arguments::{number as number_in, option};
use common::files::{self, CreateError, reason};
use common::lessons::Tool;
use common::narrator::columns;
use common::{output, text};

mod fit;
mod law;
mod measure;
mod plan;
mod runs;

pub(crate) const ALL: &[Tool] = &[plan::TOOL, law::TOOL, fit::TOOL, measure::TOOL];

/// The reason why a tool refuses or fails: its exit code, and the text to print.
#[derive(Debug)]
struct Refusal {
    code: u8,
    text: String,
}

impl Refusal {
    /// Makes the refusal when something outside has failed.
    fn failed(text: impl Display) -> Self {
        Self { code: 1, text: text.to_string() }
    }

    /// Makes the refusal of what is in a file of this name.
    fn input(name: &str, error: &InputError) -> Self {
        Self::wrong(match error.line {
            Some(line) => format!("{name}:{line}: {error}"),
            None => format!("{name}: {error}"),
        })
    }

    /// Makes the refusal of wrong input.
    fn wrong(text: impl Display) -> Self {
        Self { code: 2, text: text.to_string() }
    }
}

/// Prints what a tool found, or says why it found nothing.
fn finish(tool: &str, found: Result<String, Refusal>) -> ExitCode {
    match found {
        Ok(text) => {
            output::print(&text);
            ExitCode::SUCCESS
        }
        Err(Refusal { code, text }) => {
            output::complain(format_args!("amdahl {tool}: {}", output::escaped(&text)));
            ExitCode::from(code)
        }
    }
}

/// Makes a tool's command line, without what is the tool's own; its help ends with these details.
fn command(name: &'static str, about: String, details: String) -> Command {
    let exit_codes = text!(
        "Exit codes: 0 done; 1 it could not be done (a file, a command); 2 the command line or \
         what a file says is wrong."
    );
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    let svg = option("svg", text!("FILE"), text!("Draw it into this SVG file, too"));
    Command::new(name)
        .about(about)
        .after_help(details + &exit_codes)
        .arg(json.help(text!("Print JSON")))
        .arg(svg.value_parser(value_parser!(PathBuf)))
}

/// Makes the argument FILE.
fn file(help: String) -> Arg {
    Arg::new("file").value_name(text!("FILE")).required(true).help(help)
}

/// Makes an option whose value is a whole number of 1 or more.
fn count(name: &'static str, value: &'static str, help: String) -> Arg {
    option(name, value, help).value_parser(number_in(1..=u32::MAX))
}

/// Reads the argument FILE, `-` for standard input. Returns its name for messages, and its text.
fn read(arguments: &ArgMatches) -> Result<(String, String), Refusal> {
    let name = arguments.get_one::<String>("file").map_or("-", String::as_str);
    let mut bytes = Vec::new();
    let (name, read) = match name {
        "-" => (text!("standard input"), io::stdin().lock().read_to_end(&mut bytes)),
        name => {
            (name.to_owned(), File::open(name).and_then(|mut file| file.read_to_end(&mut bytes)))
        }
    };
    read.map_err(|error| Refusal::failed(format!("{name}: {}", reason(&error))))?;
    let wrong = |what: String| Refusal::wrong(format!("{name}: {what}"));
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(wrong(text!("it is UTF-16: save it as UTF-8")));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| wrong(text!("it isn't text (UTF-8)")))?;
    Ok((name, text))
}

/// Creates the file for the picture, if one was asked for. It replaces an older picture but no
/// other file: so it destroys nothing that a tool, or a command that it runs, reads.
fn svg(arguments: &ArgMatches) -> Result<Option<File>, Refusal> {
    let path = arguments.get_one::<PathBuf>("svg");
    if let Some(path) = path.filter(|path| path.is_file()) {
        let mut begin = Vec::new();
        let read = File::open(path).and_then(|file| file.take(5).read_to_end(&mut begin));
        let is_svg = begin.is_empty() || begin.starts_with(b"<svg") || begin == b"<?xml";
        if read.is_err() || !is_svg {
            let is = text!("there is a file that is no SVG");
            return Err(Refusal::wrong(CreateError::Taken { path: path.clone(), is }));
        }
    }
    files::create([path], &[]).map(|[file]| file).map_err(|error| match error {
        CreateError::Taken { .. } => Refusal::wrong(error),
        CreateError::Refused { .. } => Refusal::failed(error),
    })
}

/// Draws the picture, if one was asked for, and returns what else is to be printed.
fn show(arguments: &ArgMatches, report: &impl Report) -> Result<String, Refusal> {
    show_in(arguments, svg(arguments)?, report)
}

/// Does what [`show`] does, with a file for the picture that was created before.
fn show_in(
    arguments: &ArgMatches,
    file: Option<File>,
    report: &impl Report,
) -> Result<String, Refusal> {
    if let Some(mut file) = file {
        let failed = |why| Refusal::failed(text!("the picture can't be written: {}", why));
        let picture = report.svg().map_err(|error| failed(format!("{error:?}")))?;
        file.write_all(picture.as_bytes()).map_err(|error| failed(reason(&error)))?;
    }
    Ok(if arguments.get_flag("json") { report.json() } else { report.text(columns()) })
}
