//! The lessons say what the chapter shows.

use testing::{check_full_disk, output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downloader");

testing::test_lessons!(PROGRAM; image_downloader, switch_cost; "--images", "4", "--workers", "3");

#[test]
fn its_figures_can_be_saved_and_a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("there is a place for files");
    let [json, svg] = ["figures.json", "plot.svg"].map(|name| folder.path().join(name));
    let [json, svg] = [&json, &svg].map(|path| path.to_str().expect("it is UTF-8"));
    let arguments = ["switch-cost", "--speed", "1000", "--lang", "en"];
    let saved = output(PROGRAM, &[&arguments[..], &["--json", json, "--svg", svg]].concat());
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let text = std::fs::read_to_string(json).expect("it was written");
    let figures: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let all = figures["figures"].as_array().expect("it is a list");
    // Seven tables; `subject.rs` counts what they need.
    assert_eq!(all.len(), 37);
    for figure in all {
        let samples = figure["seconds"]["samples"].as_array().map(Vec::len);
        assert!(samples == Some(5) || figure["missing"].is_string(), "{figure}");
    }
    assert!(std::fs::read_to_string(svg).expect("it was written").starts_with("<svg"));

    let refused =
        output(PROGRAM, &[&arguments[..], &["--svg", "/no/such/folder/plot.svg"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(errors.contains("/no/such/folder/plot.svg can't be written"), "{errors}");
}

#[test]
fn a_full_disk_is_exit_code_1() {
    let folder = tempfile::tempdir().expect("there is a place for files");
    let [list, out] = ["list", "out"].map(|name| folder.path().join(name));
    std::fs::write(&list, "").expect("there is a place for files");
    let [list, out] = [&list, &out].map(|path| path.to_str().expect("it is UTF-8"));
    for arguments in [&["serve", "--images", "1"][..], &["get", list, "-o", out]] {
        check_full_disk(PROGRAM, arguments);
    }
}
