//! The tools speak the reader's language; what they write for other programs is English.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::io::Write;

use common::text::Language;
use support::{After, Ended, Get, Server, head, png, send};
use testing::{Deadline, check_language, output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downloader");

/// The Latin words in Chinese texts: names of programs, files and formats, options, and values.
const NAMES: &str = "
    downloader get serve help lang zh en list out output connections per host processes download
    only retries connect first byte stall timeout max wait size pixels redirects report failed json
    quiet images width height latency JSON MD png jpg gif ETag Last Modified Retry After Ctrl
    SIGTERM SIGHUP http https all no proxy port curl socks TLS SSL CERT FILE DIR UTF kB MB RFC
    Content Encoding gzip bad line status protocol short body html image unsupported empty
    redirect Not Found Service Unavailable ms invalid header name ftp file connection
";

/// Runs this in both languages, each while the system's is the other; checks and returns what is
/// said, without these words.
#[track_caller]
fn check(run: impl Fn(Language, &str) -> (i32, String), code: i32, without: &[String]) {
    for (language, system) in [(Language::English, "zh_CN.UTF-8"), (Language::Chinese, "C")] {
        let (ended, mut said) = run(language, system);
        without.iter().for_each(|word| said = said.replace(word, ""));
        assert_eq!(ended, code, "{said}");
        check_language(language, &said, &NAMES.split_whitespace().collect::<Vec<_>>());
    }
}

/// Runs the program with these arguments in both languages.
#[track_caller]
fn check_program(arguments: &[&str], code: i32) {
    let run = |language: Language, _: &str| {
        let lang = language.to_string();
        let ended = output(PROGRAM, &[arguments, &["--lang", &lang]].concat());
        let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        (ended.status.code().unwrap(), said)
    };
    check(run, code, &[]);
}

#[test]
fn help_is_in_the_readers_language() {
    for tool in ["get", "serve"] {
        check_program(&[tool, "--help"], 0);
    }
}

#[test]
fn what_is_wrong_with_a_command_line_is_told_in_the_readers_language() {
    for arguments in [
        &["get"][..],
        &["get", "--9"],
        &["get", "list", "-o"],
        &["get", "list", "-o", "out", "--connections", "0"],
        &["get", "list", "-o", "out", "--timeout", "9e9"],
        &["get", "list", "-o", "out", "--max-size", "0"],
        &["get", "/9/9", "-o", "out"],
        &["get", "/", "-o", "out"],
        &["serve", "--images", "-1"],
    ] {
        check_program(arguments, 2);
    }
}

/// Starts a server whose answers are faults, each of another kind.
fn faults() -> Server {
    Server::start(|request, client| match &*request.path {
        "/1" => send(client, "404 Not Found", "", b""),
        "/2" => send(client, "503 Busy", "Retry-After: 3600\r\n", b""),
        "/3" => send(client, "200 OK", "", b"<html>"),
        "/4" => send(client, "200 OK", "", b"GIF89a"),
        "/5" => send(client, "200 OK", "Content-Encoding: gzip\r\n", b"123"),
        "/6" => send(client, "200 OK", "", b""),
        "/7" => send(client, "302 Found", "Location: file:///9\r\n", b""),
        "/8" => send(client, "302 Found", "Location: /8\r\n", b""),
        "/9" => {
            head(client, "200 OK", "Content-Length: 9999\r\n");
            client.write_all(&png(1, 9)).unwrap();
            After::Close
        }
        "/10" => {
            head(client, "200 OK", "9 9: 9\r\n");
            After::Close
        }
        _ => After::Close,
    })
}

#[test]
fn failures_are_shown_in_the_readers_language_and_reported_in_english() {
    let _deadline = Deadline::seconds(60);
    // The other one wants a pause.
    let (server, other) = (faults(), faults());
    let servers = (1..=11).map(|number| (if number == 2 { &other } else { &server }, number));
    let urls = servers.map(|(server, number)| server.url(&format!("/{number}")));
    let more = ["9", "ftp://9/", "http://127.0.0.1:1/9"].map(str::to_owned);
    let list: Vec<String> = urls.chain(more).collect();
    let run = |language: Language, system: &str| -> Ended {
        let arguments = ["--lang", &language.to_string(), "--retries", "0", "--connections", "1"];
        Get::of(&list).with(&arguments).env("LC_ALL", system).run()
    };
    let texts = |language: Language, system: &str| {
        let ended = run(language, system);
        (ended.code.unwrap(), ended.stderr + &ended.stdout)
    };
    check(texts, 1, &list.iter().rev().filter(|url| url.len() > 1).cloned().collect::<Vec<_>>());
    let [english, chinese] = [run(Language::English, "C"), run(Language::Chinese, "C")];
    for url in &list {
        for field in ["status", "error", "message", "http_status"] {
            assert_eq!(english.of(url)[field], chinese.of(url)[field]);
        }
    }
    let sorted = |ended: &Ended| {
        let mut lines: Vec<String> = ended.failed.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&english), sorted(&chinese));
}
