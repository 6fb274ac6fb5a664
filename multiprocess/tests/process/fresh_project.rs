//! The programs of the pages for newcomers, each as a project of its own: with the one dependency
//! that the README tells, outside of the workspace.

#![cfg(unix)] // Tests for Windows may run where there is no cargo.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

mod cargo_project;

use cargo_project::{CRATE, cargo, project};

/// Reads the first block in this language from a page of the repository.
fn first_block(page: &str, language: &str) -> String {
    let page = fs::read_to_string(Path::new(CRATE).join("..").join(page)).unwrap();
    let (_, block) = page.split_once(&format!("\n```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Runs the first program of a page as a fresh project, and returns what it prints.
fn run_first_program(page: &str, name: &str) -> String {
    let dependency = first_block("README.md", "toml");
    let here = dependency.replace("…/multiprocess", CRATE);
    assert_ne!(here, dependency, "the dependency is a folder that the reader has to fill in");
    let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n{here}");
    let program = first_block(page, "rust");
    let folder = project(name, &[("Cargo.toml", &manifest), ("src/main.rs", &program)]);
    let output = cargo(&folder, &["run"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_s_program_runs_as_a_fresh_project_with_one_dependency() {
    assert_eq!(run_first_program("README.md", "from-the-readme"), "7 * 7 = 49\n");
}

#[test]
fn the_porting_guide_s_first_program_runs_as_a_fresh_project_with_one_dependency() {
    let printed = run_first_program("docs/porting.md", "from-the-guide");
    assert_eq!(printed, "hello Ada\nhello Ada\n");
}
