//! The command `cluster-worker`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser};
use common::arguments::{number, print_said, program, refuse};
use common::text;
use multiprocess::output::complain;
use multiprocess::process::Outcome;

use crate::access::SECRET_VARIABLE;
use crate::worker::builder::{MOST_BYTES, MOST_PROCESSES};
use crate::worker::{Worker, WorkerBuilder};
use crate::{ConnectError, Secret};

/// First argument of a program that makes it a worker.
pub(crate) const NAME: &str = "cluster-worker";

/// The options of the command line.
//
// Its fields have no doc comments, which would be the help.
#[derive(Debug, Parser)]
struct Options {
    #[arg(required = true, value_name = "URL")]
    #[arg(help = text!(
        "Address of the server: nats://127.0.0.1:4222 or tls://host:4222; several for a cluster \
         of servers"
    ))]
    servers: Vec<String>,
    #[arg(long, value_name = "N", value_parser = number(1..=MOST_PROCESSES))]
    #[arg(help = text!("How many tasks at once [default: one for each core]"))]
    processes: Option<usize>,
    #[arg(long, value_name = text!("NAME"))]
    #[arg(help = text!("Name of this machine, in errors and lists [default: its host name]"))]
    name: Option<String>,
    #[arg(long, value_name = text!("NAME"), default_value = "default")]
    #[arg(help = text!("Name of the cluster, of which a server may have several"))]
    cluster: String,
    #[arg(long, value_name = text!("NAME"), help = text!("User that the server knows"))]
    user: Option<String>,
    #[arg(long, value_name = text!("FILE"))]
    #[arg(help = text!("File with the user's password, or with a token if there is no user"))]
    secret_file: Option<PathBuf>,
    #[arg(long, value_name = text!("FILE"), conflicts_with_all = ["user", "secret_file"])]
    #[arg(help = text!("File with an nkey and a JWT, as nsc makes it"))]
    credentials_file: Option<PathBuf>,
    #[arg(long, value_name = text!("FILE"))]
    #[arg(help = text!("Certificates to trust instead of the system's"))]
    ca_file: Option<PathBuf>,
    #[arg(long, value_name = text!("FILE"), requires = "client_key")]
    #[arg(help = text!("This machine's own certificate"))]
    client_certificate: Option<PathBuf>,
    #[arg(long, value_name = text!("FILE"), requires = "client_certificate")]
    #[arg(help = text!("The key of this machine's certificate"))]
    client_key: Option<PathBuf>,
    #[arg(long, help = text!("Allow nats:// to other machines: all travels in the clear"))]
    insecure: bool,
    #[arg(long, value_name = text!("BYTES"), default_value_t = MOST_BYTES)]
    #[arg(value_parser = number(1..=1_u64 << 32))]
    #[arg(help = text!("Most bytes of a task's arguments, and of its result"))]
    most_bytes: u64,
}

/// Signals, secrets and exit codes, for the end of the help.
fn details() -> String {
    let paragraphs = [
        text!(
            "Prints one line when it is ready. While no server answers it keeps trying, and says \
             so on standard error every 10 s."
        ),
        text!(
            "Ctrl-C, SIGTERM and SIGHUP: takes no task any more, finishes those that have begun, \
             and ends. The second of them ends it at once, and what has begun is lost. (Under \
             systemd write KillMode=mixed: else SIGTERM goes to the tasks' processes, too.)"
        ),
        text!(
            "A secret comes from a file or from the variable CLUSTER_SECRET, never from the \
             command line, which other users of the machine can read; the user may come from \
             CLUSTER_USER."
        ),
    ];
    let codes = [
        (0, text!("ended in an orderly way")),
        (1, text!("the server, or this machine, refused something")),
        (2, text!("the command line is wrong")),
        (130, text!("ended at once, by the second Ctrl-C or signal")),
    ];
    let codes = codes.map(|(code, meaning)| format!("  {code:<3}  {meaning}")).join("\n");
    format!("{}\n\n{}\n{codes}", paragraphs.join("\n\n"), text!("Exit codes:"))
}

/// Describes the command in the reader's language.
fn command() -> Command {
    let about = text!(
        "Makes this machine a worker of a cluster: runs tasks of clients that are the same \
         executable."
    );
    let command = Options::command().name(NAME).about(about).after_help(details());
    program(command)
}

/// Runs the command with the arguments behind its name; returns its exit code.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let matches = command().try_get_matches_from([NAME.into()].into_iter().chain(arguments));
    let options = match matches.and_then(|matches| Options::from_arg_matches(&matches)) {
        Ok(options) => options,
        Err(said) => return print_said(&said),
    };
    match builder(options).and_then(WorkerBuilder::run) {
        Ok(end) => end.exit_code(),
        Err(error) => tell(&error),
    }
}

fn builder(options: Options) -> Result<WorkerBuilder, ConnectError> {
    let mut builder = Worker::builder()
        .insecure(options.insecure)
        .cluster(options.cluster)
        .most_bytes(options.most_bytes);
    for server in options.servers {
        builder = builder.server(server);
    }
    if let Some(processes) = options.processes {
        builder = builder.processes(processes);
    }
    if let Some(name) = options.name {
        builder = builder.name(name);
    }
    if let Some(file) = options.ca_file {
        builder = builder.ca_file(file);
    }
    if let (Some(certificate), Some(key)) = (options.client_certificate, options.client_key) {
        builder = builder.client_certificate(certificate, key);
    }
    Ok(match (options.user, options.secret_file, options.credentials_file) {
        (_, _, Some(file)) => builder.credentials_file(file),
        (None, Some(file), None) => builder.token(Secret::file(file)?),
        (Some(user), Some(file), None) => builder.user(user, Secret::file(file)?),
        (Some(user), None, None) => builder.user(user, Secret::env(SECRET_VARIABLE)?),
        (None, None, None) => builder,
    })
}

/// Says why there is no worker; returns the exit code: 2 for what the command line says.
fn tell(error: &ConnectError) -> ExitCode {
    match error {
        ConnectError::Url { .. }
        | ConnectError::Name { .. }
        | ConnectError::Insecure { .. }
        | ConnectError::Secret { .. }
        | ConnectError::Setting { .. } => refuse(&error.to_string()),
        _ => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}
