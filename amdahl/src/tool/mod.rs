//! The tools beside the lessons: `amdahl plan`, `law`, `fit` and `measure`.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use common::drawing;
use common::lessons::Tool;
use common::output;
use serde::Serialize;

mod curves;
mod fit;
mod gantt;
mod law;
mod measure;
mod network;
mod plan;
mod plan_file;
mod points_file;
mod runs;

pub(crate) const ALL: &[Tool] = &[plan::TOOL, law::TOOL, fit::TOOL, measure::TOOL];

/// Below each tool's help.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 it could not be done (a file, a command); \
                          2 the command line or what a file says is wrong.";

/// Why a tool did not do it: its exit code, and what to tell.
#[derive(Debug)]
struct Refusal {
    code: u8,
    text: String,
}

impl Refusal {
    /// Something outside has failed.
    fn failed(text: impl Display) -> Self {
        Self { code: 1, text: text.to_string() }
    }

    /// What the user gave is wrong.
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
            output::complain(format_args!("amdahl {tool}: {text}"));
            ExitCode::from(code)
        }
    }
}

/// A tool's command line, but for what is its own.
fn command(name: &'static str, about: &'static str) -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    let svg = Arg::new("svg").long("svg").value_name("FILE");
    Command::new(name)
        .about(about)
        .after_help(EXIT_CODES)
        .arg(json.help("Print JSON"))
        .arg(svg.help("Draw it into this SVG file, too"))
}

/// The argument FILE.
fn file(help: &'static str) -> Arg {
    Arg::new("file").value_name("FILE").required(true).help(help)
}

/// A file's name for messages, and what is in it; `-` is standard input.
fn read(arguments: &ArgMatches) -> Result<(String, String), Refusal> {
    let name = arguments.get_one::<String>("file").map_or("-", String::as_str);
    let mut text = String::new();
    let read = match name {
        "-" => io::stdin().lock().read_to_string(&mut text).map(|_| text),
        name => fs::read_to_string(name),
    };
    let name = if name == "-" { "standard input" } else { name };
    match read {
        Ok(text) => Ok((name.to_owned(), text)),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(Refusal::wrong(format!("{name}: it isn't text (UTF-8)")))
        }
        Err(error) => Err(Refusal::failed(format!("{name}: {error}"))),
    }
}

/// Writes the picture, if one was asked for.
fn draw(
    arguments: &ArgMatches,
    picture: impl FnOnce() -> Result<String, drawing::Error>,
) -> Result<(), Refusal> {
    let Some(file) = arguments.get_one::<String>("svg") else { return Ok(()) };
    let drawn = picture().map_err(Refusal::failed)?;
    fs::write(file, drawn).map_err(|error| Refusal::failed(format!("{file}: {error}")))
}

fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(Refusal::failed)
}

/// A number with seven digits, without the zeros at its end: `19.51` for 19.509999999999998.
fn number(value: f64) -> String {
    digits(value, 7)
}

/// A number with four digits, for what is measured and for headings.
fn rounded(value: f64) -> String {
    digits(value, 4)
}

fn digits(value: f64, most: u8) -> String {
    if !value.is_finite() {
        return if value > 0.0 { "∞" } else { "–" }.to_owned();
    }
    let size = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (f64::from(most) - 1.0 - size).clamp(0.0, 15.0) as usize;
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_as_many_digits_as_they_need() {
        let numbers = [0.0, 1.0, 19.509999999999998, 12.25, 1.0 / 3.0, 123456789.0, 1.044e-4];
        let shown = ["0", "1", "19.51", "12.25", "0.3333333", "123456789", "0.0001044"];
        assert_eq!(numbers.map(number), shown);
        assert_eq!(number(f64::INFINITY), "∞");
    }
}
