//! The command line of `downloader get`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use downloader::Limits;

use super::patience::Patience;

/// The options of the command line.
pub(super) struct Options {
    pub(super) list: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) connections: usize,
    pub(super) per_host: usize,
    pub(super) processes: usize,
    pub(super) retries: u32,
    pub(super) checked: bool,
    pub(super) patience: Patience,
    pub(super) limits: Limits,
    pub(super) report: Option<PathBuf>,
    pub(super) failed: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) quiet: bool,
}

const AFTER: &str = "\
The list has an address on each line; blank lines and lines that begin with # are left out. A \
file is named after the MD5 of its bytes, MD5.png or MD5.jpg, so the same bytes are stored once, \
and it appears only whole. What it is shows in its content, never in its name: anything but \
images is refused.

A failure is tried again if it may pass: no connection, a name that can't be looked up just now, \
a connection that breaks or stalls, an empty answer, and the status codes 408, 425, 429, 500, 502 \
to 504 and 520 to 529. The waits are random, up to 0.5 s, 1 s, 2 s and so on, or what the server \
asks for. What has come is kept if the server says how to know the rest of the same file (by a \
strong ETag, or Last-Modified). An attempt that brings at least a hundredth of the file is no \
failure, and doesn't use up a retry.

The first Ctrl-C (or SIGTERM, SIGHUP) ends the downloads under way, finishes what has been \
downloaded, and prints what was done; the second ends all at once. Neither leaves half a file.

A host is a name, with the port if the address has one. The pause that a server asks for \
(Retry-After) holds for all that is asked of its host. If it is longer than --max-wait, all that \
waits for this host fails.

Proxies are read from http_proxy, https_proxy, all_proxy and no_proxy as curl reads them, in \
capital letters, too: host:port, or an address that begins with http, https, socks4, socks4a, \
socks5 or socks5h, with a name and a password if need be. The certificates trusted are the \
system's, or those in SSL_CERT_FILE and SSL_CERT_DIR.

Exit codes:
  0    all addresses are stored
  1    some failed
  2    the command line, a proxy or a certificate file is wrong, or the list can't be read
  3    the disk is full, or a file or folder can't be written
  4    no server was reached
  130  interrupted";

pub(super) fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let count = |name, default, help| {
        option(name, "N", help)
            .default_value(default)
            .value_parser(value_parser!(u32).range(1..=1000))
    };
    let seconds = |name, default, help| {
        option(name, "SECONDS", help).default_value(default).value_parser(seconds)
    };
    let flag = |name, help| Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    let path = value_parser!(PathBuf);
    Command::new("get")
        .about(common::text!("Download the images whose addresses are in a list"))
        .after_help(AFTER)
        .arg(
            Arg::new("list")
                .value_name("LIST")
                .required(true)
                .value_parser(path.clone())
                .help("A file with an address on each line; - is standard input"),
        )
        .arg(
            option("output", "FOLDER", "Where the files go; it is made if it isn't there")
                .short('o')
                .required(true)
                .value_parser(path.clone()),
        )
        .arg(count("connections", "16", "How many downloads at once"))
        .arg(count("per-host", "8", "How many at once from one host, redirects included"))
        .arg(
            option("processes", "N", "How many processes check the files [default: one a core]")
                .value_parser(value_parser!(u32).range(1..=1000)),
        )
        .arg(flag("download-only", "Don't decode the files; take images of any kind"))
        .arg(
            option("retries", "N", "How often to try again after an attempt that brought nothing")
                .default_value("3")
                .value_parser(value_parser!(u32).range(0..=100)),
        )
        .arg(seconds("connect-timeout", "10", "For a connection, name look-up and TLS each"))
        .arg(seconds("first-byte-timeout", "30", "For the head of an answer"))
        .arg(seconds("stall-timeout", "30", "For the next bytes; it holds in the head, too"))
        .arg(seconds("timeout", "300", "For all of an attempt"))
        .arg(seconds("max-wait", "120", "The longest pause that a server may ask for"))
        .arg(
            option("max-size", "BYTES", "The longest file; 500k, 64M and 2G are understood")
                .default_value("64M")
                .value_parser(bytes),
        )
        .arg(
            option("max-pixels", "N", "The largest picture, looked at before it is decoded")
                .default_value("100000000")
                .value_parser(value_parser!(u64).range(1..=10_000_000_000)),
        )
        .arg(
            option("max-redirects", "N", "How many redirects to follow; never from https to http")
                .default_value("10")
                .value_parser(value_parser!(u32).range(0..=100)),
        )
        .arg(
            option("report", "FILE", "Write what became of each address, as a line of JSON")
                .value_parser(path.clone()),
        )
        .arg(
            option("failed", "FILE", "Write the addresses that failed, as a list to try again")
                .value_parser(path),
        )
        .arg(flag("json", "Print the summary as JSON"))
        .arg(flag("quiet", "No progress, and no line for each failure").short('q'))
}

/// Parses a number of seconds, from a thousandth to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(String::from("a number of seconds from 0.001 to 86400")),
    }
}

/// Parses a number of bytes, with a letter for thousands of 1024 or without.
fn bytes(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text[number.len()..].to_ascii_lowercase().as_str() {
        "" => Some(1),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1 << 30),
        _ => None,
    };
    let bytes =
        number.parse::<u64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
    let wrong = || String::from("a number of bytes, such as 1000000, 500k, 64M or 2G");
    bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

impl Options {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let count = |name| matches.get_one::<u32>(name).copied();
        let number = |name| count(name).unwrap_or_default();
        let size = |name| number(name) as usize;
        let seconds = |name| matches.get_one::<Duration>(name).copied().unwrap_or_default();
        let long = |name| matches.get_one::<u64>(name).copied().unwrap_or_default();
        let path = |name| matches.get_one::<PathBuf>(name).cloned();
        Self {
            list: path("list").unwrap_or_default(),
            folder: path("output").unwrap_or_default(),
            connections: size("connections"),
            per_host: size("per-host"),
            processes: count("processes").map_or_else(multiprocess::cpu_count, |n| n as usize),
            retries: number("retries"),
            checked: !matches.get_flag("download-only"),
            patience: Patience {
                connect: seconds("connect-timeout"),
                first_byte: seconds("first-byte-timeout"),
                stall: seconds("stall-timeout"),
                total: seconds("timeout"),
                pause: seconds("max-wait"),
                redirects: number("max-redirects"),
                bytes: long("max-size"),
            },
            limits: Limits { pixels: long("max-pixels") },
            report: path("report"),
            failed: path("failed"),
            json: matches.get_flag("json"),
            quiet: matches.get_flag("quiet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
        let matches = command().get_matches_from(["get", "list", "-o", "out", "--max-size", "2k"]);
        let options = Options::of(&matches);
        assert_eq!(options.patience.bytes, 2048);
        assert_eq!(options.connections, 16);
        assert!(options.checked);
    }

    #[test]
    fn sizes_and_times_without_sense_are_refused() {
        for text in ["", "0", "-1", "k", "1.5M", "1T", "99999999999999999999", "20000000000G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["", "0", "-1", "NaN", "inf", "1e9", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
