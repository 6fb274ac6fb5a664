//! `downloader serve`: the embedded image server, to try `get` on without a network.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use common::arguments::number;
use common::{output, text};
use downloader::{ImageServer, Images};

#[derive(Args)]
struct Options {
    #[arg(long, value_name = "N", default_value = "200", value_parser = number(0..=10_000_usize))]
    #[arg(help = text!("How many"))]
    images: usize,
    #[arg(long, value_name = "N", default_value = "320", value_parser = number(0..=10_000_u32))]
    #[arg(help = text!("Their width in pixels"))]
    width: u32,
    #[arg(long, value_name = "N", default_value = "240", value_parser = number(0..=10_000_u32))]
    #[arg(help = text!("Their height in pixels"))]
    height: u32,
    #[arg(long, value_name = "N", default_value = "0", value_parser = number(0..=10_000_u64))]
    #[arg(help = text!("The longest latency of an answer, in milliseconds"))]
    latency: u64,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("serve")).about(text!(
        "Serve generated images on 127.0.0.1, and print their addresses; Ctrl-C ends it"
    ))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let options = match Options::from_arg_matches(matches) {
        Ok(options) => options,
        Err(error) => return output::print_clap(&error),
    };
    let latency = Duration::from_millis(options.latency);
    let images = Images {
        count: options.images,
        width: options.width.max(1),
        height: options.height.max(1),
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
