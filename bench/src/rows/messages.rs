//! Messages over a pipe and through a queue: how many, how large, there and back, how late; and
//! what waiting for one costs.

use std::time::Duration;

use common::measure::harness::{run, run_in_one};
use common::measure::transports::{BarePipe, Crossbeam, OurPipe, OurQueue};
use common::measure::{
    Benchmark, Budget, Execution, Peer, Placement, Report, Role, Sample, Unit, WaitCost, Workload,
    mean_round_trip, median, p99, perf, rate, sleeps_are_counted, waited,
};
use multiprocess::Failure;
use serde_bytes::ByteBuf;

use super::{CROSSBEAM, ICEORYX2, IPC_CHANNEL, NOT_HERE, OURS, PERF, busy, for_each, named};
#[cfg(target_os = "linux")]
use crate::iceoryx::Iceoryx;
use crate::ipc::IpcChannel;
use crate::python::Python;

/// A waiter naps for 0.1 s at a time: shorter than this, and one can't count.
const LONG_ENOUGH: f64 = 0.5;

/// In a shorter sample of large messages, their first memory is a good part of the time.
const SOME_LARGE: f64 = 0.3;

/// The sizes of messages, their names, and the queue's capacity: smaller for large messages, so
/// that 40 MB wait at most.
const SIZES: [(usize, &str, usize); 6] = [
    (8, "8-B", 1024),
    (200, "200-B", 1024),
    (4 << 10, "4-KiB", 1024),
    (64 << 10, "64-KiB", 256),
    (1 << 20, "1-MiB", 16),
    (20_000_000, "20-MB", 2),
];

/// A function that runs a workload over a transport.
type Run = fn(&Workload, &Budget) -> Result<Vec<Report>, Failure>;

/// A function that makes a figure of the workers' reports.
type Figure = fn(&[Report]) -> Result<Sample, Failure>;

/// Runs a workload over the transport of its messages: numbers or bytes.
macro_rules! run_over {
    ($run:ident, $transport:ident) => {
        |workload, budget| match workload.size {
            None => $run::<$transport<u64>>(workload, budget),
            Some(_) => $run::<$transport<ByteBuf>>(workload, budget),
        }
    };
}

const OUR_QUEUE: Run = run_over!(run, OurQueue);
const OUR_PIPE: Run = run_over!(run, OurPipe);
const BARE_PIPE: Run = run_over!(run, BarePipe);
const IPC: Run = run_over!(run, IpcChannel);
#[cfg(target_os = "linux")]
const ICEORYX: Run = run_over!(run, Iceoryx);
#[cfg(not(target_os = "linux"))]
const ICEORYX: Run = |_, _| Err(Failure::new(NOT_HERE));
const CHANNEL: Run = run_over!(run_in_one, Crossbeam);

/// The peers of our queue.
const QUEUES: [(&str, Run); 5] = [
    (OURS, OUR_QUEUE),
    (IPC_CHANNEL, IPC),
    (ICEORYX2, ICEORYX),
    (CROSSBEAM, |workload, budget| {
        CHANNEL(&Workload { execution: Execution::Threads, ..workload.clone() }, budget)
    }),
    ("kernel, bare pipe", BARE_PIPE),
];

/// The peers of our pipe of both directions.
const PIPES: [(&str, Run); 3] =
    [(OURS, OUR_PIPE), (IPC_CHANNEL, IPC), ("kernel, two bare pipes", BARE_PIPE)];

/// A place where messages pass: the peers there, and Python's transport.
struct Messages<'a> {
    peers: &'a [(&'a str, Run)],
    python: &'static str,
    pythons: &'a [Python],
}

impl Messages<'_> {
    /// Makes a row whose peers all have the same workload.
    fn row(
        &self,
        name: &str,
        says: &str,
        (unit, figure): (Unit, Figure),
        workload: Workload,
    ) -> Benchmark {
        let peer = |(name, run): &(&str, Run)| {
            let (workload, run) = (workload.clone(), *run);
            Peer::new(*name, move |budget| figure(&run(&workload, budget)?))
        };
        let mut peers: Vec<Peer> = self.peers.iter().map(peer).collect();
        let python = self.python;
        let pythons = for_each(self.pythons, move |interpreter, budget| {
            figure(&interpreter.work(python, &workload, budget)?)
        });
        // Ours stands first, Python second.
        peers.splice(1..1, pythons);
        Benchmark::new(name, says, unit, peers)
    }

    /// Makes the rows of a number there and back.
    fn round_trips(&self, name: &str, says: &str) -> [Benchmark; 4] {
        let row = |placement| {
            let [suffix, words] = named(placement);
            let workload = Workload { placement, ..Workload::new(&[Role::Ask, Role::Answer]) };
            let (name, says) = (format!("{name}{suffix}"), format!("{says}{words}"));
            self.row(&name, &says, (Unit::Time, mean_round_trip), workload)
        };
        let busy = busy(row(Placement::Free));
        [row(Placement::Free), row(Placement::OneCore), row(Placement::TwoCores), busy]
    }
}

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let pipes = Messages { peers: &PIPES, python: "pipe", pythons };
    let queues = Messages { peers: &QUEUES, python: "queue", pythons };
    let echo = Workload { size: Some(1 << 20), ..Workload::new(&[Role::Ask, Role::Answer]) };
    let says = "1 MiB of bytes there and back over a pipe";
    let mut rows =
        Vec::from(pipes.round_trips("pipe-round-trip", "a number there and back over a pipe"));
    rows.push(pipes.row("pipe-echo-1-MiB", says, (Unit::Time, mean_round_trip), echo));
    rows.push(stream(&queues, [1, 1], Placement::Free));
    rows.push(stream(&queues, [1, 1], Placement::TwoCores));
    rows.extend([[2, 2], [4, 4], [15, 1]].map(|both| stream(&queues, both, Placement::Free)));
    let says = "a number there and back over two queues";
    rows.extend(queues.round_trips("queue-round-trip", says));
    for (name, says, figure) in [
        ("queue-latency", "the median", median as Figure),
        ("queue-latency-p99", "99 of 100 within", p99),
    ] {
        let says = format!("from put to got, one message every 100 µs: {says}");
        let workload = Workload::new(&[Role::Tick, Role::Listen]);
        rows.push(queues.row(name, &says, (Unit::Time, figure), workload));
    }
    rows.extend(SIZES.map(|size| sized(&queues, size)));
    rows.extend(tokens(pythons));
    rows.extend([Execution::Processes, Execution::Threads].map(switch));
    rows.extend(idle(&queues));
    rows
}

/// Makes the row of numbers through a queue, from the first put to the last get.
fn stream(queues: &Messages<'_>, [from, to]: [usize; 2], placement: Placement) -> Benchmark {
    let mut roles = [Role::Produce, Role::Consume].repeat(to);
    roles.resize(from + to, Role::Produce);
    let [name, words] = named(placement);
    let name = format!("queue-{from}-{to}{name}");
    let says = format!("numbers through a queue of 1024 places, {from} → {to}{words}");
    let workload = Workload { placement, ..Workload::new(&roles) };
    let mut row = queues.row(&name, &says, (Unit::Rate, rate), workload);
    if to > 1 {
        leave_out(&mut row, IPC_CHANNEL, "it has one receiver only");
        leave_out(&mut row, ICEORYX2, "each of its subscribers gets all messages");
    } else if from > 1 {
        leave_out(&mut row, IPC_CHANNEL, "only two of its ends are connected here");
    }
    row
}

/// Gives a reason instead of a peer's samples.
fn leave_out(row: &mut Benchmark, name: &str, reason: &str) {
    let peers = row.peers.iter_mut().filter(|peer| peer.name == name);
    peers.for_each(|peer| peer.sample = Err(reason.into()));
}

/// Makes the row of messages of one size.
fn sized(queues: &Messages<'_>, (size, name, capacity): (usize, &str, usize)) -> Benchmark {
    let stream = move |size| {
        let stream = Workload::new(&[Role::Produce, Role::Consume]);
        Workload { size: Some(size), capacity: Some(capacity), ..stream }
    };
    let words = name.replace('-', " ");
    let says = format!("messages of {words} through a queue of {capacity} places, 1 → 1");
    let mut row = queues.row(&format!("queue-{name}"), &says, (Unit::Rate, rate), stream(size));
    if size == 200 {
        let eight = move |budget: &Budget| rate(&OUR_QUEUE(&stream(8), budget)?);
        row.peers.insert(1, Peer::new("ours, 8 B", eight));
    }
    if size >= 64 << 10 {
        row.seconds_at_least = SOME_LARGE;
    }
    row
}

/// Makes the rows of the tutorial's token loops: two that put on one queue and get from the other,
/// for ever. Seconds for a round are seconds for a million rounds, divided by a million.
fn tokens(pythons: &[Python]) -> [Benchmark; 2] {
    let row = |name: &str, execution, peers: &[(&str, Run)], python| {
        let loops = Workload::new(&[Role::Lead, Role::Follow]);
        Messages { peers, python, pythons }.row(
            &format!("token-{name}"),
            &format!("a round of the tutorial's token loop, two {name}"),
            (Unit::Time, mean_round_trip),
            Workload { capacity: None, execution, ..loops },
        )
    };
    let threads = [(OURS, run::<OurQueue<u64>> as Run), (CROSSBEAM, CHANNEL)];
    [
        row("processes", Execution::Processes, &[(OURS, OUR_QUEUE)], "queue"),
        row("threads", Execution::Threads, &threads, "threads"),
    ]
}

/// Makes the row of round trips over the kernel's pipes on one core, as the lesson `switch-cost`
/// measures them, beside perf's own program for the same.
fn switch(execution: Execution) -> Benchmark {
    let name = if execution == Execution::Processes { "processes" } else { "threads" };
    let workload = Workload::round_trip(execution, Placement::OneCore);
    let ours = Peer::new(OURS, move |budget| mean_round_trip(&BARE_PIPE(&workload, budget)?));
    let perfs = Peer::new(PERF, move |budget| {
        let [core, _] = Placement::OneCore.cores(execution).map_err(Failure::new)?;
        let core = core.ok_or_else(|| Failure::new("there is no core"))?;
        let time = Duration::try_from_secs_f64(budget.seconds)?;
        Ok(perf::round_trip(execution, core, time)?.as_secs_f64())
    });
    let says = format!("round trip over two kernel pipes, two {name} on one core");
    Benchmark::new(format!("switch-{name}"), says, Unit::Time, vec![ours, perfs])
}

/// Makes the rows of what a process costs that waits in get and gets nothing.
fn idle(queues: &Messages<'_>) -> [Benchmark; 2] {
    let figures: [(&str, &str, Unit, Figure); 2] = [
        ("queue-idle-wake-ups", "wake-ups per second", Unit::WakeUps, |reports| {
            waited(reports, WaitCost::WakeUps)
        }),
        ("queue-idle-cpu", "CPU time per second", Unit::Cpu, |reports| {
            waited(reports, WaitCost::Cpu)
        }),
    ];
    figures.map(|(name, says, unit, figure)| {
        let says = format!("a process that waits in get: {says}");
        let workload = Workload::new(&[Role::Wake, Role::Wait]);
        let mut row = queues.row(name, &says, (unit, figure), workload);
        if unit == Unit::WakeUps && !sleeps_are_counted() {
            row.peers.iter_mut().for_each(|peer| peer.sample = Err(NOT_HERE.into()));
        }
        Benchmark { seconds_at_least: LONG_ENOUGH, ..row }
    })
}
