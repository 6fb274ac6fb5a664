//! The tools on files as people have them: from spreadsheets of any country, with any names.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testing::Deadline;

const PROGRAM: &str = env!("CARGO_BIN_EXE_amdahl");

const POINTS: [(&str, &str); 7] = [
    ("1", "64.9"),
    ("18", "995.9"),
    ("36", "1652.4"),
    ("72", "1853.2"),
    ("108", "1828.9"),
    ("144", "1775"),
    ("216", "1702.2"),
];

/// Runs the program with these words and this on its standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let _deadline = Deadline::seconds(60);
    let mut command = Command::new(PROGRAM);
    command
        .env("LC_ALL", "C")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its command line doesn't read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Returns the fitted γ, which has the unit of the throughput, and α, which has none.
#[track_caller]
fn fitted(input: &str) -> (f64, f64) {
    let output = run(&["fit", "-", "--json"], input.as_bytes());
    assert!(output.status.success(), "{input}\n{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    (found["gamma"].as_f64().unwrap(), found["alpha"].as_f64().unwrap())
}

/// Returns the message about wrong input, which is one line.
#[track_caller]
fn refused(arguments: &[&str], input: &[u8]) -> String {
    let output = run(arguments, input);
    let text = String::from_utf8(output.stderr).unwrap();
    let shown = String::from_utf8_lossy(input);
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{shown}\n{text}");
    assert!(output.stdout.is_empty());
    text
}

fn rows(row: impl Fn(&str, &str) -> String) -> String {
    POINTS.map(|(n, x)| row(n, x) + "\n").concat()
}

/// Writes a number as a country with decimal commas writes it, and with points between thousands.
fn with_comma(number: &str) -> String {
    grouped(number).replace(',', "_").replace('.', ",").replace('_', ".")
}

/// Puts commas between thousands.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    match whole.len() {
        4.. => format!("{},{}{fraction}", &whole[..whole.len() - 3], &whole[whole.len() - 3..]),
        _ => number.to_owned(),
    }
}

#[test]
fn the_same_measurements_are_read_as_any_spreadsheet_writes_them() {
    let plain = rows(|n, x| format!("{n},{x}"));
    let expected = fitted(&plain);
    let semicolons = rows(|n, x| format!("{n};{}", x.replace('.', ",")));
    for text in [
        format!("n,throughput\n{plain}"),
        format!("\u{feff}n,throughput\n{plain}").replace('\n', "\r\n"),
        format!("n,throughput\n{plain}").replace('\n', "\r"),
        rows(|n, x| format!("{n}\t{x}")),
        rows(|n, x| format!("\"{n}\",\"{}\"", grouped(x))),
        rows(|n, x| format!("\"{n}\",\"{}\"", with_comma(x))),
        format!("Threads;Ops\n{semicolons}"),
        format!("n;throughput\n{}", rows(|n, x| format!("{n};{}", with_comma(x)))),
        format!("sep=;\r\nn;throughput\r\n{semicolons}"),
        format!("\"SEP=|\"\nn|throughput\n{}", rows(|n, x| format!("{n}|{x}"))),
        format!("remark,X,N\n{}", rows(|n, x| format!("\"1,2 \"\"three\"\" # 4\",{x}, {n}"))),
        format!(
            "# today\n\n n , Throughput ,\n{}  # end\n,,\n",
            rows(|n, x| format!("{n},{x}, #1"))
        ),
        format!("工作者数,吞吐量\n{plain}"),
        format!("threads,n,x\n{}", rows(|n, x| format!("1,{n},{x}"))),
        format!("n [workers],Throughput (MB/s)\n{plain}"),
        format!(
            "seconds (s),threads (count),throughput_per_s\n{}",
            rows(|n, x| format!("9,{n},{x}"))
        ),
        format!("latency (ms);Cores;ops per second\n{}", rows(|n, x| format!("9;{n};{x}"))),
        format!("throughput_per_s,throughput,n\n{}", rows(|n, x| format!("7,{x},{n}"))),
        format!("工作者数（workers）,吞吐量（次/秒）\n{plain}"),
        format!("n;x\n{}", rows(|n, x| format!("{n};{}", with_comma(x).replace('.', " ")))),
        format!("n;x\n{}", rows(|n, x| format!("{n};{}", with_comma(x).replace('.', "\u{202f}")))),
        format!("n,x\n{}", rows(|n, x| format!("{n},{}", grouped(x).replace(',', "'")))),
        format!("n,x\n{}", rows(|n, x| format!("{n},{}", grouped(x).replace(',', "\u{2019}")))),
        format!("n\tx\n{}", rows(|n, x| format!("{n}\t{}", grouped(x).replace(',', "\u{a0}")))),
        format!("n\tx\n{}", rows(|n, x| format!("{n}\t{}", grouped(x).replace(',', "\u{2009}")))),
    ] {
        assert_eq!(fitted(&text), expected, "{text}");
    }
    // No fraction shows which country it is, but the separator does.
    let thousands =
        "1,\"1,060\"\n2,\"2,120\"\n4,\"4,220\"\n8,\"8,400\"\n12,\"9,440\"\n16,\"9,490\"\n";
    let plain = "1,1060\n2,2120\n4,4220\n8,8400\n12,9440\n16,9490\n";
    assert_eq!(fitted(thousands), fitted(plain));
    let powers = thousands.replace("1,060", "1,060e0").replace("9,490", "9,490E+0");
    assert_eq!(fitted(&powers), fitted(plain));
}

#[test]
fn what_could_be_read_in_two_ways_is_an_error_and_never_a_wrong_number() {
    let good = rows(|n, x| format!("{n},{x}"));
    let semicolons = rows(|n, x| format!("{n};{x}"));
    let first = |text: &str| format!("{text}\n{good}");
    for (text, told) in [
        (first("n,throughput\n1,1,060"), ":2: 2 cells are expected, as in line 1, not 3"),
        (first("n,throughput\n1"), ":2: 2 cells are expected, as in line 1, not 1"),
        (first("n,throughput\n1,\"64.9"), ":2: quotes have to be around a whole cell"),
        (first("n,throughput\n\"1\"5,64.9"), ":2: quotes have to be around a whole cell"),
        (first("n,throughput\n1, \"1,060\""), ":2: quotes have to be around a whole cell"),
        (first("n,throughput\n1,64 90"), ":2: \"64 90\" isn't a number"),
        (first("n,throughput\n1,1'06 000"), ":2: \"1'06 000\" isn't a number"),
        (first("n,throughput\n1,\"1 060,000\""), ":3: \"64.9\" has another decimal point than"),
        (first("n,throughput\n1,64.9 ms"), ":2: \"64.9 ms\" isn't a number"),
        (first("n,throughput\n1,\"1,06,0\""), ":2: \"1,06,0\" isn't a number"),
        (first("n,throughput\n1,"), ":2: \"\" isn't a number"),
        (first("n,throughput\n1,inf"), ":2: \"inf\" isn't a number"),
        (first("n,throughput\n1,\"64,9\""), ":3: \"64.9\" has another decimal point than \"64,9\""),
        (
            first("n,words"),
            ":1: the heading has no column \"throughput\"; it can be called throughp",
        ),
        (first("speed;n"), ":2: 2 cells are expected, as in line 1, not 1"),
        (first("threads,cores,x\n1,2,3"), ":1: several columns can be \"n\": call one of them so"),
        (first("n,n,x\n1,2,3"), ":1: several columns can be \"n\""),
        (first("1,2,3"), ":1: 3 columns and no heading"),
        ("n;x\n1;1.060\n2;2.120\n".into(), ":2: \"1.060\" can be 1.06 or 1060: write it in one of"),
        ("n\tx\n1\t1,060\n2\t2,120\n".into(), ":2: \"1,060\" can be 1060 or 1.06: write it in"),
        ("n\tx\n1\t265\n2\t1.055\n".into(), ":3: \"1.055\" can be 1.055 or 1055: write it in"),
        ("n\tx\n1\t1,060e3\n2\t2\n".into(), ":2: \"1,060e3\" can be 1060000 or 1060: write it in"),
        ("n\tx\n1\t1.060e3\n2\t2\n".into(), ":2: \"1.060e3\" can be 1060 or 1060000: write it in"),
        ("1 649\n2 130\n".into(), ":1: only one column: put a comma, a semicolon or a tab"),
        (first("threads_per_core,x"), ":1: the heading has no column \"n\""),
        (first("cores (%),x"), ":1: the heading has no column \"n\""),
        (first("n,throughput_per_worker"), ":1: the heading has no column \"throughput\""),
        (first("n,ops (MB/s/core)"), ":1: the heading has no column \"throughput\""),
        (first("n,rate (ms)"), ":1: the heading has no column \"throughput\""),
        (
            first("n,throughput (MB/s),throughput (ops/s)\n1,2,3"),
            ":1: several columns can be \"throughput\"",
        ),
        ("1 64.9\n2 130\n".into(), ":1: the heading has no column \"n\"; it can be called n, p"),
    ] {
        let message = refused(&["fit", "-"], text.as_bytes());
        let expected = format!("amdahl fit: standard input{told}");
        assert!(message.starts_with(&expected), "{text}\n{message}");
    }
    // One number that has only one meaning is enough for all.
    assert_eq!(fitted(&format!("{semicolons}9;1.060")), fitted(&format!("{good}9,1.060")));
}

#[test]
fn a_file_in_utf_16_is_told_so() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for tool in ["fit", "plan"] {
        let message = refused(&[tool, "-"], &utf16("\u{feff}n\tthroughput\n"));
        assert!(message.contains("it is UTF-16: save it as UTF-8"), "{message}");
        let message = refused(&[tool, "-"], b"n,\xff\n");
        assert!(message.contains("it isn't text (UTF-8)"), "{message}");
    }
}

#[test]
fn very_small_and_very_large_numbers_have_a_power_of_ten() {
    for power in ["e-20", "e200"] {
        let text = rows(|n, x| format!("{n},{x}{power}"));
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{power}.svg"));
        let output = run(&["fit", "-", "--svg", file.to_str().unwrap()], text.as_bytes());
        let shown = String::from_utf8(output.stdout).unwrap();
        let expected = if power == "e200" { "1.6524e203" } else { "1.6524e-17" };
        assert!(shown.contains(expected) && !shown.contains("= 0 "), "{shown}");
        assert!(shown.lines().all(|line| line.len() < 60), "{shown}");
        let picture = fs::read_to_string(file).unwrap();
        assert!(picture.lines().all(|line| !line.contains("000000000")), "{picture}");
    }
    let shown = String::from_utf8(run(&["law", "--p", "0", "--n", "1000000"], b"").stdout).unwrap();
    assert!(shown.contains("0.0001%"), "{shown}");
    let plan = b"[[task]]\nname = \"a\"\nduration = 1e-19\n";
    let shown = String::from_utf8(run(&["plan", "-"], plan).stdout).unwrap();
    assert!(shown.contains("makespan 1e-19, work 1e-19"), "{shown}");
}

#[test]
fn names_do_not_control_the_terminal() {
    let is_harmless = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let unseen =
            ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}'];
        let bad = |c: &char| (c.is_control() && *c != '\n') || unseen.contains(c);
        assert_eq!(text.chars().find(bad), None, "{text:?}");
        text
    };
    let name = r"paint\u001b[2K\u001b[1A\u009b\u202e\u200b\u200d\u2060\ufeff\u00ad\n\r\t\u007f";
    let shown = name.replace(r"\n\r\t", r"\u000a\u000d\u0009");
    let plan = format!("unit = \"{name}\"\n[[task]]\nname = \"{name}\"\nduration = 1\n");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("escape.svg");
    let svg = file.to_str().unwrap();
    let text = run(&["plan", "-", "--workers", "1", "--svg", svg], plan.as_bytes()).stdout;
    let text = is_harmless(&text);
    assert!(text.matches(&shown).count() >= 7, "{text}");
    is_harmless(&fs::read(&file).unwrap());

    let json = is_harmless(&run(&["plan", "-", "--json"], plan.as_bytes()).stdout);
    let found: Value = serde_json::from_str(&json).unwrap();
    let expected: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
    assert_eq!(found["tasks"][0]["name"], *expected);

    let again = format!("{plan}[[task]]\nname = \"b\"\nduration = 1\nafter = [\"{name}x\"]\n");
    for (words, input) in [
        (&["plan", "-"][..], &*again),
        (&["fit", "-"], "n,\u{1b}[2K\n"),
        (&["fit", "-"], "n,x\n1,\u{1b}[2K\u{9b}2\n"),
    ] {
        let message = is_harmless(refused(words, input.as_bytes()).as_bytes());
        assert!(!message.contains('\u{1b}'), "{message}");
    }
    let message = run(&["plan", "no\u{1b}[2K.toml"], b"").stderr;
    assert!(is_harmless(&message).contains(r"no\u001b[2K.toml"));
    let message = run(&["plan", "-", "--workers", "\u{1b}[2K\u{200b}"], b"").stderr;
    assert!(is_harmless(&message).contains(r"\u001b[2K\u200b"));
    let message = run(&["measure", "--", "no\u{1b}[2Ksuch", "{n}"], b"").stderr;
    assert!(is_harmless(&message).contains(r"no\u001b[2Ksuch"));
}

#[test]
fn a_name_that_differs_only_in_form_gets_a_hint() {
    for (name, after) in [
        ("caf\u{e9}", "cafe\u{301}"),
        ("Walls", "walls"),
        ("walls", " walls"),
        ("doors and windows", "doors  and\u{3000}windows"),
        ("步骤（1）", "步骤(1)"),
        ("STRASSE", "strasse\u{a0}"),
    ] {
        let plan = format!(
            "[[task]]\nname = \"{name}\"\nduration = 1\n[[task]]\nname = \"b\"\nduration = 1\n"
        );
        let told = format!(
            "task \"b\" comes after \"{after}\", and there is no such task: did you mean \
             \"{name}\"? They differ in case, blanks or Unicode form\n"
        );
        let message = refused(&["plan", "-"], format!("{plan}after = [\"{after}\"]").as_bytes());
        assert_eq!(message, format!("amdahl plan: standard input:5: {told}"));
        let plan = format!("resources = {{ \"{name}\" = 1 }}\n{plan}needs = {{ \"{after}\" = 1 }}");
        let message = refused(&["plan", "-"], plan.as_bytes());
        assert!(message.contains(&format!("there is 0: did you mean \"{name}\"?")), "{message}");
    }
    let plan = b"[[task]]\nname = \"a\"\nduration = 1\nafter = [\"x\"]";
    assert!(!refused(&["plan", "-"], plan).contains("did you mean"));
}

#[test]
fn a_picture_overwrites_nothing_but_a_picture() {
    let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("overwrites");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir(&place).unwrap();
    let plan = "[[task]]\nname = \"a\"\nduration = 1\n";
    let points = rows(|n, x| format!("{n},{x}"));
    fs::write(place.join("plan.toml"), plan).unwrap();
    fs::write(place.join("points.csv"), &points).unwrap();
    fs::hard_link(place.join("plan.toml"), place.join("hard")).unwrap();
    // On Windows only some users may make symbolic links.
    #[cfg(unix)]
    std::os::unix::fs::symlink("plan.toml", place.join("soft")).unwrap();
    #[cfg(windows)]
    fs::hard_link(place.join("plan.toml"), place.join("soft")).unwrap();
    for (words, svg) in [
        (&["plan", "plan.toml"][..], "plan.toml"),
        (&["plan", "plan.toml"], "hard"),
        (&["plan", "plan.toml"], "soft"),
        (&["plan", "soft"], "./plan.toml"),
        (&["plan", "-"], "plan.toml"),
        (&["fit", "points.csv"], "points.csv"),
        // What a command reads isn't always one of its words.
        (&["measure"], "points.csv"),
        (&["law", "--p", "0.5"], "points.csv"),
    ] {
        let _deadline = Deadline::seconds(60);
        let mut command = Command::new(PROGRAM);
        command.env("LC_ALL", "C").args(words).args(["--svg", svg]).current_dir(&place);
        if words == ["measure"] {
            command.args(["--", "sort", "--files=points.csv", "{n}"]);
        }
        command.stdin(fs::File::open(place.join("plan.toml")).unwrap());
        let ended = command.output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        let reason = "there is a file that is no SVG";
        let expected = format!("amdahl {}: {svg} can't be written: {reason}\n", words[0]);
        assert_eq!((ended.status.code(), told), (Some(2), expected));
        assert_eq!(fs::read_to_string(place.join("plan.toml")).unwrap(), plan);
        assert_eq!(fs::read_to_string(place.join("points.csv")).unwrap(), points);
    }
}

// Windows has no such names.
#[cfg(unix)]
#[test]
fn a_picture_on_standard_output_comes_before_the_text() {
    let plan = b"[[task]]\nname = \"a\"\nduration = 1\n";
    let check = |text: &[u8]| {
        let text = std::str::from_utf8(text).unwrap();
        let end = text.find("</svg>").unwrap();
        assert!(text.starts_with("<svg") && text[end..].contains("makespan 1, work 1"), "{text}");
    };
    check(&run(&["plan", "-", "--svg", "/dev/stdout"], plan).stdout);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("printed.svg");
    let script = "\"$1\" plan - --svg /dev/stdout > \"$2\"";
    let mut command = Command::new("sh");
    command.env("LC_ALL", "C").args(["-c", script, "sh", PROGRAM]).arg(&file).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan).unwrap();
    assert!(child.wait().unwrap().success());
    check(&fs::read(&file).unwrap());
}
