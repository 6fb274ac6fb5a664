//! `downloader get` when something dies, fills up, or is interrupted.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

#[cfg(unix)]
use std::fs;
#[cfg(unix)]
use std::io::Read;
use std::net::TcpListener;
#[cfg(unix)]
use std::process::Command;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use support::Event;
use support::{Get, Server, hang, png, send, unfinished};
use testing::{Deadline, until};

/// Starts a server with an image at each path that is a number; it takes this time for each.
fn images(side: u32, latency: Duration) -> Server {
    Server::start(move |request, client| {
        let number: u64 = request.path.trim_start_matches('/').parse().unwrap();
        thread::sleep(latency);
        send(client, "200 OK", "", &png(number, side))
    })
}

/// Starts a server with an image at each path that is a number; all but the first 100 come only
/// after the event.
#[cfg(unix)]
fn images_held_until(event: &Event) -> Server {
    let event = event.clone();
    Server::start(move |request, client| {
        let number: u64 = request.path.trim_start_matches('/').parse().unwrap();
        if number >= 100 {
            event.wait();
        }
        send(client, "200 OK", "", &png(number, 20))
    })
}

/// Starts a server that sends a part of an image and no more; a whole one is at `/good`.
fn hangs_in_the_body() -> Server {
    Server::start(|request, client| {
        if request.path == "/good" {
            return send(client, "200 OK", "", &png(1, 20));
        }
        support::head(client, "200 OK", "Content-Length: 100000\r\n");
        let _ = std::io::Write::write_all(client, &png(1, 20));
        hang()
    })
}

/// Starts a server with an image that takes long to decode, and small ones.
#[cfg(target_os = "linux")]
fn one_large_image() -> Server {
    let large = png(0, 2500);
    Server::start(move |request, client| match &*request.path {
        "/large" => send(client, "200 OK", "", &large),
        path => send(client, "200 OK", "", &png(path.len() as u64, 9)),
    })
}

fn urls(server: &Server, count: u64) -> Vec<String> {
    (0..count).map(|number| server.url(&format!("/{number}"))).collect()
}

/// Finds a worker of the run that has been at work since it was started, as its CPU time shows.
/// Only Linux tells this of another process's children.
#[cfg(target_os = "linux")]
fn busy_worker(run: &support::Running) -> u32 {
    let mut found = None;
    until("a worker works", || {
        found = run.children().into_iter().find(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            // The 14th field of all, in hundredths of a second.
            fields.clone().nth(11).is_some_and(|time| time.parse::<u32>().unwrap() >= 10)
        });
        found.is_some()
    });
    found.unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_worker_costs_one_attempt_and_no_image() {
    let _deadline = Deadline::seconds(300);
    let server = one_large_image();
    let list = ["/large", "/1", "/22", "/333"].map(|path| server.url(path));
    let run = Get::of(&list).with(&["--processes", "1"]).start();
    testing::kill(busy_worker(&run));
    let ended = run.end();
    assert_eq!((ended.code, ended.files.len()), (Some(0), 4), "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn an_image_that_kills_two_workers_fails_and_the_others_are_stored() {
    let _deadline = Deadline::seconds(300);
    let server = one_large_image();
    let list = ["/large", "/1", "/22", "/333"].map(|path| server.url(path));
    let run = Get::of(&list).with(&["--processes", "1"]).start();
    let first = busy_worker(&run);
    testing::kill(first);
    // Ended, it is still a child until it is waited for.
    until("it has ended", || !run.children().contains(&first));
    testing::kill(busy_worker(&run));
    let ended = run.end();
    let fate = ended.fate(&list[0]);
    assert_eq!(fate, ("failed".to_owned(), "worker-died".to_owned(), 1));
    assert!(ended.stderr.contains("SIGKILL"), "{}", ended.stderr);
    assert_eq!((ended.code, ended.files.len()), (Some(1), 3));
}

// Windows has no Ctrl-C for the processes of another.
#[cfg(unix)]
#[test]
fn ctrl_c_at_any_instant_leaves_whole_files_and_an_account_of_all() {
    let _deadline = Deadline::seconds(120);
    let server = images(60, Duration::from_millis(10));
    let list = urls(&server, 400);
    let mut random = testing::Random(u64::from(std::process::id()));
    // Most of the first come while the processes are being started.
    for within in [40; 20].into_iter().chain([900; 6]) {
        let run = Get::of(&list).start();
        thread::sleep(Duration::from_millis(random.below(within)));
        run.interrupt();
        let ended = run.end();
        if ended.code == Some(0) {
            continue;
        }
        // Before it listens, the signal ends it as it ends any program.
        if ended.code.is_none() {
            assert_eq!(ended.files, [""; 0]);
            continue;
        }
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(ended.stdout.contains("stored"), "{}", ended.stdout);
        // Each address is stored, or in the list of failures.
        let stored = ended.report.iter().filter(|line| line["status"] == "stored").count();
        let left = ended.failed.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(stored + left, list.len());
        assert_eq!(ended.files.len(), stored);
    }
}

// As above.
#[cfg(unix)]
#[test]
fn what_an_interrupted_run_has_left_can_be_fed_back() {
    let _deadline = Deadline::seconds(60);
    let event = Event::default();
    let server = images_held_until(&event);
    let list = urls(&server, 300);
    let run = Get::of(&list).start();
    let out = run.out.clone();
    until("some are stored", || fs::read_dir(&out).is_ok_and(|files| files.count() > 20));
    run.interrupt();
    let first = run.end();
    assert_eq!(first.code, Some(130));
    event.set();
    let second = Get::on(&first.failed).run();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(first.files.len() + second.files.len(), list.len());
}

// As above.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_whose_server_hangs() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(|_, _| hang());
    let list = urls(&server, 300);
    // By itself it would end tomorrow.
    let day = ["--first-byte-timeout", "86400", "--stall-timeout", "86400", "--timeout", "86400"];
    let run = Get::of(&list).with(&day).start();
    until("the server is asked", || server.requests.lock().unwrap().len() >= 8);
    run.interrupt();
    let ended = run.end();
    assert_eq!(ended.code, Some(130));
    let left = ended.failed.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(left, list.len());
}

// As above.
#[cfg(unix)]
#[test]
fn the_second_ctrl_c_ends_it_at_once() {
    let _deadline = Deadline::seconds(60);
    let server = hangs_in_the_body();
    // More failures than a pipe takes that nothing reads: after the first Ctrl-C the run can't end.
    let run = Get::of(&urls(&server, 20_000));
    let pipe = run.place.path().join("failed");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // A report may end in half a line then.
    std::os::unix::fs::symlink("/dev/null", run.place.path().join("report")).unwrap();
    let run = run.start();
    let mut failed = fs::File::open(&pipe).unwrap();
    until("something comes", || !unfinished(&run.out).is_empty());
    run.interrupt();
    // The first is heard: its failures come.
    failed.read_exact(&mut [0]).unwrap();
    run.interrupt();
    fs::remove_file(&pipe).unwrap();
    let ended = run.end();
    assert_eq!((ended.code, &*ended.stdout, ended.files.len()), (Some(130), "", 0));
}

#[test]
fn what_a_killed_run_leaves_is_removed_by_the_next() {
    let _deadline = Deadline::seconds(60);
    let server = hangs_in_the_body();
    let mut run = Get::of(&[server.url("/bad")]).start();
    let out = run.out.clone();
    until("something comes", || unfinished(&out).len() == 1);
    run.kill();
    // Not waited for as other runs are: a file is left.
    until("it has ended", || run.has_gone());
    assert_eq!(unfinished(&out).len(), 1);
    let next = Get::of(&[server.url("/good")]).into_folder(&out).run();
    assert_eq!((next.code, next.files.len()), (Some(0), 1), "{}", next.stderr);
}

// Windows has no limit of this kind.
#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_is_an_error_of_the_disk() {
    let _deadline = Deadline::seconds(60);
    let server = images(300, Duration::ZERO);
    // What a full disk does to a write, any user can have: a limit on the length of files, and an
    // error in place of the signal.
    let run = Get::of(&urls(&server, 50)).with(&["--download-only"]);
    let ended = run.through("trap '' XFSZ; ulimit -f 100; exec \"$@\"").run();
    assert_eq!((ended.code, ended.files.len()), (Some(3), 0), "{}", ended.stderr);
    assert!(ended.stderr.contains("because of the disk"), "{}", ended.stderr);
}

// Only Linux lets any user mount a small disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_and_what_was_stored_is_whole() {
    let _deadline = Deadline::seconds(60);
    let script = "mkdir out && mount -t tmpfs -o size=400k full out";
    let namespace = "unshare --user --map-root-user --mount sh -c";
    let can = Get::on("").through(&format!("{namespace} '{script}'")).run();
    if can.code != Some(0) {
        eprintln!("SKIPPED: no small disk can be had here: {}", can.stderr);
        return;
    }
    let server = images(100, Duration::ZERO);
    // The small disk vanishes with the namespace: what is on it is copied before.
    let script = format!(
        "{script} && \"$@\"; code=$?; cp -a out/. copy && umount out && mv copy/* out; exit $code"
    );
    let run = Get::of(&urls(&server, 50))
        .through(&format!("{namespace} 'mkdir copy; {script}' sh \"$@\""));
    let ended = run.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("the disk is full"), "{}", ended.stderr);
    assert!((1..50).contains(&ended.files.len()), "{:?}", ended.files);
}

// By a shell, which Windows does not have.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_the_disk_at_once() {
    let _deadline = Deadline::seconds(60);
    for prepare in ["touch out", "touch x; ln -s x out", "ln -s /proc out"] {
        let run = Get::of(&["http://127.0.0.1:1/".to_owned()]);
        // Looked at through the link, /proc has files of all kinds.
        let ended = run.through(&format!("{prepare}; \"$@\"; code=$?; rm out; exit $code")).run();
        assert_eq!(ended.code, Some(3), "{prepare}: {}", ended.stderr);
        assert!(ended.stderr.contains("downloader get: out: "), "{}", ended.stderr);
    }
}

// Windows before 10 1809 deletes no folder in which files are open.
#[cfg(unix)]
#[test]
fn a_folder_that_is_deleted_meanwhile_ends_the_run() {
    let _deadline = Deadline::seconds(60);
    let event = Event::default();
    let server = images_held_until(&event);
    let run = Get::of(&urls(&server, 300)).start();
    let out = run.out.clone();
    until("some are stored", || fs::read_dir(&out).is_ok_and(|files| files.count() > 20));
    until("it can be deleted", || fs::remove_dir_all(&out).is_ok());
    event.set();
    let ended = run.end();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

// On Windows only some users may make links.
#[cfg(unix)]
#[test]
fn links_in_the_folder_are_not_followed() {
    let _deadline = Deadline::seconds(60);
    let server = images(20, Duration::ZERO);
    let run = Get::of(&urls(&server, 1));
    let name = format!("{}.png", downloader::md5_hex(&png(0, 20)));
    fs::create_dir(run.out()).unwrap();
    let precious = run.place.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, run.out().join(&name)).unwrap();
    let run = run.start();
    let kept = run.place.path().join("kept");
    fs::hard_link(&precious, &kept).unwrap();
    let target = run.out.join(&name);
    until("it is stored", || target.symlink_metadata().is_ok_and(|file| file.is_file()));
    assert_eq!(fs::read_to_string(kept).unwrap(), "precious");
    let mode = std::os::unix::fs::PermissionsExt::mode(&target.metadata().unwrap().permissions());
    assert_eq!(mode & 0o111, 0);
    assert_eq!(run.end().files, [name]);
}

#[test]
fn two_runs_into_one_folder_do_not_disturb_each_other() {
    let _deadline = Deadline::seconds(60);
    let server = images(20, Duration::from_millis(1));
    let list = urls(&server, 150);
    let (one, other) = (Get::of(&list), Get::of(&list));
    let other = other.into_folder(&one.out());
    let (mut one, mut other) = (one.start(), other.start());
    // Only then is nothing unfinished in the folder.
    one.wait();
    other.wait();
    let (other, one) = (other.end(), one.end());
    for ended in [&one, &other] {
        assert_eq!((ended.code, ended.report.len()), (Some(0), 150), "{}", ended.stderr);
    }
    assert_eq!(one.files.len(), 150);
    assert_eq!(other.files, one.files);
}

#[test]
fn when_nothing_is_reached_the_exit_code_says_so() {
    let _deadline = Deadline::seconds(60);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let list = [format!("http://{free}/1"), "http://host.invalid/2".to_owned()];
    let ended = Get::of(&list).with(&["--retries", "0"]).run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(ended.fate(&list[0]).1, "connection");
    assert_eq!(ended.fate(&list[1]).1, "host-not-found");
}
