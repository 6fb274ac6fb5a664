//! What `downloader get` writes never destroys what it reads, and never controls the terminal.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use testing::Deadline;

/// No address, so that nothing is fetched and something is reported.
const LIST: &str = "picture.jpg\n";

/// Makes a folder with a list, which has other names, too.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let path = |name| place.path().join(name);
    fs::write(path("list"), LIST).unwrap();
    fs::write(path("old"), "an old report").unwrap();
    fs::hard_link(path("list"), path("hard")).unwrap();
    fs::hard_link(path("old"), path("old too")).unwrap();
    // On Windows only some users may make symbolic links.
    #[cfg(unix)]
    std::os::unix::fs::symlink("list", path("soft")).unwrap();
    place
}

fn get(place: &Path, arguments: &[&str], input: Stdio, output: Stdio) -> Output {
    let _deadline = Deadline::seconds(60);
    let mut command = Command::new(env!("CARGO_BIN_EXE_downloader"));
    command.env("LC_ALL", "C");
    command.arg("get").args(arguments).args(["-o", "out", "--quiet", "--json"]).current_dir(place);
    command.stdin(input).stdout(output).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_list_is_never_an_output_under_whatever_name() {
    let place = place();
    for option in ["--report", "--failed"] {
        for list in ["list", "hard", "-"] {
            for name in ["list", "hard", "./out/../list", "soft"] {
                if name == "soft" && !cfg!(unix) {
                    continue;
                }
                let list_as_input = File::open(place.path().join("list")).unwrap();
                let arguments = [list, option, name];
                let ended = get(place.path(), &arguments, list_as_input.into(), Stdio::piped());
                let told = String::from_utf8(ended.stderr).unwrap();
                let expected = format!("downloader get: {name} can't be written: it is an input\n");
                assert_eq!((ended.status.code(), told), (Some(2), expected), "{arguments:?}");
                assert_eq!(fs::read_to_string(place.path().join("list")).unwrap(), LIST);
            }
        }
    }
}

#[test]
fn the_certificates_are_no_output() {
    let place = place();
    let trusted = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    fs::write(place.path().join("trusted.pem"), &trusted).unwrap();
    let _deadline = Deadline::seconds(60);
    let mut command = Command::new(env!("CARGO_BIN_EXE_downloader"));
    command.args(["get", "list", "-o", "out", "--report", "./trusted.pem"]);
    command.env("LC_ALL", "C").env("SSL_CERT_FILE", "trusted.pem");
    let ended = command.current_dir(place.path()).output();
    let ended = ended.unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{told}");
    assert!(told.contains("./trusted.pem can't be written: it is an input"), "{told}");
    assert_eq!(fs::read_to_string(place.path().join("trusted.pem")).unwrap(), trusted);
}

// Windows has no such names.
#[cfg(unix)]
#[test]
fn a_list_by_the_name_of_a_device_is_no_output_either() {
    let place = place();
    let input = File::open(place.path().join("list")).unwrap();
    let ended =
        get(place.path(), &["/dev/stdin", "--failed", "list"], input.into(), Stdio::piped());
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(fs::read_to_string(place.path().join("list")).unwrap(), LIST);
}

#[test]
fn two_outputs_are_two_files_and_none_is_emptied_in_vain() {
    let place = place();
    for (failed, code) in
        [("old", 2), ("old too", 2), ("./old", 2), ("list", 2), ("no/such/folder", 3)]
    {
        let arguments = ["list", "--report", "old", "--failed", failed];
        let ended = get(place.path(), &arguments, Stdio::null(), Stdio::piped());
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{told}");
        assert!(
            told.starts_with(&format!("downloader get: {failed} can't be written: ")),
            "{told}"
        );
        assert_eq!(fs::read_to_string(place.path().join("old")).unwrap(), "an old report");
    }
    let arguments = ["list", "--report", "old", "--failed", "new"];
    let ended = get(place.path(), &arguments, Stdio::null(), Stdio::piped());
    assert_eq!(ended.status.code(), Some(1));
    let report = fs::read_to_string(place.path().join("old too")).unwrap();
    assert!(report.starts_with("{\"url\":\"picture.jpg\"") && !report.contains("old"), "{report}");
}

// Windows has no such names.
#[cfg(unix)]
#[test]
fn standard_output_is_continued_and_devices_are_no_files() {
    let place = place();
    let check = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("{\"url\":\"picture.jpg\""), "{text}");
        assert!(lines[1].starts_with("{\"stored\":0"), "{text}");
        assert_eq!(lines.len(), 2, "{text}");
    };
    let arguments = ["list", "--report", "/dev/stdout", "--failed", "/dev/null"];
    let ended = get(place.path(), &arguments, Stdio::null(), Stdio::piped());
    check(&String::from_utf8(ended.stdout).unwrap());

    let path = place.path().join("printed");
    fs::write(&path, "before\n").unwrap();
    for name in ["/dev/stdout", "/dev/fd/1", "printed"] {
        let arguments = ["list", "--report", name];
        let printed = File::options().append(true).open(&path).unwrap();
        get(place.path(), &arguments, Stdio::null(), printed.into());
        let text = fs::read_to_string(&path).unwrap();
        check(text.strip_prefix("before\n").unwrap());
        fs::write(&path, "before\n").unwrap();
    }
    get(place.path(), &arguments, Stdio::null(), File::create(&path).unwrap().into());
    check(&fs::read_to_string(&path).unwrap());

    // Its other end is opened by the test, so that neither waits for ever.
    let fifo = place.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn(move || fs::read_to_string(fifo).unwrap());
    get(place.path(), &["list", "--failed", "fifo"], Stdio::null(), Stdio::piped());
    assert!(reader.join().unwrap().contains("# bad-line"), "the list of failures");
}

#[test]
fn an_argument_that_is_refused_does_not_control_the_terminal() {
    let place = place();
    let bad = "\u{1b}[2K\r\u{9b}1A\u{202e}\u{200b}";
    for arguments in [&[bad, "--no-such"][..], &["list", "--retries", bad], &["list", bad]] {
        let ended = get(place.path(), arguments, Stdio::null(), Stdio::piped());
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(!told.contains(['\u{202e}', '\u{200b}']), "{told:?}");
        assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    }
}
