//! `cargo xtask`: what those need who work on the workspace.
//!
//! | command | what it does |
//! | --- | --- |
//! | `soak` | runs the kill tortures of all crates at the same time, for as long as one likes |
//! | `conformance` | compares `docs/python-conformance.md` with the tests, or writes it |
//! | `chapters` | writes what lessons print into the chapters of both languages |
//! | `texts` | compares what the lessons say with the Chinese catalogues |
//! | `pages` | checks the pages: contents, figures, both languages, links |
//! | `words` | counts doc comments that begin badly, and long lines |
//! | `book` | builds the course as a book for the browser |
//!
//! The checks are tests, too: `cargo test` runs them.

#![forbid(unsafe_code)]

mod chapters;
mod conformance;
mod pages;
mod soak;
mod texts;
mod words;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{self, ExitCode};

use clap::{Arg, ArgAction, Command, value_parser};

fn main() -> ExitCode {
    let options = Command::new("cargo xtask")
        .about("For those who work on the workspace")
        .subcommand_required(true)
        .subcommand(soak())
        .subcommand(
            Command::new("conformance")
                .about("Compares docs/python-conformance.md with the tests")
                .arg(switch("write", "Writes the last column and the totals first")),
        )
        .subcommand(
            Command::new("chapters")
                .about("Writes what lessons print into the chapters of both languages")
                .arg(
                    Arg::new("lesson")
                        .value_name("LESSON|CRATE")
                        .num_args(1..)
                        .required(true)
                        .help("The lessons, or crates with all of theirs"),
                ),
        )
        .subcommand(Command::new("texts").about("Compares the lessons' texts with the catalogues"))
        .subcommand(Command::new("pages").about("Checks contents, figures, languages and links"))
        .subcommand(
            Command::new("words")
                .about("Counts doc comments that begin badly, and long lines")
                .arg(
                    Arg::new("check")
                        .long("check")
                        .value_name("FOLDER")
                        .num_args(1..)
                        .value_parser(folder)
                        .help("Looks only into these folders, where there must be none"),
                ),
        )
        .subcommand(
            Command::new("book")
                .about("Builds the course as a book for the browser; --serve shows it")
                .disable_help_flag(true)
                .arg(
                    Arg::new("options")
                        .value_name("OPTIONS")
                        .num_args(0..)
                        .allow_hyphen_values(true)
                        .trailing_var_arg(true)
                        .value_parser(value_parser!(OsString))
                        .help("What `--help` lists"),
                ),
        )
        .get_matches();
    match options.subcommand() {
        Some(("soak", options)) => {
            let number = |name| u64::from(options.get_one::<u32>(name).copied().unwrap_or(1));
            soak::run(number("minutes"), number("seed"), options.get_flag("release"))
        }
        Some(("conformance", options)) => {
            tell(&conformance::problems(root(), options.get_flag("write")))
        }
        Some(("chapters", options)) => {
            let names: Vec<String> =
                options.get_many("lesson").unwrap_or_default().cloned().collect();
            tell(&chapters::problems(root(), &names))
        }
        Some(("texts", _)) => tell(&texts::problems(root())),
        Some(("words", options)) => match options.get_many::<String>("check") {
            Some(folders) => tell(&words::findings(root(), folders.map(String::as_str))),
            None => {
                words::print_all(root());
                ExitCode::SUCCESS
            }
        },
        Some(("book", options)) => book(options.get_many("options").unwrap_or_default()),
        _ => tell(&pages::problems(root())),
    }
}

/// Runs the builder of the book, which is a workspace of its own.
fn book<'a>(options: impl Iterator<Item = &'a OsString>) -> ExitCode {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let builder = process::Command::new(cargo)
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(root().join("book/Cargo.toml"))
        .arg("--")
        .args(options)
        .status();
    match builder {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Describes the command `soak`.
fn soak() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let option = Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u32));
        option.default_value(default).help(help)
    };
    Command::new("soak")
        .about("Runs the kill tortures of all crates at the same time")
        .arg(number("minutes", "10", "How long"))
        .arg(number("seed", "1", "Begins with the same decisions; instants differ all the same"))
        .arg(switch("release", "Builds the tortures with optimizations"))
}

/// Returns the name of a folder of the workspace, if there is one of this name.
fn folder(name: &str) -> Result<String, &'static str> {
    root().join(name).is_dir().then(|| name.to_owned()).ok_or("no such folder")
}

/// Describes an option without a value.
fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Returns the workspace's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a folder of the workspace")
}

/// Prints each problem; if there are any, that is a failure.
fn tell<P: std::fmt::Display>(problems: &[P]) -> ExitCode {
    problems.iter().for_each(|problem| println!("{problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
