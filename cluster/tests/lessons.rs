//! The lessons say what the chapter shows.

use cluster::local::test_server;
use testing::lesson::{check_lesson, check_list, check_nothing_is_left, check_output};
use testing::output;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cluster");
const PACKAGE: &str = env!("CARGO_PKG_NAME");

multiprocess::test_entry!();

/// Defines a test for each lesson, which needs a server.
macro_rules! test_lessons {
    ($($lesson:ident),+ $(,)?) => {
        $(
            #[test]
            fn $lesson() {
                if test_server().is_some() {
                    check_lesson(env!("CARGO_MANIFEST_DIR"), PROGRAM, stringify!($lesson));
                }
            }
        )+

        #[test]
        fn each_lesson_has_a_test_and_a_place_in_the_contents() {
            check_list(PACKAGE, PROGRAM, &[$(stringify!($lesson)),+]);
        }
    };
}

test_lessons![two_machines, a_machine_is_gone, the_server_is_gone, another_build, at_most_once];

#[test]
fn the_chinese_chapter_says_the_same() -> Result<(), String> {
    testing::pages::check_translation(env!("CARGO_MANIFEST_DIR").as_ref())
}

#[test]
fn all_lessons_fit_the_screen_in_both_languages_and_told_again_they_leave_nothing() {
    if test_server().is_some() {
        check_nothing_is_left(PACKAGE, PROGRAM, &[]);
    }
}

#[test]
fn a_full_disk_is_an_error_and_a_full_pipe_is_waited_for() {
    if test_server().is_some() {
        check_output(PACKAGE, PROGRAM, &[]);
    }
}

#[test]
fn the_tools_print_what_they_are_asked_for() {
    let config = output(PROGRAM, &["server-config", "--for", "head", "--cluster", "nightly"]);
    let text = String::from_utf8(config.stdout).expect("it is UTF-8");
    assert!(config.status.success() && text.contains("tls://head:4222"), "{text}");
    assert!(text.contains("t.nightly.*.*"), "{text}");
    for wrong in [["server-config", "--for", "a b"], ["server-config", "--cluster", "a.b"]] {
        let refused = output(PROGRAM, &wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
    }
    let [worker, first] =
        ["worker", "cluster-worker"].map(|name| output(PROGRAM, &[name, "--help"]));
    assert!(worker.stdout == first.stdout && worker.status.success());
}

#[test]
fn without_a_server_a_lesson_says_how_to_get_one() {
    let mut command = std::process::Command::new(PROGRAM);
    let run = command.arg("two-machines").env("PATH", "").env("LC_ALL", "C").output();
    let run = run.expect("the program can be started");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("apt install nats-server"), "{said}");
}
