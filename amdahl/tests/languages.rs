//! The tools speak the reader's language, whatever they say: help, results, and what is wrong.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::text::Language;
use testing::{Deadline, check_language};

const PROGRAM: &str = env!("CARGO_BIN_EXE_amdahl");

/// The Latin words in Chinese texts: names of programs, files and formats, options, fields, and the
/// names of columns that people's files have.
const NAMES: &str = "
    amdahl plan law fit measure help json jsn lang zh en svg max repeats workers speed JSON
    SVG CSV TOML UTF Unicode Ctrl xz threads kc big tar unit resources task tasks name
    duration optimistic likely pessimistic after needs processes processors cores concurrency
    clients throughput rate ops req rps qps tps MB per nowhere sh exit kill ms ns
";

/// A folder for files, whose name is left out of the texts.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// A command that does nothing.
const NOTHING: &[&str] = if cfg!(windows) { &["cmd", "/c", "rem {n}"] } else { &["true", "{n}"] };

const POINTS: &str = "n,x\n1,64.9\n18,995.9\n36,1652.4\n72,1853.2\n108,1828.9\n144,1775\n";

/// Runs the program in the language of `--lang`, while that of the system is the other.
fn run(language: Language, arguments: &[&str], input: &str) -> Output {
    let _deadline = Deadline::seconds(60);
    let system = if language == Language::Chinese { "C" } else { "zh_CN.UTF-8" };
    let mut command = Command::new(PROGRAM);
    command.env("LC_ALL", system).args(["--lang", &language.to_string()]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A program that needs no input may have ended.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// Runs the program in each language, checks its exit code and that it speaks that language, and
/// returns what it says.
#[track_caller]
fn check(arguments: &[&str], input: &str, code: i32) -> [String; 2] {
    [Language::English, Language::Chinese].map(|language| {
        let output = run(language, arguments, input);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("it is UTF-8").replace(SCRATCH, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
        check_language(language, &text, &NAMES.split_whitespace().collect::<Vec<_>>());
        text
    })
}

#[test]
fn help_is_in_the_readers_language() {
    for tool in ["plan", "law", "fit", "measure"] {
        let helps = check(&[tool, "--help"], "", 0);
        for (help, headings) in helps.iter().zip([["Usage: ", "Options:"], ["用法：", "选项："]])
        {
            assert!(headings.iter().all(|heading| help.contains(heading)), "{help}");
        }
    }
}

#[test]
fn the_plan_that_the_help_shows_is_one() {
    for (help, before) in check(&["plan", "--help"], "", 0).iter().zip(["foundation", "打地基"])
    {
        let example = help.lines().skip_while(|line| !line.starts_with("  unit"));
        let example = example.take_while(|line| line.starts_with("  "));
        let example: String = example.map(|line| format!("{}\n", line.trim_start())).collect();
        let plan = format!("{example}[[task]]\nname = \"{before}\"\nduration = 5\n");
        let found = run(Language::English, &["plan", "-", "--json"], &plan);
        let found = String::from_utf8(found.stdout).expect("it is UTF-8");
        assert!(found.starts_with("{\"makespan\":8.0,"), "{help}\n{found}");
    }
}

#[test]
fn results_are_in_the_readers_language() {
    let plan = "[[task]]\nname = \"1\"\nduration = 2\n[[task]]\nname = \"2\"\nduration = 1\n";
    check(&["plan", "-"], plan, 0);
    check(&["plan", "-", "--workers", "1"], plan, 0);
    check(&["law", "--p", "0.5"], "", 0);
    check(&["fit", "-"], &format!("{POINTS}216,1702.2\n"), 0);
    for max in ["2", "8"] {
        check(&[&["measure", "--max", max, "--repeats", "2", "--"], NOTHING].concat(), "", 0);
    }
    let json = check_json(&["plan", "-", "--json", "--workers", "1"], plan);
    assert!(json.contains("\"critical_paths\""), "{json}");
}

/// Checks that the output is the same in both languages.
#[track_caller]
fn check_json(arguments: &[&str], input: &str) -> String {
    let [english, chinese] = [Language::English, Language::Chinese].map(|language| {
        String::from_utf8(run(language, arguments, input).stdout).expect("it is UTF-8")
    });
    assert_eq!(english, chinese);
    english
}

#[test]
fn what_is_wrong_with_a_command_line_is_told_in_the_readers_language() {
    for words in [
        &["plan"][..],
        &["plan", "--jsn"],
        &["plan", "--9"],
        &["plan", "1", "2"],
        &["plan", "1", "--workers", "0"],
        &["plan", "1", "--workers"],
        &["plan", "1", "--json", "--json"],
        &["plan", "1", "--json=1"],
        &["--speed", "9", "plan", "1"],
        &["law", "--p", "9/8"],
        &["law", "--p", "9", "--n", "0"],
        &["law", "--p", "0.5", "--n", "1,?"],
        &["measure"],
        &["measure", "--", "1"],
        &["measure", "--repeats", "?", "--", "{n}"],
    ] {
        check(words, "", 2);
    }
    let [english, chinese] = check(&["plan", "--jsn"], "", 2);
    assert_eq!(english, "there is no option --jsn; did you mean --json?\n");
    assert_eq!(chinese, "没有 --jsn 这个选项；是不是想用 --json？\n");
}

#[test]
fn what_is_wrong_with_a_plan_is_told_in_the_readers_language() {
    let task = |rest: &str| format!("[[task]]\nname = \"1\"\n{rest}\n");
    for plan in [
        String::new(),
        "task = 1".to_owned(),
        "rate = 1".to_owned(),
        "unit = 1".to_owned(),
        "unit = per".to_owned(),
        "[resources".to_owned(),
        "resources = 1".to_owned(),
        "[[task]]\nduration = 1".to_owned(),
        "[[task]]\nduration = 1\nname = \"\"".to_owned(),
        task(""),
        task("rate = 1"),
        task("rate: 1"),
        task("name = \"2\""),
        task("duration = -1"),
        task("duration = \"\""),
        task("optimistic = 2\nlikely = 1\npessimistic = 1"),
        task("duration = 1\nafter = [\"2\"]"),
        task("duration = 1\nafter = [\" 1\"]"),
        task("duration = 1\nafter = [\"1\"]"),
        task("duration = 1\nafter = 1"),
        task("duration = 1\nneeds = 1"),
        task("duration = 1\nneeds.2 = 1"),
        task(&format!("duration = 1\n{}", task("duration = 1"))),
        task("duration = 1e308\n[[task]]\nname = \"2\"\nduration = 1e308"),
    ] {
        check(&["plan", "-"], &plan, 2);
    }
}

#[test]
fn what_is_wrong_with_measurements_is_told_in_the_readers_language() {
    for points in [
        "".to_owned(),
        "n,x\n1,1\n".repeat(2),
        "n,x\n".to_owned() + &"1,1\n".repeat(6),
        format!("{POINTS}0,1\n"),
        format!("{POINTS}?,1\n"),
        format!("{POINTS}1,1,1\n"),
        format!("{POINTS}\"1\"1,1\n"),
        format!("{POINTS}1,\"2,5\"\n"),
        "n\tx\n1\t1.234\n".to_owned(),
        "n,name\n1,1\n".to_owned(),
        "name,x\n1,1\n".to_owned(),
        "workers,threads,x\n1,1,1\n".to_owned(),
        "1,1,1\n".to_owned(),
        "1\n".to_owned(),
    ] {
        check(&["fit", "-"], &points, 2);
    }
}

#[test]
fn what_is_wrong_with_a_file_or_a_command_is_told_in_the_readers_language() {
    let utf16 = format!("{SCRATCH}/1.16");
    std::fs::write(&utf16, b"\xff\xfe1\0").expect("it can be written");
    let binary = format!("{SCRATCH}/1.8");
    std::fs::write(&binary, b"\xff").expect("it can be written");
    check(&["plan", "nowhere"], "", 1);
    check(&["fit", &utf16], "", 2);
    check(&["fit", &binary], "", 2);
    check(&["law", "--p", "0.5", "--svg", "/nowhere/1.svg"], "", 1);
    check(&["law", "--p", "0.5", "--svg", &binary], "", 2);
    check(&["measure", "--", "nowhere", "{n}"], "", 1);
    if cfg!(unix) {
        check(&["plan", "/"], "", 1);
        check(&["measure", "--", "sh", "-c", "exit {n}"], "", 1);
        check(&["measure", "--", "sh", "-c", "kill -9 $$ {n}"], "", 1);
    }
}
