//! Prints the course's table of contents: `cargo run`; with the number of a section or the name of
//! a lesson, tells that, in whichever crate it is: `cargo run -- 3.2`.

#![forbid(unsafe_code)]

use std::env;
use std::process::{Command, ExitCode};

use common::arguments::{nothing_but_language, refuse};
use common::contents::{Contents, Section, find, nearest, section};
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
            match section(&name).map(lessons_of).or_else(|| lesson(&name)) {
                Some((package, lessons)) => tell(package, &lessons, &arguments),
                None => {
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

/// Returns the crate and the lessons of a section.
fn lessons_of(section: &Section) -> (&'static str, Vec<&'static str>) {
    (section.package, section.lessons.iter().map(|entry| entry.name).collect())
}

/// Returns a lesson and its crate.
fn lesson(name: &str) -> Option<(&'static str, Vec<&'static str>)> {
    find(name).map(|(section, entry)| (section.package, vec![entry.name]))
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
