//! Prints the course's table of contents: `cargo run`; with the number of a section or the name of
//! a lesson, tells that, in whichever crate it is: `cargo run -- 3.2`.

#![forbid(unsafe_code)]

use std::env;
use std::process::{Command, ExitCode};

use common::arguments::{nothing_but_language, refuse};
use common::contents::{Contents, Section, find, nearest, sections};
use common::narrator::{columns, wrapped};
use common::{output, text};

fn main() -> ExitCode {
    let mut arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let first = arguments.first().cloned();
    let code = match first.filter(|first| !first.starts_with('-')) {
        None => {
            let code = nothing_but_language();
            if code == ExitCode::SUCCESS {
                contents();
            }
            code
        }
        Some(name) => {
            arguments.remove(0);
            match lessons_of(&name)[..] {
                [] => {
                    let name = output::escaped(&name);
                    let text = match nearest(&name) {
                        Some(near) => {
                            text!("there is no lesson \"{}\"; did you mean {}?", name, near)
                        }
                        None => text!(
                            "there is no section and no lesson \"{}\"; cargo run lists them",
                            name
                        ),
                    };
                    refuse(&text)
                }
                ref parts => tell_all(parts, &arguments),
            }
        }
    };
    output::checked(code)
}

/// Prints the table of contents.
fn contents() {
    let text = format!(
        "{}\n\n{Contents}\n{}\n",
        text!("Processes in Rust: a course that runs. Every lesson starts real processes."),
        text!(
            "`cargo run -- 3.2` runs a section, `cargo run -p ipc-pipe` all lessons of a crate.\n\
             With these, `--list` prints the lessons' names, `--speed 1` keeps the tutorial's own \
             pace, and `--lang zh` says it all in Chinese."
        ),
    );
    let lines = text.lines().flat_map(|line| wrapped(line, columns(), 0));
    output::print(&lines.map(|line| line + "\n").collect::<String>());
}

/// Returns the lessons of the sections with this number, or the lesson of this name, each with its
/// crate; none if there are none.
fn lessons_of(name: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let names = |section: &Section| section.lessons.iter().map(|entry| entry.name).collect();
    let mut parts: Vec<_> =
        sections(name).map(|section| (section.package, names(section))).collect();
    if parts.is_empty() {
        parts.extend(find(name).map(|(section, entry)| (section.package, vec![entry.name])));
    }
    parts
}

/// Has each crate tell its lessons, until one can't.
fn tell_all(parts: &[(&str, Vec<&str>)], options: &[String]) -> ExitCode {
    let codes = parts.iter().map(|(package, lessons)| tell(package, lessons, options));
    codes.into_iter().find(|code| *code != ExitCode::SUCCESS).unwrap_or(ExitCode::SUCCESS)
}

/// Has a crate tell these lessons, with these options.
fn tell(package: &str, lessons: &[&str], options: &[String]) -> ExitCode {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--manifest-path"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    command.args(["-p", package, "--"]).args(lessons).args(options);
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|c| c.try_into().ok()).unwrap_or(1)),
        Err(error) => {
            output::complain(text!("cargo can't be started: {}", error));
            ExitCode::FAILURE
        }
    }
}
