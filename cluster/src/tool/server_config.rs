//! `cluster server-config`: prints a configuration for a nats-server.

use std::process::ExitCode;

use clap::{ArgMatches, Command};
use cluster::{ConnectError, ServerConfig};
use common::arguments::{option, refuse};
use common::lessons::Tool;
use common::{output, text};

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let host = text!("The server's machine, as others call it, perhaps with a port");
    let cluster = text!("The cluster's name, one of several on this server");
    let folder = text!("Where the server's certificate and its key are");
    Command::new("server-config")
        .about(text!("Print a configuration for nats-server, with passwords of its own"))
        .arg(option("for", "HOST", host).default_value("localhost"))
        .arg(option("cluster", "NAME", cluster).default_value("default"))
        .arg(option("folder", "FOLDER", folder).default_value("/etc/cluster"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    match configuration(matches) {
        Ok(config) => {
            output::print(&config.to_string());
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error.to_string()),
    }
}

fn configuration(matches: &ArgMatches) -> Result<ServerConfig, ConnectError> {
    let value = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    Ok(ServerConfig::new(value("for"), value("cluster"))?.folder(value("folder")))
}
