//! `downloader serve`: the embedded image server, to try `get` on without a network.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use common::output;
use downloader::{ImageServer, Images};

pub(super) fn command() -> Command {
    let option = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value(default)
            .value_parser(value_parser!(u32).range(0..=10_000))
            .help(help)
    };
    Command::new("serve")
        .about(common::text!(
            "Serve generated images on 127.0.0.1, and print their addresses; Ctrl-C ends it"
        ))
        .arg(option("images", "200", "How many"))
        .arg(option("width", "320", "Their width in pixels"))
        .arg(option("height", "240", "Their height in pixels"))
        .arg(option("latency", "0", "The longest latency of an answer, in milliseconds"))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let number = |name| matches.get_one::<u32>(name).copied().unwrap_or_default();
    let latency = Duration::from_millis(number("latency").into());
    let images = Images {
        count: number("images") as usize,
        width: number("width").max(1),
        height: number("height").max(1),
        latency: (latency / 4, latency),
        ..Images::default()
    };
    let server = match ImageServer::start(images) {
        Ok(server) => server,
        Err(error) => {
            output::complain(format_args!("downloader serve: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let list: String = server.urls().map(|url| url + "\n").collect();
    output::print(&list);
    if !output::is_heard() {
        return ExitCode::FAILURE;
    }
    loop {
        thread::park();
    }
}
