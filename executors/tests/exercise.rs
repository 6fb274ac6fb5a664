//! The exercise at the end of the chapter: the first answer of several mirrors, which are here.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use testing::{Running, example};

#[test]
fn the_solution_prints_the_first_answer_and_asks_nobody_after_it() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/mirrors/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    let start =
        |arguments: &[&str]| Running::start(&example("mirrors"), &[choice, arguments].concat());
    for way in ["threads", "processes"] {
        let [hesitant, late] = [(); 2].map(|()| silent());
        let [mute, crashing, good, never] = ["", "crash", "42", "43"].map(answering);
        // The hesitant one holds the first worker, so the second has the others in their order, up
        // to the late one, which holds it.
        let (first, last) = (address(&hesitant), address(&late));
        let arguments = [way, &first, &mute, &crashing, &good, &last, &never];
        let mut running = start(&arguments);
        while running.line() != "the first answer: 42" {}
        drop((hesitant, late));
        let (said, code) = running.end();
        assert_eq!(code, Some(0), "by {way}");
        assert!(!said.contains(&format!("asks {never}")), "it has its answer, by {way}");

        let (_, code) = start(&[way, &mute, &crashing, &mute]).end();
        assert_eq!(code, Some(1), "no mirror has an answer, by {way}");
    }
}

/// Starts a mirror that keeps its askers waiting, until it is dropped.
fn silent() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Starts a mirror that gives this answer to all, and returns its address.
fn answering(answer: &'static str) -> String {
    let mirror = silent();
    let address = address(&mirror);
    thread::spawn(move || {
        for asker in mirror.incoming() {
            asker.unwrap().write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

fn address(mirror: &TcpListener) -> String {
    mirror.local_addr().unwrap().to_string()
}
