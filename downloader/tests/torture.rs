//! Kill torture: workers of `downloader get` are killed and stopped at random instants. Each image
//! is stored whole, or is a failure that a kill explains; no process and no unfinished file is
//! left.
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test torture -- --ignored`. `TORTURE_SEED`
//! begins with the same decisions; instants differ all the same.

// Only Linux tells the children of another process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::{Get, Running, Server, png, send};
use testing::{Deadline, Other, Random};

/// The number of images, each different from the others.
const IMAGES: usize = 150;

/// The counts of what was seen.
#[derive(Debug, Default)]
struct Counts {
    runs_of_get: u64,
    killed: u64,
    stopped: u64,
    images: u64,
    failed: u64,
}

/// Kills a worker, or stops it for a moment, and counts it.
fn disturb(run: &Running, random: &mut Random, counts: &mut Counts) {
    let workers = run.children();
    if workers.is_empty() {
        return;
    }
    let pid = workers[random.below(workers.len() as u64) as usize];
    let Some(worker) = Other::of(pid) else { return };
    // Its number may have become another process's in the meantime.
    if !run.children().contains(&pid) {
        return;
    }
    if random.below(3) > 0 {
        counts.killed += u64::from(worker.kill());
    } else if worker.stop() {
        thread::sleep(Duration::from_micros(random.below(20_000)));
        worker.go_on();
        counts.stopped += 1;
    }
}

/// Repeats runs for this time, each disturbed a few times.
fn torture(time: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED");
    let seed = seed.map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap());
    println!("TORTURE_SEED={seed}");
    let mut random = Random(seed | 1);
    let server = Server::start(|request, client| {
        let number: u64 = request.path.trim_start_matches('/').parse().unwrap();
        send(client, "200 OK", "", &png(number, 40))
    });
    let list: Vec<String> = (0..IMAGES).map(|number| server.url(&format!("/{number}"))).collect();
    let end = Instant::now() + time;
    let mut counts = Counts::default();
    while Instant::now() < end {
        let _deadline = Deadline::seconds(60);
        let killed_before = counts.killed;
        let run = Get::of(&list).with(&["--processes", "3"]).start();
        for _ in 0..random.below(6) {
            // Any instant will do: this sleep isn't a wait for something.
            thread::sleep(Duration::from_micros(random.below(150_000)));
            disturb(&run, &mut random, &mut counts);
        }
        let ended = run.end();
        let killed = counts.killed - killed_before;
        let failed = IMAGES - ended.files.len();
        assert!(failed as u64 <= killed, "{failed} failed, {killed} killed: {}", ended.stderr);
        assert_eq!(ended.code, Some(i32::from(failed > 0)), "{}", ended.stderr);
        assert_eq!(ended.report.len(), IMAGES, "each in the report, once");
        counts.runs_of_get += 1;
        counts.images += ended.files.len() as u64;
        counts.failed += failed as u64;
    }
    println!("{counts:?}");
}

#[test]
fn workers_that_are_killed_while_they_download() {
    torture(Duration::from_millis(700));
}

#[test]
#[ignore = "long: hundreds of kills"]
fn long_workers_that_are_killed_while_they_download() {
    let seconds = std::env::var("TORTURE_SECONDS");
    torture(Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap())));
}
