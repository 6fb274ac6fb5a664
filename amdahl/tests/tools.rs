//! The tools, through the real program.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testing::{Deadline, check_full_disk};

const PROGRAM: &str = env!("CARGO_BIN_EXE_amdahl");

const HOUSE: &str = r#"
unit = "days"
[[task]]
name = "foundation"
duration = 5
[[task]]
name = "walls"
duration = 3
after = ["foundation", "material"]
[[task]]
name = "doors"
duration = 2
after = ["walls"]
[[task]]
name = "paint"
duration = 1
after = ["doors"]
[[task]]
name = "material"
duration = 1
"#;

const TEA: &str = r#"
[resources]
person = 1
stove = 1
[[tasks]]
name = "洗水壶"
duration = 1
needs = { person = 1 }
[[tasks]]
name = "烧水"
duration = 15
after = ["洗水壶"]
needs = { stove = 1 }
[[tasks]]
name = "洗茶杯 <&>"
duration = 4
needs = { person = 1 }
[[tasks]]
name = "泡茶"
duration = 0
after = ["烧水", "洗茶杯 <&>"]
"#;

/// A command that does nothing.
const NOTHING: &[&str] = if cfg!(windows) { &["cmd", "/c", "rem {n}"] } else { &["true", "{n}"] };

const POINTS: &str =
    "n,throughput\n1,64.9\n18,995.9\n36,1652.4\n72,1853.2\n108,1828.9\n144,1775\n216,1702.2\n";

/// Locales of readers of English and of Chinese.
const ENGLISH: &str = "C";
const CHINESE: &str = "zh_CN.UTF-8";

/// Describes the start of the program for a reader of this locale.
fn program(locale: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("LC_ALL", locale).env_remove("RUST_BACKTRACE");
    command
}

/// Runs the program with these words.
fn output(arguments: &[&str]) -> Output {
    with_input(arguments, "")
}

/// Runs the program with these words and this on its standard input.
fn with_input(arguments: &[&str], input: &str) -> Output {
    in_language(ENGLISH, arguments, input)
}

/// Runs the program for a reader of this locale.
fn in_language(locale: &str, arguments: &[&str], input: &str) -> Output {
    let _deadline = Deadline::seconds(60);
    let mut command = program(locale);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A program that needs no input may have ended.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout.clone()).expect("it is UTF-8")
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_str(&said(output)).expect("it is JSON")
}

/// Returns the exit code and the message, which is one line.
#[track_caller]
fn refused(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8(output.stderr.clone()).expect("it is UTF-8");
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code(), text)
}

fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn a_plan_shows_times_slack_and_the_critical_path() {
    let text = said(&with_input(&["plan", "-"], HOUSE));
    for line in [
        " material   |     1 |     0 |  1 |    4 |  5 |     4 |    4 |",
        "makespan 11 days, work 12 days: best speedup 1.090909\n",
        "critical path: foundation → walls → doors → paint\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("worker"));
}

#[test]
fn a_plan_in_json_has_the_promised_keys() {
    let found = json(&with_input(&["plan", "-", "--json"], HOUSE));
    let keys: Vec<&String> = found.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["critical_paths", "makespan", "schedule", "span", "tasks", "work"]);
    assert_eq!(
        (&found["makespan"], &found["span"], &found["work"]),
        (&11.0.into(), &11.0.into(), &12.0.into())
    );
    let path = serde_json::json!([["foundation", "walls", "doors", "paint"]]);
    assert_eq!(found["critical_paths"], path);
    let material = serde_json::json!(
        {"name": "material", "es": 0.0, "ef": 1.0, "ls": 4.0, "lf": 5.0, "slack": 4.0, "free": 4.0}
    );
    assert_eq!(found["tasks"][4], material);
    assert_eq!(found["schedule"], Value::Null);
}

#[test]
fn a_plan_with_workers_or_resources_has_a_schedule_within_its_bounds() {
    let found = json(&with_input(&["plan", "-", "--json", "--workers", "1"], HOUSE));
    let schedule = &found["schedule"];
    assert_eq!((&schedule["makespan"], &schedule["workers"]), (&12.0.into(), &1.into()));
    assert_eq!((&schedule["at_least"], &schedule["at_most"]), (&12.0.into(), &12.0.into()));
    let last = serde_json::json!({"name": "paint", "start": 11.0, "finish": 12.0, "worker": 1});
    assert_eq!(schedule["tasks"][4], last);

    let schedule = &json(&with_input(&["plan", "-", "--json"], TEA))["schedule"];
    assert_eq!((&schedule["makespan"], &schedule["workers"]), (&16.0.into(), &Value::Null));
    let text = said(&with_input(&["plan", "-", "--workers", "2"], HOUSE));
    assert!(text.contains("with 2 workers: 11 days, of 11 to 11.5 days (Graham)"), "{text}");
}

#[test]
fn three_estimates_are_a_duration() {
    let plan = "[[task]]\nname = \"a\"\noptimistic = 2\nlikely = 5\npessimistic = 11";
    assert_eq!(json(&with_input(&["plan", "-", "--json"], plan))["makespan"], 5.5);
}

#[test]
fn what_is_no_plan_is_told_with_file_line_and_task() {
    let task = |rest: &str| format!("unit = \"h\"\n\n[[task]]\nname = \"a\"\n{rest}\n");
    for (text, told) in [
        (task("duration = -1"), ":4: task \"a\" takes -1: a duration"),
        (task("duration = nan"), ":4: task \"a\" takes NaN: a duration"),
        (
            task("duration = 1\nafter = [\"x\"]"),
            ":4: task \"a\" comes after \"x\", and there is no",
        ),
        (
            task("durration = 1"),
            ":5: task \"a\": there is no field \"durration\"; there are name, duration, ",
        ),
        (task("duration = \"long\""), ":5: task \"a\": \"duration\" must be a number\n"),
        (
            task("duration = 1\nafter = \"b\""),
            ":6: task \"a\": \"after\" must be a list of names\n",
        ),
        (
            task("duration = 1\nneeds = { cook = -1 }"),
            ":6: task \"a\": \"needs\" must be a table of whole numbers\n",
        ),
        (
            task("duration = 1\nlikely = 1"),
            ":4: task \"a\": it needs either a duration, or optimistic",
        ),
        (
            task("optimistic = 3\nlikely = 2\npessimistic = 4"),
            ":4: task \"a\": it must be 0 <= optim",
        ),
        (
            task("duration = 1\nneeds = { cook = 1 }"),
            ":4: task \"a\" needs 1 of the resource \"cook\"",
        ),
        (
            task("duration = 1\n[[task]]\nname = \"a\"\nduration = 2"),
            ":7: task \"a\" is there twice",
        ),
        (
            task("duration = 1\nafter = [\"a\"]"),
            ":4: these tasks wait for each other, so none can begin: a → a",
        ),
        (task("duration = 1\n[[task]]\nduration = 1"), ":6: this task has no name\n"),
        (task("duration = 1\nafter = [\"a\", 2 # b"), ":6: a bracket isn't closed: after = ["),
        (task("duration = 1\nduration = 2"), ":6: this is there twice: duration = 2\n"),
        (task("duration = 3 days"), ":5: a text has to be in quotes: duration = 3 days\n"),
        (task("duration: 3"), ":5: this isn't TOML: duration: 3\n"),
        ("task = 5".to_owned(), ":1: each task begins with [[task]]\n"),
        ("unit = 5".to_owned(), ":1: \"unit\" must be a text in quotes\n"),
        ("title = \"x\"".to_owned(), ":1: there is no field \"title\"; there are unit, "),
        ("unit = \"h\"".to_owned(), ": the plan has no task"),
        (String::new(), ": the plan has no task"),
    ] {
        let (code, message) = refused(&with_input(&["plan", "-"], &text));
        assert_eq!(code, Some(2), "{message}");
        let expected = format!("amdahl plan: standard input{told}");
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
    let (code, message) = refused(&output(&["plan", "no-such.toml"]));
    assert_eq!(code, Some(1));
    assert_eq!(
        message,
        "amdahl plan: no-such.toml: there is no such file or folder (os error 2)\n"
    );
}

#[test]
fn a_wrong_command_line_ends_with_2_and_help_with_0() {
    for words in [
        &["plan"][..],
        &["plan", "x", "--workers", "0"],
        &["law", "--p", "1.5"],
        &["law", "--p", "0.5", "--n", "0"],
        &["fit"],
        &["measure", "--", "true"],
        &["measure", "--max", "0", "--", "true", "{n}"],
    ] {
        assert_eq!(output(words).status.code(), Some(2), "{words:?}");
    }
    for tool in ["plan", "law", "fit", "measure"] {
        let help = said(&output(&[tool, "--help"]));
        assert!(help.contains("Exit codes: 0 done; 1 "), "{help}");
    }
    let help = said(&output(&["measure", "--help"]));
    for words in ["amdahl measure [OPTIONS] -- <COMMAND>...\n", "xz --threads={n} -kc"] {
        assert!(help.contains(words), "{help}");
    }
}

#[test]
fn the_laws_of_the_tutorials_numbers() {
    let text = said(&output(&["law", "--p", "25/31", "--n", "2,4"]));
    assert!(text.contains(" 4 | 2.530612 |      63.3% |  3.419355\n"), "{text}");
    assert!(text.contains("never more than 5.166667 times"));
    let found = json(&output(&["law", "--p", "1", "--n", "8", "--json"]));
    assert_eq!((&found["limit"], &found["rows"][0]["amdahl"]), (&Value::Null, &8.0.into()));
}

#[test]
fn a_fit_has_the_promised_keys_and_the_published_numbers() {
    let found = json(&with_input(&["fit", "-", "--json"], POINTS));
    for (key, value, within) in [
        ("alpha", 0.02773, 5e-6),
        ("beta", 1.044e-4, 5e-8),
        ("gamma", 90.0, 5e-3),
        ("peak_n", 96.52, 5e-3),
        ("peak_throughput", 1884.0, 0.5),
        ("residual_se", 82.85, 5e-3),
    ] {
        let number = found[key].as_f64().expect(key);
        assert!((number - value).abs() <= within, "{key}: {number}");
    }
    assert_eq!(found["fitted"].as_array().map(Vec::len), Some(7));
    // Other columns, another order, quotes, a comment, no heading: the same points.
    let rows: Vec<&str> = POINTS.lines().skip(1).collect();
    let turned = rows.iter().map(|row| {
        let (n, x) = row.split_once(',').expect("two columns");
        format!("{x},\"a name\", {n}\r\n")
    });
    let turned =
        format!("\"Throughput\",\"who\",\"N\"\n# measured today\n{}", turned.collect::<String>());
    assert_eq!(json(&with_input(&["fit", "-", "--json"], &turned)), found);
    assert_eq!(json(&with_input(&["fit", "-", "--json"], &rows.join("\n"))), found);
}

#[test]
fn what_cannot_be_fitted_is_told_with_file_and_line() {
    let without = |row: &str, other: &str| POINTS.replace(row, other);
    for (text, told) in [
        (without("72,1853.2\n108,1828.9\n", ""), ": there are 5 points, and a fit"),
        (without("72,1853.2", "72,fast"), ":5: \"fast\" isn't a number"),
        (without("72,1853.2", "72"), ":5: 2 cells are expected, as in line 1, not 1"),
        (without("72,1853.2", "72,-5"), ":5: point number 4 has n = 72, throughput = -5"),
        (without("n,throughput", "n,words"), ":1: the heading has no column \"throughput\""),
        ("1,2,3\n".to_owned(), ":1: 3 columns and no heading"),
        (String::new(), ": there are 0 points"),
    ] {
        let (code, message) = refused(&with_input(&["fit", "-"], &text));
        assert_eq!(code, Some(2), "{message}");
        let expected = format!("amdahl fit: standard input{told}");
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
}

#[test]
fn a_command_is_measured_with_one_two_and_four_workers() {
    let below_five: &[&str] = if cfg!(windows) { NOTHING } else { &["sh", "-c", "test {n} -lt 5"] };
    let measure = ["measure", "--max", "5", "--repeats", "2", "--json", "--"];
    let found = json(&output(&[&measure, below_five].concat()));
    let rows = found["rows"].as_array().expect("rows");
    let n: Vec<Option<u64>> = rows.iter().map(|row| row["n"].as_u64()).collect();
    assert_eq!(n, [Some(1), Some(2), Some(4)]);
    assert_eq!((&rows[0]["speedup"], &rows[0]["karp_flatt"]), (&1.0.into(), &Value::Null));
    assert!(found["p"].as_f64().is_some_and(|p| (0.0..=1.0).contains(&p)));
    assert_eq!(found["fit"], Value::Null, "three different n are too few");
    let measure = ["measure", "--max", "8", "--repeats", "1", "--"];
    let text = said(&output(&[&measure, NOTHING].concat()));
    assert!(text.contains("too few measurements for the law of scalability"), "{text}");
    let measure = ["measure", "--max", "8", "--repeats", "2", "--"];
    let text = said(&output(&[&measure, NOTHING].concat()));
    assert!(text.contains("contention α"), "{text}");
}

#[test]
fn a_command_that_fails_or_is_not_there_is_told() {
    let (fails, told): (&[&str], _) = if cfg!(windows) {
        (&["measure", "--", "cmd", "/c", "exit {n}"], "cmd /c exit 1")
    } else {
        (&["measure", "--", "sh", "-c", "test {n} -lt 2"], "sh -c test 2 -lt 2")
    };
    let (code, message) = refused(&output(fails));
    assert_eq!(code, Some(1));
    assert_eq!(
        message.trim_end(),
        format!("amdahl measure: the command failed with exit code 1: {told}")
    );
    let (code, message) = refused(&output(&["measure", "--", "no-such-program", "{n}"]));
    assert_eq!(code, Some(1));
    assert!(message.contains("no-such-program 1: "), "{message}");
}

// On Windows no program can press Ctrl-C for another.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_measured_command_and_what_it_has_started() {
    let _deadline = Deadline::seconds(60);
    let fifo = scratch("ctrl-c");
    let _ = fs::remove_file(&fifo);
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo can be started");
    assert!(made.success());
    // The grandchild holds the pipe open as long as it lives, and both ignore a polite request.
    let script = format!("trap '' TERM; (echo {{n}}; exec sleep 1000) > '{}'", fifo.display());
    let mut command = program(ENGLISH);
    command.args(["measure", "--", "sh", "-c", &script]).stderr(Stdio::piped());
    let child = command.spawn().expect("the program can be started");
    let mut pipe = std::io::BufReader::new(fs::File::open(&fifo).expect("the pipe is there"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut pipe, &mut line).expect("a line comes");
    assert_eq!(line, "1\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is alive");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130));
    line.clear();
    // The end of the file: no process is left that could write.
    assert_eq!(std::io::BufRead::read_line(&mut pipe, &mut line).expect("the pipe ends"), 0);
}

#[test]
fn pictures_are_documents_with_all_names_in_the_readers_language() {
    let picture = |locale: &str, words: &[&str], input: &str| {
        let file = scratch(&format!("{}-{locale}.svg", words[0]));
        let path = file.to_str().expect("it is UTF-8");
        let words = [&words[..1], &["--svg", path], &words[1..]].concat();
        said(&in_language(locale, &words, input));
        let text = fs::read_to_string(&file).expect("the picture is there");
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{text}");
        text
    };
    let measure = [&["measure", "--max", "8", "--repeats", "2", "--"], NOTHING].concat();
    for (words, input, english, chinese) in [
        (&["plan", "-"][..], TEA, ["critical", "Network"], ["关键", "网络图"]),
        (&["law", "--p", "0.5"], "", ["ideal", "workers n"], ["理想", "并行度 n"]),
        (&["fit", "-"], POINTS, ["ideal", "workers n"], ["理想", "并行度 n"]),
        (&measure, "", ["median and range", "fitted:"], ["中位数与范围", "拟合："]),
    ] {
        for (locale, has, lacks) in [(ENGLISH, english, chinese), (CHINESE, chinese, english)] {
            let text = picture(locale, words, input);
            assert!(has.iter().all(|label| text.contains(label)), "{words:?} {locale}");
            assert!(!lacks.iter().any(|label| text.contains(label)), "{words:?} {locale}");
            assert!(words[0] != "plan" || text.contains("洗茶杯 &lt;&amp;&gt;"));
        }
    }
    let nowhere = ["law", "--p", "0.5", "--svg", "/nowhere/at/all.svg"];
    assert_eq!(output(&nowhere).status.code(), Some(1));
}

#[test]
fn a_plan_too_large_to_be_seen_is_drawn_as_far_as_one_can_see() {
    let task = |n: u32| format!("[[task]]\nname = \"t{n}\"\nduration = 0.1\n");
    let file = scratch("large.svg");
    let path = file.to_str().expect("it is UTF-8");
    said(&with_input(&["plan", "-", "--svg", path], &(0..1000).map(task).collect::<String>()));
    let text = fs::read_to_string(&file).expect("the picture is there");
    assert!(text.contains("… and 800 more tasks") && !text.contains("Network"));
}

#[test]
fn more_critical_paths_than_are_listed_are_counted() {
    let mut plan = String::new();
    for stage in 0..12 {
        let after = if stage == 0 {
            String::new()
        } else {
            format!("after = [\"a{0}\", \"b{0}\"]", stage - 1)
        };
        for side in ["a", "b"] {
            plan += &format!("[[task]]\nname = \"{side}{stage}\"\nduration = 1\n{after}\n");
        }
    }
    let found = json(&with_input(&["plan", "-", "--json"], &plan));
    assert_eq!(found["critical_paths"].as_array().map(Vec::len), Some(1000));
    assert_eq!(found["critical_paths_left_out"], 3096);
    let text = said(&with_input(&["plan", "-"], &plan));
    assert!(text.contains("and 4086 more critical paths"), "{text}");
}

#[test]
fn a_plan_too_large_to_be_read_is_told_as_far_as_one_can_read() {
    let task = |n: u32| format!("[[task]]\nname = \"t{n}\"\nduration = 1\n");
    let plan: String = (0..1500).map(task).collect();
    let text = said(&with_input(&["plan", "-", "--workers", "2"], &plan));
    assert_eq!(text.matches(" … and 500 more tasks; --json has all\n").count(), 2);
    let found = json(&with_input(&["plan", "-", "--json"], &plan));
    assert_eq!(found["tasks"].as_array().map(Vec::len), Some(1500));
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let plan = scratch("enough.toml");
    let task = |n: u32| format!("[[task]]\nname = \"t{n}\"\nduration = 1\n");
    fs::write(&plan, (0..5000).map(task).collect::<String>()).expect("it can be written");
    let _deadline = Deadline::seconds(60);
    let mut command = program(ENGLISH);
    command.arg("plan").arg(&plan).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn the_tools_print_what_the_chapter_shows_in_its_language() {
    for (locale, chapter) in
        [(ENGLISH, include_str!("../README.md")), (CHINESE, include_str!("../README.zh-CN.md"))]
    {
        let blocks = chapter.split("```console\n$ cargo run -p amdahl -- ").skip(1);
        let mut seen = 0;
        for block in blocks {
            let (prompt, rest) = block.split_once('\n').expect("a prompt is a line");
            let words: Vec<&str> = prompt.split(' ').collect();
            if !["plan", "law", "fit"].contains(&words[0]) {
                continue;
            }
            let mut command = program(locale);
            let ran = command.args(&words).current_dir("..").output();
            let ran = ran.expect("the program can be started");
            let trim = |text: &str| {
                text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>()
            };
            let (shown, _) = rest.split_once("```").expect("a block ends");
            assert_eq!(trim(&said(&ran)), shown, "{prompt}");
            seen += 1;
        }
        assert_eq!(seen, 4);
    }
}

#[test]
fn a_full_disk_is_exit_code_1() {
    for arguments in [&["law", "--p", "1", "--n", "8"][..], &["plan", "--help"]] {
        check_full_disk(PROGRAM, arguments);
    }
}
