//! The exercise at the end of the chapter: a pipeline that doesn't fill the memory.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use downloader::{Limits, Picture};
use testing::{Running, example};

#[test]
fn the_solution_has_few_pictures_under_way_and_loses_none() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/thumbnails/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [choice, &[folder.path().to_str().unwrap()]].concat();
    let (said, code) = Running::start(&example("thumbnails"), &arguments).end();
    assert_eq!(code, Some(0));

    let (mut under_way, mut most, mut failed) = (0, 0, Vec::new());
    for line in &said {
        match line.split_once(' ') {
            Some(("begins", _)) => under_way += 1,
            Some(("stored", _)) => under_way -= 1,
            Some(("failed", why)) => {
                under_way -= 1;
                failed.push(why);
            }
            _ => panic!("{line}"),
        }
        most = most.max(under_way);
    }
    assert_eq!(under_way, 0, "each picture that was begun is stored or has failed");
    assert!(most > 1, "one picture at a time is too slow");
    assert!(most <= 8, "{most} pictures were under way at the same time");

    failed.sort();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[0].starts_with("24: ") && failed[0].contains("404"), "{failed:?}");
    assert!(failed[1].starts_with("7: ") && failed[1].contains("SIGABRT"), "{failed:?}");
    for number in (0..24).filter(|number| *number != 7) {
        let file = fs::read(folder.path().join(number.to_string())).unwrap();
        let picture = Picture::decode(&file, Limits::default()).unwrap();
        assert_eq!((picture.width, picture.height), (32, 24), "{number} is half as large");
    }
}
