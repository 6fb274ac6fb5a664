//! The soak: the kill tortures of all crates at the same time, for as long as one likes.
//!
//! ```text
//!   cargo xtask soak --minutes 10 --seed 1 --release
//!
//!   soak ─┬─▶ pipe-torture   long_…, long_…   ─▶ children, killed and stopped at random instants
//!         ├─▶ queue-torture  long_…, long_…
//!         ├─▶ shared-lock-torture, shared-value-torture …
//!         ├─▶ …              each a process, and a process group, of its own
//!         └── kills and stops these parents, too; waits with a deadline; sees what is left; counts
//! ```
//!
//! The tortures are the ignored tests in files named `torture.rs`. They check that results are
//! right, and that nothing hangs, comes twice, or is lost without a kill. If one fails, the soak
//! tells how to run it alone.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed soak")]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::group::Group;
use common::stock::Stock;
use serde_json::Value;
use testing::{Other, Random, adopt_orphans, let_go};

/// The tortures: each a name, a package, and its tests, which take turns.
const TORTURES: [(&str, &str, &[&str]); 8] = [
    ("pipe", "multiprocess", &["pipe-torture"]),
    ("shared", "multiprocess", &SHARED),
    ("queue", "multiprocess", &["queue-torture"]),
    ("pool", "multiprocess", &["pool-torture"]),
    ("manager", "multiprocess", &["manager-torture", "manager-listener-torture"]),
    ("future", "multiprocess", &["future-torture"]),
    ("downloader", "downloader", &["torture"]),
    ("cluster", "cluster", &["cluster-torture"]),
];
const SHARED: [&str; 8] = [
    "shared-array-torture",
    "shared-barrier-torture",
    "shared-condition-torture",
    "shared-event-torture",
    "shared-lock-torture",
    "shared-semaphore-torture",
    "shared-value-torture",
    "shared-words-torture",
];
/// The time for which each test is run before the next.
const SLICE: Duration = Duration::from_secs(10);
/// The time after which a test that should have ended hangs, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);
/// The time after the end of its parent within which every process has ended.
const GRACE: Duration = Duration::from_secs(20);

/// A torture, and what has come of it.
struct Lane {
    name: &'static str,
    package: &'static str,
    cases: Vec<Case>,
    folder: PathBuf,
    random: Random,
    counts: BTreeMap<String, u64>,
}

/// A long test.
#[derive(Clone)]
struct Case {
    test: &'static str,
    program: PathBuf,
    name: String,
}

/// Runs all tortures for so many minutes.
pub(crate) fn run(minutes: u64, seed: u64, release: bool) -> ExitCode {
    let base = env::temp_dir().join(format!("soak-{}", std::process::id()));
    let lanes = lanes(&base, seed, release);

    // A process that loses its parent becomes a child of this one, and is seen.
    adopt_orphans().unwrap();
    let before = (Stock::now().unwrap(), shared_memory());
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let threads = lanes.into_iter().map(|lane| thread::spawn(move || lane.run(end)));
    let threads: Vec<_> = threads.collect();
    let mut failures = Vec::new();
    for thread in threads {
        match thread.join().unwrap() {
            Ok(lane) => {
                let counts = lane.counts.iter().map(|(name, count)| format!("{count} {name}"));
                println!("{:<11} {}", lane.name, counts.collect::<Vec<_>>().join(", "));
            }
            Err(failure) => failures.push(failure),
        }
    }
    failures.extend(before.0.comes_back().err().map(|left| left.to_string()));
    if shared_memory() != before.1 {
        failures.push(format!("in /dev/shm is {:?}, was {:?}", shared_memory(), before.1));
    }
    if failures.is_empty() {
        fs::remove_dir_all(&base).unwrap();
        println!(
            "ok          nothing hung, came twice, or was lost without a kill; nothing is left"
        );
        return ExitCode::SUCCESS;
    }
    failures.iter().for_each(|failure| println!("FAILED      {failure}"));
    println!("what they said is in {}", base.display());
    ExitCode::FAILURE
}

/// Builds the tortures.
fn lanes(base: &Path, seed: u64, release: bool) -> Vec<Lane> {
    let mut cargo = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(["test", "--no-run", "--message-format", "json"]);
    cargo.args(["-p", "multiprocess", "-p", "downloader", "-p", "cluster"]);
    cargo.args(TORTURES.iter().flat_map(|(.., tests)| *tests).flat_map(|test| ["--test", test]));
    cargo.args(release.then_some("--release"));
    let built = cargo.stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(built.status.success(), "the tortures can't be built");
    let messages = String::from_utf8(built.stdout).unwrap();
    let messages: Vec<Value> =
        messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let cases = |test: &&'static str| {
        // Not the program that some tests run.
        let is_meant = |message: &&Value| message["target"]["name"] == *test;
        let program =
            messages.iter().filter(is_meant).find_map(|built| built["executable"].as_str());
        let program = PathBuf::from(program.expect("cargo names the program"));
        let list = Command::new(&program).args(["--list", "--ignored"]).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let case = |name: &str| Case { test, program: program.clone(), name: name.to_owned() };
        let cases: Vec<Case> = names.map(case).collect();
        assert!(!cases.is_empty(), "{test} has no torture");
        cases
    };
    let lane = |((name, package, tests), number): ((_, _, &[&'static str]), u64)| {
        let cases = tests.iter().flat_map(cases).collect();
        let random = Random((seed << 8 | number) + 1);
        let folder = base.join(name);
        Lane { name, package, cases, folder, random, counts: BTreeMap::new() }
    };
    TORTURES.into_iter().zip(0..).map(lane).collect()
}

impl Lane {
    /// Runs the torture's tests in turns until then.
    fn run(mut self, end: Instant) -> Result<Self, String> {
        let first = self.random.below(self.cases.len() as u64) as usize;
        for turn in first.. {
            let left = end.saturating_duration_since(Instant::now());
            if left < Duration::from_secs(1) {
                break;
            }
            let case = self.cases[turn % self.cases.len()].clone();
            let (seed, time) = (self.random.next() >> 1, left.min(SLICE));
            let seconds = time.as_secs();
            if let Err(what) = self.run_one(&case, seed, time) {
                let (Self { name, package, .. }, Case { test, name: case, .. }) = (self, case);
                return Err(format!(
                    "{name}: {what}\nrun it alone: TORTURE_SECONDS={seconds} \
                     TORTURE_SEED={seed} cargo test -p {package} --test {test} -- --ignored \
                     --nocapture --exact {case}"
                ));
            }
        }
        Ok(self)
    }

    fn run_one(&mut self, case: &Case, seed: u64, time: Duration) -> Result<(), String> {
        let temporary = self.folder.join("tmp");
        fs::create_dir_all(&temporary).unwrap();
        let log = File::create(self.folder.join("log")).unwrap();
        let mut command = Command::new(&case.program);
        command.args([&case.name, "--exact", "--ignored", "--nocapture"]);
        command.env("TORTURE_SECONDS", time.as_secs().to_string());
        command.env("TORTURE_SEED", seed.to_string());
        command.envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, &temporary)));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let (mut child, group) = Group::spawn(&mut command).unwrap();

        // One parent of four is killed; but `downloader get` is a program of its own, and goes on.
        let is_killed = self.random.below(4) == 0 && self.package != "downloader";
        let part = self.random.below(1000) as f64 / 1000.0;
        let until = if is_killed { time.mul_f64(part) } else { time + PATIENCE };
        let stops = self.stop_now_and_then(child.id(), Instant::now() + until);
        if stops.is_none() {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        if !is_gone(&group, child.id()) {
            group.kill();
            return Err("processes are left".to_owned());
        }
        match stops {
            Some(_) if !status.success() => return Err(status.to_string()),
            Some(_) if fs::read_dir(&temporary).unwrap().next().is_some() => {
                return Err("files are left".to_owned());
            }
            None if !is_killed => return Err("it hangs".to_owned()),
            _ => fs::remove_dir_all(&temporary).unwrap(),
        }
        let log = fs::read(self.folder.join("log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        let of_parents = [
            ("runs", 1),
            ("parents killed", u64::from(stops.is_none())),
            ("parents stopped", stops.unwrap_or(0)),
        ];
        for (name, number) in of_parents.into_iter().chain(counts_in(&log)) {
            *self.counts.entry(name.to_owned()).or_default() += number;
        }
        Ok(())
    }

    /// Stops a process for a moment now and then; returns how often, if it has ended until then.
    fn stop_now_and_then(&mut self, child: u32, until: Instant) -> Option<u64> {
        let child = Other::of(child).unwrap();
        for stops in 0.. {
            let pause = Duration::from_millis(self.random.below(1500));
            let left = until.saturating_duration_since(Instant::now());
            if child.ends_within(pause.min(left)) {
                return Some(stops);
            }
            if pause >= left {
                break;
            }
            child.stop();
            // Any instant will do: this sleep isn't a wait for something.
            thread::sleep(Duration::from_millis(self.random.below(20)));
            child.go_on();
        }
        None
    }
}

/// Lists what a test has counted, which it prints: `Counts { pools: 3, tasks: 4 }`.
fn counts_in(log: &str) -> Vec<(&str, u64)> {
    let lists = log.split(" { ").skip(1).filter_map(|rest| rest.split(" }").next());
    let pairs = lists.flat_map(|list| list.split(", ")).filter_map(|pair| pair.split_once(": "));
    pairs.filter_map(|(name, number)| Some((name, number.parse().ok()?))).collect()
}

/// Returns whether all processes of the group end in time; reaps those that were left to us.
fn is_gone(group: &Group, first: u32) -> bool {
    let end = Instant::now() + GRACE;
    while !group.is_empty() {
        let_go(first);
        if Instant::now() > end {
            return false;
        }
        // Several processes: there is no one thing to wait for.
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Lists what there is of named shared memory.
fn shared_memory() -> Vec<PathBuf> {
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}
