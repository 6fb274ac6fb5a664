//! The command line of `downloader get`.

use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};
use common::arguments::number;
use common::narrator::{columns, wrapped};
use common::text;
use downloader::Limits;

/// The options of the command line.
//
// Its fields have no doc comments, which would be the help.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[arg(value_name = text!("LIST"))]
    #[arg(help = text!("A file with an address on each line; - is standard input"))]
    pub(super) list: PathBuf,
    #[arg(short, long, value_name = text!("FOLDER"))]
    #[arg(help = text!("Where the files go; it is made if it isn't there"))]
    pub(super) output: PathBuf,
    #[arg(long, value_name = "N", default_value = "16", value_parser = number(1..=1000_usize))]
    #[arg(help = text!("How many downloads at once"))]
    pub(super) connections: usize,
    #[arg(long, value_name = "N", default_value = "8", value_parser = number(1..=1000_usize))]
    #[arg(help = text!("How many at once from one host, redirects included"))]
    pub(super) per_host: usize,
    #[arg(long, value_name = "N", value_parser = number(1..=1000_usize))]
    #[arg(help = text!("How many processes check the files [default: one a core]"))]
    processes: Option<usize>,
    #[arg(long, help = text!("Don't decode the files; take images of any kind"))]
    download_only: bool,
    #[arg(long, value_name = "N", default_value = "3", value_parser = number(0..=100_u32))]
    #[arg(help = text!("How often to try again after an attempt that brought nothing"))]
    pub(super) retries: u32,
    #[arg(long, value_name = text!("SECONDS"), default_value = "10", value_parser = seconds)]
    #[arg(help = text!("For a connection, name look-up and TLS each"))]
    pub(super) connect_timeout: Duration,
    #[arg(long, value_name = text!("SECONDS"), default_value = "30", value_parser = seconds)]
    #[arg(help = text!("For the head of an answer"))]
    pub(super) first_byte_timeout: Duration,
    #[arg(long, value_name = text!("SECONDS"), default_value = "30", value_parser = seconds)]
    #[arg(help = text!("For the next bytes; it holds in the head, too"))]
    pub(super) stall_timeout: Duration,
    #[arg(long, value_name = text!("SECONDS"), default_value = "300", value_parser = seconds)]
    #[arg(help = text!("For all of an attempt"))]
    pub(super) timeout: Duration,
    #[arg(long, value_name = text!("SECONDS"), default_value = "120", value_parser = seconds)]
    #[arg(help = text!("The longest pause that a server may ask for"))]
    pub(super) max_wait: Duration,
    #[arg(long, value_name = text!("BYTES"), default_value = "64M", value_parser = bytes)]
    #[arg(help = text!("The longest file; 500k, 64M and 2G are understood"))]
    pub(super) max_size: u64,
    #[arg(long, value_name = "N", default_value = "100000000")]
    #[arg(value_parser = number(1..=10_u64.pow(10)))]
    #[arg(help = text!("The largest picture, looked at before it is decoded"))]
    max_pixels: u64,
    #[arg(long, value_name = "N", default_value = "10", value_parser = number(0..=100_u32))]
    #[arg(help = text!("How many redirects to follow; never from https to http"))]
    pub(super) max_redirects: u32,
    #[arg(
        long,
        value_name = text!("FILE"),
        help = text!("Write what became of each address, as a line of JSON")
    )]
    pub(super) report: Option<PathBuf>,
    #[arg(long, value_name = text!("FILE"))]
    #[arg(help = text!("Write the addresses that failed, as a list to try again"))]
    pub(super) failed: Option<PathBuf>,
    #[arg(long, help = text!("Print the summary as JSON"))]
    pub(super) json: bool,
    #[arg(short, long, help = text!("No progress, and no line for each failure"))]
    pub(super) quiet: bool,
}

/// Explains what the options don't.
fn details() -> String {
    let paragraphs = [
        text!(
            "The list has an address on each line; blank lines and lines that begin with # are \
             left out. A file is named after the MD5 of its bytes, MD5.png or MD5.jpg, so the \
             same bytes are stored once, and it appears only whole. What it is shows in its \
             content, never in its name: anything but images is refused."
        ),
        text!(
            "A failure is tried again if it may pass: no connection, a name that can't be looked \
             up just now, a connection that breaks or stalls, an empty answer, and the status \
             codes 408, 425, 429, 500, 502 to 504 and 520 to 529. The waits are random, up to 0.5 \
             s, 1 s, 2 s and so on, or what the server asks for. What has come is kept if the \
             server says how to know the rest of the same file (by a strong ETag, or \
             Last-Modified). An attempt that brings at least a hundredth of the file is no \
             failure, and doesn't use up a retry."
        ),
        text!(
            "The first Ctrl-C (or SIGTERM, SIGHUP) ends the downloads under way, finishes what \
             has been downloaded, and prints what was done; the second ends all at once. Neither \
             leaves half a file."
        ),
        text!(
            "A host is a name, with the port if the address has one. The pause that a server asks \
             for (Retry-After) holds for all that is asked of its host. If it is longer than \
             --max-wait, all that waits for this host fails."
        ),
        text!(
            "Proxies are read from http_proxy, https_proxy, all_proxy and no_proxy as curl reads \
             them, in capital letters, too: host:port, or an address that begins with http, \
             https, socks4, socks4a, socks5 or socks5h, with a name and a password if need be. \
             The certificates trusted are the system's, or those in SSL_CERT_FILE and \
             SSL_CERT_DIR."
        ),
        exit_codes(),
    ];
    paragraphs.join("\n\n")
}

/// Lists the exit codes, each with what it means.
fn exit_codes() -> String {
    let wrong = text!(
        "the command line, a proxy or a certificate file is wrong, or the list can't be read"
    );
    let codes = [
        (0, text!("all addresses are stored")),
        (1, text!("some failed")),
        (2, wrong),
        (3, text!("the disk is full, or a file or folder can't be written")),
        (4, text!("no server was reached")),
        (130, text!("interrupted")),
    ];
    let line =
        |(code, meaning)| wrapped(&format!("  {code:<3}  {meaning}"), columns(), 7).join("\n");
    iter::once(text!("Exit codes:")).chain(codes.map(line)).collect::<Vec<_>>().join("\n")
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("get"))
        .about(text!("Download the images whose addresses are in a list"))
        .after_help(details())
}

impl Options {
    /// Returns true if the files are to be decoded.
    pub(super) fn is_checked(&self) -> bool {
        !self.download_only
    }

    /// Returns the number of processes that check the files.
    pub(super) fn processes(&self) -> usize {
        self.processes.unwrap_or_else(multiprocess::cpu_count)
    }

    /// Returns the limits of what is decoded.
    pub(super) fn limits(&self) -> Limits {
        Limits { pixels: self.max_pixels }
    }
}

/// Parses a number of seconds, from a thousandth to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(text!("a number of seconds from 0.001 to 86400")),
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
    let wrong = || text!("a number of bytes, such as 1000000, 500k, 64M or 2G");
    bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
        let matches = command().get_matches_from(["get", "list", "-o", "out", "--max-size", "2k"]);
        let options = Options::from_arg_matches(&matches).unwrap();
        assert_eq!((options.max_size, options.connections), (2048, 16));
        assert!(options.is_checked());
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
