//! The tools beside the lessons: `amdahl plan`, `law`, `fit` and `measure`.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use common::arguments::{number as number_in, option};
use common::drawing;
use common::files::{self, CreateError, reason};
use common::lessons::Tool;
use common::{output, text};
use serde::Serialize;

mod curves;
mod decimal;
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

/// Draws the picture, if one was asked for.
fn draw(
    arguments: &ArgMatches,
    picture: impl FnOnce() -> Result<String, drawing::Error>,
) -> Result<(), Refusal> {
    svg(arguments)?.map_or(Ok(()), |file| write(file, picture()))
}

fn write(mut file: File, picture: Result<String, drawing::Error>) -> Result<(), Refusal> {
    let failed = |why| Refusal::failed(text!("the picture can't be written: {}", why));
    let picture = picture.map_err(|error| failed(format!("{error:?}")))?;
    file.write_all(picture.as_bytes()).map_err(|error| failed(reason(&error)))
}

fn json(value: &impl Serialize) -> Result<String, Refusal> {
    let text = serde_json::to_string(value).map_err(Refusal::failed)?;
    // JSON may hold some control characters as they are, and reads these escapes.
    Ok(output::escaped(&text) + "\n")
}

/// Writes a number with seven digits, without the zeros at its end: `19.51` for 19.509999999999998.
fn number(value: f64) -> String {
    digits(value, 7, 15)
}

/// Writes a number with four digits, for what is measured, headings and axes.
fn rounded(value: f64) -> String {
    digits(value, 4, 7)
}

/// Writes a number with this many digits, or more before the point; with a power of ten, if there
/// were more than `longest` before it.
fn digits(value: f64, most: u8, longest: i32) -> String {
    if !value.is_finite() {
        return if value > 0.0 { "∞" } else { "–" }.to_owned();
    }
    let size = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (f64::from(most) - 1.0 - size).clamp(0.0, 15.0) as usize;
    let (text, power) = match size as i32 {
        size if size < -5 || size >= longest => {
            let text = format!("{value:.0$e}", usize::from(most) - 1);
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            (digits.to_owned(), format!("e{power}"))
        }
        _ => (format!("{value:.decimals$}"), String::new()),
    };
    if !text.contains('.') {
        return text + &power;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + &power
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
        let numbers = [1e-19, 1.25e200, -1e-7, 1e15, 2.0f64.powi(49), f64::MIN_POSITIVE];
        let shown = ["1e-19", "1.25e200", "-1e-7", "1e15", "562949953421312", "2.225074e-308"];
        assert_eq!(numbers.map(number), shown);
        let shown = ["0.3333", "9999999", "1e7", "2.5e11", "-1.235e8"];
        assert_eq!([1.0 / 3.0, 9_999_999.0, 1e7, 2.5e11, -123_456_789.0].map(rounded), shown);
    }
}
