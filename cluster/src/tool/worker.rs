//! `cluster worker`: makes this machine a worker; the same as `cluster cluster-worker`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use common::lessons::Tool;
use common::text;

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let arguments = Arg::new("arguments").num_args(0..).trailing_var_arg(true);
    let arguments = arguments.allow_hyphen_values(true).value_parser(clap::value_parser!(OsString));
    Command::new("worker")
        .about(text!("Make this machine a worker, as the first argument cluster-worker does"))
        .disable_help_flag(true)
        .arg(arguments)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let arguments = matches.get_many::<OsString>("arguments").unwrap_or_default();
    cluster::Worker::command(arguments.cloned())
}
