//! Packages that use this crate, as cargo builds them: what the compiler says of a function that
//! can't be listed, and two versions of this crate in one program.

#![cfg(unix)] // Tests for Windows may run where there is no cargo.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

mod cargo_project;

use cargo_project::{CRATE, cargo, project};

/// Functions that can't be listed, what the compiler says of each, and what to write.
const WRONG: &[(&str, &str, &str)] = &[
    ("fn f(_: Own) {}", "Own` can't be sent to another process", DERIVE),
    ("fn f(_: Vec<Own>) {}", "Own>` can't be sent to another process", DERIVE),
    ("fn f(_: ()) -> Own { Own }", "Own` can't be sent to another process", DERIVE),
    ("fn f(_: std::fs::File) {}", "`File` can't be sent", "multiprocess::process::handover"),
    ("fn f(_: ()) -> std::io::Result<()> { Ok(()) }", "`Result<(), std::io::Error>`", FAILURE),
    ("fn f(_: ()) -> Result<(), Box<dyn std::error::Error>> { Ok(()) }", "Box<", FAILURE),
    ("fn f(_: &str) {}", "`&str` is a reference", "`String` for `&str`"),
    ("fn f(_: (&str, u32)) {}", "`&str` is a reference", "`String` for `&str`"),
    ("fn f(_: (u32, &[u8])) {}", "`&[u8]` is a reference", "`Vec<T>` for `&[T]`"),
    ("fn f(_: u32, _: u32) {}", "takes 2 arguments", "a tuple if there are more"),
    ("fn f() {}", "takes 0 arguments", "`()` if there is none"),
];

const DERIVE: &str = "#[derive(serde::Serialize, serde::Deserialize)]";
const FAILURE: &str = "multiprocess::Failure";

#[test]
fn the_compiler_says_once_what_is_wrong_with_a_listed_function_and_what_to_write() {
    let manifest = format!(
        "[package]\nname = \"wrong\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         multiprocess = {{ path = {CRATE:?} }}\n"
    );
    let mut program = String::from("use multiprocess::tasks; fn main() {} struct Own;\n");
    for (number, (function, ..)) in WRONG.iter().enumerate() {
        program += &format!("mod wrong_{number} {{ use super::*; tasks![f]; {function} }}\n");
    }
    let folder = project("wrong", &[("Cargo.toml", &manifest), ("src/main.rs", &program)]);
    let said = String::from_utf8(cargo(&folder, &["check"]).stderr).unwrap();
    let errors: Vec<&str> = said.split("\nerror").collect();
    for (line, (function, says, cure)) in (2..).zip(WRONG) {
        let place = format!("--> src/main.rs:{line}:");
        let about = errors.iter().filter(|error| error.contains(&place)).collect::<Vec<_>>();
        let [error] = about[..] else { panic!("{function} is not one error:\n{said}") };
        assert!(error.contains(says) && error.contains(cure), "{error}");
    }
}

const TWO_VERSIONS: &str = "
newer::tasks![in_newer];
older::tasks![in_older];

fn in_newer(code: i32) -> newer::Exit {
    newer::Exit(code)
}

fn in_older(code: i32) -> older::Exit {
    older::Exit(code)
}

fn main() -> std::process::ExitCode {
    newer::main(|| {
        older::main(|| {
            let mut first = newer::Process::new(in_newer, 3);
            first.start().unwrap();
            first.join().unwrap();
            let mut second = older::Process::new(in_older, 4);
            second.start().unwrap();
            second.join().unwrap();
            println!(\"{:?} {:?}\", first.exitcode(), second.exitcode());
        })
    })
}
";

#[test]
fn two_versions_of_this_crate_in_one_program_have_their_own_lists_and_children() {
    let manifest = fs::read_to_string(Path::new(CRATE).join("Cargo.toml")).unwrap();
    let dependencies = manifest.find("[dependencies]").unwrap();
    let older = format!(
        "[package]\nname = \"multiprocess\"\nversion = \"0.0.7\"\nedition = \"2024\"\n\
         [lib]\npath = \"{CRATE}/src/lib.rs\"\n{}",
        &manifest[dependencies..manifest.find("[dev-dependencies]").unwrap()]
    );
    let program = format!(
        "[package]\nname = \"two\"\nedition = \"2024\"\n[dependencies]\n\
         newer = {{ package = \"multiprocess\", path = {CRATE:?} }}\n\
         older = {{ package = \"multiprocess\", path = \"older\" }}\n"
    );
    let workspace = fs::read_to_string(Path::new(CRATE).join("../Cargo.toml")).unwrap();
    let shared = workspace.find("[workspace.dependencies]").unwrap();
    let shared = &workspace[shared..workspace.find("[profile.dev").unwrap()];
    let shared = shared.replace("path = \"", &format!("path = \"{CRATE}/../"));
    let program = format!("{program}[workspace]\nmembers = [\"older\"]\n{shared}");
    let files =
        [("Cargo.toml", &program[..]), ("older/Cargo.toml", &older), ("src/main.rs", TWO_VERSIONS)];
    let output = cargo(&project("two", &files), &["run"]);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Some(3) Some(4)\n", "{complaints}");
}
