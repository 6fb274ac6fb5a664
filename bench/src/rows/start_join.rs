//! Start and join of processes that do nothing, one after the other.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use common::measure::harness::in_process;
use common::measure::{Benchmark, Budget, Execution, Peer, Placement, Unit};
use multiprocess::{Failure, Process, Sender, tasks};
use serde_json::json;

use super::{NOT_HERE, OURS, for_each, named, seconds_each};
use crate::python::Python;

tasks![with_small_program, with_ours, with_procspawn, with_true, with_this_program, nothing];

/// The smallest of programs.
const TRUE: &str = "/bin/true";

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    [Placement::Free, Placement::OneCore].map(|placement| row(placement, pythons)).into()
}

fn row(placement: Placement, pythons: &[Python]) -> Benchmark {
    let small = |program: fn() -> Result<PathBuf, String>| {
        Peer::new(OURS, move |budget| {
            let program = program().map_err(Failure::new)?;
            // To build it may have taken a while.
            let budget = Budget::of(budget.seconds);
            in_process(&budget, with_small_program, (work(placement, &budget)?, program))
        })
    };
    let mut linked = small(|| beside(STATIC));
    linked.sample = beside(STATIC).and(linked.sample);
    let mut peers = vec![
        small(|| SMALL_PROGRAM.clone()),
        linked.variant("static"),
        peer(OURS, placement, with_ours).variant("bench itself"),
    ];
    for method in ["fork", "forkserver", "spawn"] {
        let started = for_each(pythons, move |python, budget| {
            let (core, seconds) = work(placement, budget)?;
            let wanted = json!({
                "what": "start-join", "start_method": method, "core": core, "seconds": seconds
            });
            python.figure("calls.py", &wanted, budget)
        });
        peers.extend(started.into_iter().map(|peer| peer.variant(method)));
    }
    peers.push(peer("procspawn", placement, with_procspawn));
    peers.push(match Path::new(TRUE).is_file() {
        true => peer("kernel, /bin/true", placement, with_true),
        false => Peer::missing("kernel, /bin/true", NOT_HERE),
    });
    peers.push(peer("kernel, bench itself", placement, with_this_program));
    let where_if = if placement == Placement::Free { "" } else { ", all on one core" };
    Benchmark::new(
        format!("start-join{}", named(placement)[0]),
        format!("start and join of a process that does nothing{where_if}"),
        Unit::Time,
        peers,
    )
}

/// Makes a peer whose parent runs in a process of its own.
fn peer<F>(name: &str, placement: Placement, parent: F) -> Peer
where
    F: Fn((Work, Sender<f64>)) -> Result<(), Failure> + Copy + 'static,
{
    Peer::new(name, move |budget| in_process(budget, parent, work(placement, budget)?))
}

/// The parent's core, and the seconds for which it goes on.
type Work = (Option<usize>, f64);

fn work(placement: Placement, budget: &Budget) -> Result<Work, Failure> {
    let [core, _] = placement.cores(Execution::Processes).map_err(Failure::new)?;
    Ok((core, budget.seconds))
}

/// Runs in the parent of the processes that are started, three of them at least: sends the seconds
/// for each. The first isn't counted: Python starts its helpers with it.
fn measure(
    ((core, seconds), mut result): (Work, Sender<f64>),
    mut start_and_join: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    core.map_or(Ok(()), |core| common::cores::bind_to(&[core]))?;
    start_and_join()?;
    Ok(result.send(&seconds_each(seconds, 3, start_and_join)?)?)
}

/// The small program of this crate, beside this one. If Cargo runs this one, no second command is
/// needed: what is missing or old is built here.
static SMALL_PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    const NAME: &str = "start-join";
    if let Some(cargo) = env::var_os("CARGO").filter(|_| !cfg!(debug_assertions)) {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--bin", NAME, "--manifest-path", manifest]);
        // What Cargo tells a program of itself would look like a change to the builds of
        // dependencies.
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        for (name, _) in env::vars_os() {
            if told.iter().any(|told| name.as_encoded_bytes().starts_with(told.as_bytes())) {
                build.env_remove(name);
            }
        }
        match build.stdin(Stdio::null()).stdout(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("{NAME} could not be built ({status})")),
            Err(error) => return Err(format!("{NAME} could not be built: {error}")),
        }
    }
    beside(NAME)
});

/// The small program with all libraries in it. It is never built here: that takes minutes.
const STATIC: &str = "start-join-static";

/// Finds a program beside this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let program = program.with_file_name(format!("{name}{}", env::consts::EXE_SUFFIX));
    let hint = "is not built: bench/README.md says how";
    if program.is_file() { Ok(program) } else { Err(format!("{name} {hint}")) }
}

/// Runs in a process that has inherited no descriptors, as every parent here: a program that has
/// some makes each of its children look for them. The parent is the small program.
fn with_small_program(
    (((core, seconds), program), mut result): ((Work, PathBuf), Sender<f64>),
) -> Result<(), Failure> {
    let wanted = json!({ "core": core, "seconds": seconds, "is_watched": true });
    let mut command = Command::new(program);
    command.arg(wanted.to_string()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Closed when this process ends, however that happens.
    let _alive = child.stdin.take();
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(result.send(&serde_json::from_slice(&output.stdout)?)?)
}

/// Runs in the parent. This program is a large one: see [`with_this_program`].
fn with_ours(work: (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(work, || {
        let mut process = Process::new(nothing, ());
        process.start()?;
        process.join()?;
        ended_well(process.exitcode())
    })
}

/// Runs in the parent.
fn with_procspawn(work: (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(work, || Ok(procspawn::spawn((), nothing).join()?))
}

/// Runs in the parent.
fn with_true(work: (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(work, || ended_well(Command::new(TRUE).spawn()?.wait()?.code()))
}

/// Runs in the parent. A program larger than `/bin/true` takes longer to be loaded: this is the
/// limit for programs that start themselves again.
fn with_this_program(work: (Work, Sender<f64>)) -> Result<(), Failure> {
    let program = env::current_exe()?;
    measure(work, || {
        ended_well(Command::new(&program).arg(crate::END_AT_ONCE).spawn()?.wait()?.code())
    })
}

/// Runs in each child.
fn nothing((): ()) {}

fn ended_well(code: Option<i32>) -> Result<(), Failure> {
    match code {
        Some(0) => Ok(()),
        code => Err(Failure::new(format!("a child ended with {code:?}"))),
    }
}
