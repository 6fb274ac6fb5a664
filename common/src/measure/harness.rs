//! The harness of a sample: the processes that do its work, behind a latch.
//!
//! ```text
//!   harness ── start ──▶ worker: binds itself, connects
//!           ◀── ready ──
//!           ── latch ──▶ all at once: the role's loop
//!           ◀── done ─── report
//! ```
//!
//! Threads get a process of their own, so that what is learned during one sample (by the queue, by
//! the memory allocator) is forgotten before the next, as with processes.

use std::any::Any;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use multiprocess::{Failure, Gate, Process, Receiver, Sender, Waiting, one_way, tasks};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::transports::{
    BarePipe, Crossbeam, OurPipe, OurQueue, Sleeping, Spinning, Transport, Word, Yielding,
};
use super::{Budget, Execution, HANGS, Report, Worker, Workload};

tasks![
    work::<OurQueue<u64>>,
    work::<OurQueue<ByteBuf>>,
    work::<OurPipe<u64>>,
    work::<OurPipe<ByteBuf>>,
    work::<BarePipe<u64>>,
    work::<BarePipe<ByteBuf>>,
    work::<Word<Sleeping>>,
    work::<Word<Spinning>>,
    work::<Word<Yielding>>,
    work_in_one::<OurQueue<u64>>,
    work_in_one::<BarePipe<u64>>,
    work_in_one::<Crossbeam<u64>>,
    work_in_one::<Crossbeam<ByteBuf>>,
    work_in_one::<Word<Sleeping>>,
    work_in_one::<Word<Spinning>>,
    work_in_one::<Word<Yielding>>,
];

/// A message of a worker's process to the harness.
#[derive(Serialize, Deserialize)]
enum Said {
    /// The process is ready, and waits at the latch.
    Ready,
    /// The reports of its workers.
    Done(Result<Vec<Report>, Failure>),
}

/// What a worker's process gets: its latch, and the line to the harness.
#[derive(Serialize, Deserialize)]
pub struct Line {
    latch: Waiting,
    said: Sender<Said>,
}

impl Line {
    /// Does the work when the latch opens, and reports.
    fn work(mut self, work: impl FnOnce() -> Result<Vec<Report>, Failure>) -> Result<(), Failure> {
        self.said.send(&Said::Ready)?;
        self.latch.wait();
        self.said.send(&Said::Done(work()))?;
        Ok(())
    }
}

/// Runs a workload over a transport, as its execution says: processes or threads.
///
/// # Errors
/// If the placement can't be had here, a worker fails or takes longer than the budget allows. The
/// function [`work`] of the transport must be listed by [`tasks!`].
pub fn run<T>(workload: &Workload, budget: &Budget) -> Result<Vec<Report>, Failure>
where
    T: Transport + Serialize + DeserializeOwned,
{
    if workload.execution != Execution::Processes {
        return run_in_one::<T>(workload, budget);
    }
    let mut harness = Harness::new(budget)?;
    for (worker, end) in workload.workers(budget)?.into_iter().zip(T::ends(workload)?) {
        harness.add(worker, end)?;
    }
    harness.run()
}

/// Runs a workload of threads over a transport that need not go to another process.
///
/// # Errors
/// As [`run`].
pub fn run_in_one<T: Transport>(
    workload: &Workload,
    budget: &Budget,
) -> Result<Vec<Report>, Failure> {
    let mut harness = Harness::new(budget)?;
    harness.start(work_in_one::<T>, (workload.workers(budget)?, workload.clone()))?;
    harness.run()
}

/// Runs in the process of a worker.
///
/// # Errors
/// If the line to the harness is broken: errors of the work are reported over it.
pub fn work<T: Transport>((line, (worker, mut end)): (Line, (Worker, T))) -> Result<(), Failure> {
    worker.bind()?;
    end.connect()?;
    line.work(|| Ok(vec![worker.work(&mut end)?]))
}

/// Runs in the process that has all workers.
fn work_in_one<T: Transport>(
    (line, (workers, workload)): (Line, (Vec<Worker>, Workload)),
) -> Result<(), Failure> {
    let ends = T::ends(&workload)?;
    let works = if workload.execution == Execution::Alone {
        vec![alone(workers, ends)?]
    } else {
        together(workers, ends)
    };
    line.work(|| {
        let (sender, reports) = mpsc::channel();
        for work in works {
            let sender = sender.clone();
            thread::spawn(move || sender.send(work()));
        }
        drop(sender);
        // The first failure is reported at once: the process ends then, and with it the threads
        // that would wait for the failed one in vain.
        reports.iter().collect()
    })
}

/// The work of a thread.
type Work = Box<dyn FnOnce() -> Result<Report, Failure> + Send>;

/// Makes the work of one thread that has both ends.
fn alone<T: Transport>(workers: Vec<Worker>, ends: Vec<T>) -> Result<Work, Failure> {
    let mut ends = ends.try_into().map_err(|_| Failure::new("not two ends"))?;
    let worker = workers.into_iter().next().ok_or_else(|| Failure::new("no worker"))?;
    Ok(Box::new(move || {
        worker.bind()?;
        worker.work_alone::<T>(&mut ends)
    }))
}

/// Makes the work of threads that begin together.
fn together<T: Transport>(workers: Vec<Worker>, ends: Vec<T>) -> Vec<Work> {
    let all_here = Arc::new(Barrier::new(workers.len()));
    let work = |(worker, mut end): (Worker, T)| {
        let all_here = Arc::clone(&all_here);
        let work = move || {
            let bound = worker.bind();
            all_here.wait();
            bound?;
            worker.work(&mut end)
        };
        Box::new(work) as Work
    };
    workers.into_iter().zip(ends).map(work).collect()
}

/// The processes of a sample. Dropped, it kills those that still run.
pub struct Harness {
    latch: Option<Gate>,
    waiting: Waiting,
    budget: Budget,
    processes: Vec<Started>,
}

struct Started {
    process: Process,
    said: Receiver<Said>,
}

impl Drop for Started {
    fn drop(&mut self) {
        // To kill a process that has ended does no harm.
        let _ = self.process.kill().and_then(|()| self.process.join());
    }
}

impl Harness {
    /// Makes a harness without processes.
    ///
    /// # Errors
    /// If the system refuses a latch.
    pub fn new(budget: &Budget) -> Result<Self, Failure> {
        let (latch, waiting) = Gate::new()?;
        Ok(Self { latch: Some(latch), waiting, budget: *budget, processes: Vec::new() })
    }

    /// Starts a process for a worker with its end of a transport.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn add<T>(&mut self, worker: Worker, end: T) -> Result<(), Failure>
    where
        T: Transport + Serialize + DeserializeOwned,
    {
        self.start(work::<T>, (worker, end))
    }

    fn start<A, F>(&mut self, function: F, arguments: A) -> Result<(), Failure>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        F: Fn((Line, A)) -> Result<(), Failure> + Any,
    {
        let (said, sender) = one_way()?;
        let line = Line { latch: self.waiting.another()?, said: sender };
        let mut process = Process::new(function, (line, arguments)).daemonic(true);
        process.start()?;
        self.processes.push(Started { process, said });
        Ok(())
    }

    /// Lets all begin together when all are ready.
    ///
    /// # Errors
    /// If a worker fails, or isn't ready in time.
    pub fn begin(&mut self) -> Result<(), Failure> {
        for started in &mut self.processes {
            hear(&mut started.said, &self.budget)?;
        }
        if let Some(latch) = self.latch.take() {
            latch.open();
        }
        Ok(())
    }

    /// Lets all begin together, and returns the reports of all.
    ///
    /// # Errors
    /// The failure of the first worker that failed, or that one isn't done in time.
    pub fn run(mut self) -> Result<Vec<Report>, Failure> {
        self.begin()?;
        let mut all = Vec::new();
        while !self.processes.is_empty() {
            // Any that reports: others may wait in vain for one that has failed.
            let said: Vec<_> = self.processes.iter().map(|started| &started.said).collect();
            let ready = multiprocess::wait(&said, Some(self.budget.left()))?;
            let ready = ready.first().ok_or_else(|| Failure::new(HANGS))?;
            let mut started = self.processes.swap_remove(*ready);
            match hear(&mut started.said, &self.budget)? {
                Said::Done(reports) => all.extend(reports?),
                Said::Ready => return Err(Failure::new("a worker was ready twice")),
            }
        }
        Ok(all)
    }
}

fn hear<T: DeserializeOwned>(from: &mut Receiver<T>, budget: &Budget) -> Result<T, Failure> {
    if !from.poll(budget.left())? {
        return Err(Failure::new(HANGS));
    }
    from.recv().map_err(|error| match error {
        multiprocess::pipe::Error::EndOfFile => Failure::new("a worker ended early"),
        error => error.into(),
    })
}

/// Calls the function in a process of its own, which may start other processes; returns what it
/// sends.
///
/// # Errors
/// If it fails, or isn't done in time.
pub fn in_process<A, F, R>(budget: &Budget, function: F, arguments: A) -> Result<R, Failure>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    F: Fn((A, Sender<R>)) -> Result<(), Failure> + Any,
    R: DeserializeOwned + 'static,
{
    let (mut receiver, sender) = one_way()?;
    let mut process = Process::new(function, (arguments, sender));
    process.start()?;
    let result = hear(&mut receiver, budget);
    process.kill()?;
    process.join()?;
    result
}

#[cfg(test)]
mod tests {
    use super::super::{Placement, Role, Sample, mean_round_trip, rate};
    use super::*;

    fn round_trip<T>(workload: &Workload) -> Sample
    where
        T: Transport + Serialize + DeserializeOwned,
    {
        let reports = run::<T>(workload, &Budget::of(0.005));
        mean_round_trip(&reports.unwrap()).unwrap()
    }

    #[test]
    fn every_transport_serves_processes_and_threads() {
        let _deadline = testing::Deadline::seconds(60);
        for execution in [Execution::Processes, Execution::Threads, Execution::Alone] {
            let round_trip_of = Workload::round_trip(execution, Placement::Free);
            let workload = Workload { touched: 4096, ..round_trip_of };
            assert!(round_trip::<BarePipe<u64>>(&workload).value > 0.0, "{execution:?}");
            if execution != Execution::Alone {
                assert!(round_trip::<OurQueue<u64>>(&workload).value > 0.0, "{execution:?}");
                assert!(round_trip::<Word<Sleeping>>(&workload).value > 0.0, "{execution:?}");
                assert!(round_trip::<Word<Yielding>>(&workload).value > 0.0, "{execution:?}");
            }
        }
    }

    #[test]
    fn messages_of_many_workers_all_come() {
        let _deadline = testing::Deadline::seconds(60);
        let roles = [Role::Produce, Role::Consume].repeat(2);
        let workload = Workload { size: Some(200), ..Workload::new(&roles) };
        let reports = run::<OurQueue<ByteBuf>>(&workload, &Budget::of(0.01)).unwrap();
        assert_eq!(reports.len(), 4);
        assert!(rate(&reports).unwrap().value > 0.0);
    }

    #[test]
    fn two_on_one_core_are_switched_twice_in_a_round_trip_and_one_alone_is_not() {
        let _deadline = testing::Deadline::seconds(60);
        let can_bind = Placement::OneCore.cores(Execution::Threads).is_ok();
        if !can_bind || crate::time::context_switches().is_err() {
            return;
        }
        let switches = |execution| {
            let workload = Workload::round_trip(execution, Placement::OneCore);
            round_trip::<BarePipe<u64>>(&workload).switches.unwrap()
        };
        for execution in [Execution::Threads, Execution::Processes] {
            let switches = switches(execution);
            assert!((1.9..4.0).contains(&switches), "{execution:?}: {switches}");
        }
        assert!(switches(Execution::Alone) < 0.5);
    }

    #[test]
    fn a_worker_that_fails_ends_the_sample() {
        let _deadline = testing::Deadline::seconds(60);
        for execution in [Execution::Threads, Execution::Processes] {
            let workload = Workload::round_trip(execution, Placement::Free);
            let budget = Budget::of(0.0);
            let mut workers = workload.workers(&budget).unwrap();
            // No machine has this many cores. A word doesn't tell that the other worker is gone.
            workers[1].core = Some(1 << 20);
            let mut harness = Harness::new(&budget).unwrap();
            if execution == Execution::Threads {
                harness.start(work_in_one::<Word<Sleeping>>, (workers, workload)).unwrap();
            } else {
                for (worker, end) in workers.into_iter().zip(Word::ends(&workload).unwrap()) {
                    harness.add::<Word<Sleeping>>(worker, end).unwrap();
                }
            }
            let failure = harness.run().unwrap_err().to_string();
            assert_ne!(failure, HANGS, "{execution:?}");
        }
    }
}
