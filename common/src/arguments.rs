//! Command lines in the reader's language: help, and what is wrong with an argument. The parser is
//! clap, whose own sentences are English.

use std::error::Error;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::builder::Str;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use unicode_width::UnicodeWidthStr;

use crate::narrator::{columns, wrapped};
pub use crate::number::number;
use crate::output;
use crate::text;
use crate::text::Language;

/// The options of the lessons, as the command line has them.
static OPTIONS: OnceLock<ArgMatches> = OnceLock::new();

/// Keeps the options of the lessons for [`option_of`].
pub(crate) fn keep(options: ArgMatches) {
    OPTIONS.get_or_init(|| options);
}

/// Returns what the command line says for an option of this crate's lessons; `None` if nothing.
///
/// # Panics
/// If the crate has such an option of another type.
#[must_use]
pub fn option_of<T: Clone + Send + Sync + 'static>(name: &str) -> Option<T> {
    let options = OPTIONS.get()?;
    options.try_get_one(name).expect("the option has this type").cloned()
}

/// Describes an option with a value.
///
/// ```
/// use common::arguments::{number, option};
///
/// let count = option("count", "N", "How far to count").value_parser(number(1..=10_u64.pow(13)));
/// let command = clap::Command::new("counts").arg(count);
/// assert!(command.try_get_matches_from(["counts", "--count", "0"]).is_err());
/// ```
#[must_use]
pub fn option(name: &'static str, value: impl Into<Str>, help: impl Into<String>) -> Arg {
    Arg::new(name).long(name).value_name(value.into()).help(help.into())
}

/// Describes `--lang`, which [`language`](crate::text::language) reads.
pub(crate) fn language_option() -> Arg {
    option("lang", "zh|en", text!("The language [default: the system's]"))
        .value_parser(|text: &str| text.parse::<Language>())
}

/// Returns the exit code for a command line that should have no more than `--lang` and `--help`;
/// if there is more, it says so.
#[must_use]
pub fn nothing_but_language() -> ExitCode {
    let command = command("cargo run --", "", "", false).arg(language_option());
    match command.try_get_matches() {
        Err(said) if said.use_stderr() => print_said(&said),
        _ => ExitCode::SUCCESS,
    }
}

/// Describes a program: its help has headings in the reader's language, and as many columns as the
/// screen.
pub(crate) fn command(name: &'static str, about: &str, operands: &str, has_tools: bool) -> Command {
    let (options, tool) = (text!("[OPTIONS]"), text!("<TOOL> ..."));
    let indent = " ".repeat(text!("Usage: {}", "").width());
    let tools = if has_tools { format!("\n{indent}{name} {tool}") } else { String::new() };
    let usage = format!("{name} {options} {operands}{tools}");
    let usage = text!("Usage: {}", usage);
    let heads = [text!("Tools:"), text!("Options:")];
    let subcommands =
        if has_tools { format!("{}\n{{subcommands}}\n\n", heads[0]) } else { String::new() };
    let template =
        format!("{{about}}\n\n{usage}\n\n{subcommands}{}\n{{options}}{{after-help}}", heads[1]);
    Command::new(name)
        .about(about.to_owned())
        .term_width(columns())
        .help_template(template)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .arg(help_option().global(true))
}

fn help_option() -> Arg {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    help.help(text!("Print this help"))
}

/// Describes a program that is a tool alone, as a tool of a program is described.
#[must_use]
pub fn program(command: Command) -> Command {
    let command = command.term_width(columns()).disable_help_flag(true);
    tool(command.arg(language_option()).arg(help_option()))
}

/// Describes a tool of a program as the program itself is described: what clap would say in
/// English, headings and defaults, is in the reader's language.
pub(crate) fn tool(tool: Command) -> Command {
    let default = |arg: Arg| {
        let values: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
        if values.is_empty() {
            return arg;
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = text!("{} [default: {}]", help, values.join(","));
        arg.hide_default_value(true).help(help)
    };
    let heads = [text!("Arguments:"), text!("Options:")];
    let operands = match tool.get_positionals().next() {
        Some(_) => format!("{}\n{{positionals}}\n\n", heads[0]),
        None => String::new(),
    };
    let usage = text!("Usage: {}", "{usage}");
    let options = format!("{}\n{{options}}{{after-help}}", heads[1]);
    let template = format!("{{about}}\n\n{usage}\n\n{operands}{options}");
    let foot = tool.get_after_help().map(ToString::to_string).unwrap_or_default();
    let foot: Vec<String> = foot.lines().flat_map(|line| wrapped(line, columns(), 0)).collect();
    tool.mut_args(default).help_template(template).after_help(foot.join("\n"))
}

/// Prints what clap says, help or what is wrong with the command line, and returns the exit code.
pub fn print_said(said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        return refuse(&complaint(said));
    }
    // Clap's own word in a usage.
    output::print(&said.render().to_string().replace("[OPTIONS]", &text!("[OPTIONS]")));
    ExitCode::SUCCESS
}

/// Says on standard error why a command line is refused; returns the exit code, 2.
#[must_use]
pub fn refuse(why: &str) -> ExitCode {
    output::complain(wrapped(why, columns(), 0).join("\n"));
    ExitCode::from(2)
}

/// Returns what is wrong with the command line, in a sentence.
fn complaint(said: &clap::Error) -> String {
    let about = |kind| match said.get(kind) {
        Some(ContextValue::String(text)) => output::escaped(text),
        Some(ContextValue::Strings(texts)) => output::escaped(&texts.join(&text!(", "))),
        _ => String::new(),
    };
    let argument = about(ContextKind::InvalidArg);
    let value = about(ContextKind::InvalidValue);
    let reason = said.source().map(ToString::to_string).unwrap_or_default();
    match said.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            match about(ContextKind::SuggestedArg) {
                near if near.is_empty() => {
                    text!("there is no option {}; --help lists them", argument)
                }
                near => text!("there is no option {}; did you mean {}?", argument, near),
            }
        }
        ErrorKind::UnknownArgument => {
            text!("\"{}\" is one argument too many; see --help", argument)
        }
        ErrorKind::MissingRequiredArgument => text!("{} is missing", argument),
        ErrorKind::InvalidValue if value.is_empty() => text!("{} wants a value", argument),
        ErrorKind::ValueValidation => text!("{} can't be \"{}\": {}", argument, value, reason),
        ErrorKind::ArgumentConflict => match about(ContextKind::PriorArg) {
            other if other == argument => text!("{} is given twice", argument),
            other => text!("{} and {} don't go together", argument, other),
        },
        ErrorKind::TooManyValues => text!("{} takes no value", argument),
        ErrorKind::InvalidUtf8 => text!("an argument isn't text (UTF-8)"),
        _ => text!("the command line is wrong; --help shows how it is written"),
    }
}
