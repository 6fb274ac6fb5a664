//! The command `cluster-worker`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::arguments::{number, print_said, refuse};
use multiprocess::output::complain;
use multiprocess::process::Outcome;

use crate::access::SECRET_VARIABLE;
use crate::worker::builder::{MOST_BYTES, MOST_PROCESSES};
use crate::worker::{Worker, WorkerBuilder};
use crate::{ConnectError, Secret};

/// First argument of a program that makes it a worker.
pub(crate) const NAME: &str = "cluster-worker";

/// Exit codes and signals, for the end of the help.
const DETAILS: &str = "\
Prints one line when it is ready. While no server answers it keeps trying, and says so on standard \
error every 10 s.

Ctrl-C, SIGTERM and SIGHUP: takes no task any more, finishes those that have begun, and ends. The \
second of them ends it at once, and what has begun is lost. (Under systemd write KillMode=mixed: \
else SIGTERM goes to the tasks' processes, too.)

A secret comes from a file or from the variable CLUSTER_SECRET, never from the command line, which \
other users of the machine can read; the user may come from CLUSTER_USER.

Exit codes:
  0    ended in an orderly way
  1    the server, or this machine, refused something
  2    the command line is wrong
  130  ended at once, by the second Ctrl-C or signal";

/// Makes this machine a worker of a cluster: runs tasks of clients that are the same executable.
#[derive(Debug, Parser)]
#[command(name = NAME, after_help = DETAILS, term_width = 80, args_override_self = false)]
struct Options {
    /// Address of the server: nats://127.0.0.1:4222 or tls://host:4222; several for a cluster of
    /// servers
    #[arg(required = true, value_name = "URL")]
    servers: Vec<String>,
    /// How many tasks at once [default: one for each core]
    #[arg(long, value_name = "N", value_parser = number(1..=MOST_PROCESSES))]
    processes: Option<usize>,
    /// Name of this machine, in errors and lists [default: its host name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Name of the cluster, of which a server may have several
    #[arg(long, value_name = "NAME", default_value = "default")]
    cluster: String,
    /// User that the server knows
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the user's password, or with a token if there is no user
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File with an nkey and a JWT, as nsc makes it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "secret_file"])]
    credentials_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// This machine's own certificate
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// The key of this machine's certificate
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// Allow nats:// to other machines: all travels in the clear
    #[arg(long)]
    insecure: bool,
    /// Most bytes of a task's arguments, and of its result
    #[arg(long, value_name = "BYTES", default_value_t = MOST_BYTES)]
    #[arg(value_parser = number(1..=1_u64 << 32))]
    most_bytes: u64,
}

/// Runs the command with the arguments behind its name; returns its exit code.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let options = match Options::try_parse_from([NAME.into()].into_iter().chain(arguments)) {
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
