//! The threads of a run of `downloader get`: what each of them does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded};
use multiprocess::Pool;
use multiprocess::pool::TaskError;
use url::Url;

use super::ask::{Route, host};
use super::content;
use super::fetch::{Downloaded, Fetcher, Tried};
use super::folder::{Folder, Stored};
use super::list::{Bad, Entry, List};
use super::options::Options;
use super::outcome::{Failed, Kind, Outcome, Status};
use super::retry;
use super::room::{Pause, Room, Turn, Waiting};
use super::trouble::Trouble;

/// The most files for each process that wait to be checked.
const QUEUED: usize = 4;
/// The most files that are synced together.
const GROUP: usize = 16;
/// The number of threads that store, each a group: one alone would hold up all on a busy disk.
const STORING: usize = 4;

/// The state that all threads of a run share.
pub(super) struct Run {
    pub(super) room: Arc<Room<Job>>,
    pub(super) fetcher: Fetcher,
    pub(super) folder: Arc<Folder>,
    pub(super) pool: Option<Pool>,
    pub(super) options: Options,
    /// The addresses that have been read and have no outcome yet, by their line.
    pub(super) open: Mutex<BTreeMap<u64, Url>>,
}

impl Run {
    pub(super) fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Url>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address on its way.
pub(super) struct Job {
    line: u64,
    url: Url,
    host: String,
    begun: Option<Instant>,
    due: Option<Instant>,
    tried: Tried,
}

impl Job {
    pub(super) fn new(line: u64, url: Url) -> Self {
        Self { line, host: host(&url), url, begun: None, due: None, tried: Tried::default() }
    }

    fn outcome(&self, status: Status) -> Outcome {
        Outcome {
            http_status: self.tried.http_status,
            attempts: self.tried.attempts,
            bytes: self.tried.bytes,
            seconds: self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64()),
            ..Outcome::new(self.url.as_str(), self.line, status)
        }
    }

    pub(super) fn failed(&self, failed: Failed) -> Outcome {
        let (error, message) = (Some(failed.kind), Some(failed.message));
        Outcome { error, message, ..self.outcome(Status::Failed) }
    }
}

impl Waiting for Job {
    fn host(&self) -> &str {
        self.tried.route.as_ref().map_or(&self.host, Route::host)
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// A file that only has to be stored.
struct Whole {
    job: Job,
    file: Downloaded,
    /// The MD5 of its convolved pixels, if it is known.
    convolved: Option<String>,
}

/// The rest of a list.
pub(super) type Reader = Option<List<Box<dyn BufRead + Send>>>;

/// Starts a thread of the run. It is not waited for after the run has been stopped.
pub(super) fn start<T: Send + 'static>(
    run: &Arc<Run>,
    outcomes: &Sender<Outcome>,
    work: impl FnOnce(&Run, &Sender<Outcome>) -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let (run, outcomes) = (Arc::clone(run), outcomes.clone());
    thread::Builder::new().spawn(move || work(&run, &outcomes))
}

/// Starts the threads that fetch, those that wait for the check of what these have fetched, enough
/// of them that no process is without work, and those that store.
pub(super) fn start_threads(run: &Arc<Run>, outcomes: &Sender<Outcome>) -> io::Result<()> {
    let processes = run.pool.as_ref().map_or(0, |_| run.options.processes);
    let (downloaded, to_check) = bounded(QUEUED * processes);
    let (whole, to_store) = bounded(GROUP);
    for _ in 0..run.options.connections {
        let (downloaded, whole) = (downloaded.clone(), whole.clone());
        start(run, outcomes, move |run, outcomes| fetch_all(run, &downloaded, &whole, outcomes))?;
    }
    for _ in 0..2 * processes {
        let (to_check, whole) = (to_check.clone(), whole.clone());
        start(run, outcomes, move |run, outcomes| check_all(run, &to_check, &whole, outcomes))?;
    }
    for _ in 0..STORING {
        let to_store = to_store.clone();
        start(run, outcomes, move |run, outcomes| store_all(run, &to_store, outcomes))?;
    }
    Ok(())
}

/// Reads the list into the room. Gives it back if the room is closed before its end.
pub(super) fn read_list(
    run: &Run,
    input: Box<dyn BufRead + Send>,
    outcomes: &Sender<Outcome>,
) -> io::Result<Reader> {
    let mut list = List::new(input);
    while let Some(entry) = list.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                run.room.end_list();
                return Err(error);
            }
        };
        match entry {
            Entry { line, address: Ok(url) } => {
                run.open().insert(line, url.clone());
                if !run.room.put(Job::new(line, url)) {
                    return Ok(Some(list));
                }
            }
            Entry { line, address: Err(bad) } => {
                if outcomes.send(bad_line(run, line, bad)).is_err() {
                    return Ok(Some(list));
                }
            }
        }
    }
    run.room.end_list();
    Ok(None)
}

/// Makes the outcome of a line that is no address.
fn bad_line(run: &Run, line: u64, bad: Bad) -> Outcome {
    let message = format!("{}:{line}: {}", run.options.list.display(), bad.reason);
    let (error, message) = (Some(Kind::BadLine), Some(message));
    Outcome { error, message, ..Outcome::new(bad.text, line, Status::Failed) }
}

/// Runs in a thread that fetches.
fn fetch_all(
    run: &Run,
    downloaded: &Sender<(Job, Downloaded)>,
    whole: &Sender<Whole>,
    outcomes: &Sender<Outcome>,
) {
    while let Some(Turn { item: mut job, refusal }) = run.room.next() {
        job.begun.get_or_insert_with(Instant::now);
        job.due = None;
        let host = job.host().to_owned();
        let came = match refusal {
            Some(refusal) => {
                job.tried.route = None;
                Err(Trouble::lasting(Kind::HttpStatus, refusal))
            }
            None => run.fetcher.attempt(&job.url, &mut job.tried),
        };
        match came {
            Ok(file) => {
                if file.is_joined && run.pool.is_some() {
                    run.room.expect_back();
                }
                run.room.done(&host, None, None);
                let sent = match run.pool {
                    Some(_) => downloaded.send((job, file)).is_ok(),
                    None => whole.send(Whole { job, file, convolved: None }).is_ok(),
                };
                if !sent {
                    return;
                }
            }
            // A redirect has led to another host.
            Err(_) if job.tried.route.is_some() => run.room.done(&host, None, Some(job)),
            Err(Trouble { failed, may_pass, pause }) => {
                let is_too_long = pause.is_some_and(|pause| pause > run.options.patience.pause);
                let refusal = is_too_long.then(|| failed.message.clone());
                let host_pause = pause.map(|pause| Pause::new(pause, refusal));
                if may_pass && job.tried.failures <= run.options.retries {
                    let wait = retry::back_off(job.tried.failures);
                    job.due = Some(Instant::now() + pause.unwrap_or_default().max(wait));
                    run.room.done(&host, host_pause, Some(job));
                    continue;
                }
                run.room.done(&host, host_pause, None);
                if outcomes.send(job.failed(failed)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Runs in a thread that waits for checks.
fn check_all(
    run: &Run,
    to_check: &Receiver<(Job, Downloaded)>,
    whole: &Sender<Whole>,
    outcomes: &Sender<Outcome>,
) {
    for (mut job, file) in to_check {
        let checked = check(run, &file);
        if file.is_joined {
            // Its parts may not belong together, whatever the server says.
            if matches!(&checked, Err(failed) if failed.kind == Kind::Damaged) {
                job.tried.begin_anew();
                run.room.back(Some(job));
                continue;
            }
            run.room.back(None);
        }
        let sent = match checked {
            Ok(convolved) => whole.send(Whole { job, file, convolved }).is_ok(),
            Err(failed) => {
                let outcome = Outcome { md5: Some(file.md5), ..job.failed(failed) };
                outcomes.send(outcome).is_ok()
            }
        };
        if !sent {
            return;
        }
    }
}

/// Has a process decode the file, and returns the MD5 that a report has of it.
fn check(run: &Run, file: &Downloaded) -> Result<Option<String>, Failed> {
    let Some(pool) = &run.pool else { return Ok(None) };
    let (limits, wanted) = (run.options.limits, run.options.report.is_some());
    let path = file.file.path().as_os_str().to_owned();
    let mut checked = Err(multiprocess::pool::Error::NotRunning);
    for _ in 0..2 {
        checked = pool.apply(content::check, (path.clone(), limits, wanted));
        // It may have died of something else: a process that takes too much memory has others
        // killed, too.
        if !matches!(checked, Err(multiprocess::pool::Error::Task(TaskError::WorkerDied { .. }))) {
            break;
        }
    }
    checked.unwrap_or_else(|error| match error {
        multiprocess::pool::Error::Task(TaskError::Panicked { .. }) => {
            Err(Failed::new(Kind::Damaged, error))
        }
        error => Err(Failed::new(Kind::WorkerDied, error)),
    })
}

/// Runs in a thread that stores (group commit): files that have come while others were synced are
/// synced together, and only then each gets its name.
fn store_all(run: &Run, to_store: &Receiver<Whole>, outcomes: &Sender<Outcome>) {
    while let Ok(first) = to_store.recv() {
        let group: Vec<Whole> = iter::once(first).chain(to_store.try_iter()).take(GROUP).collect();
        let files: Vec<&File> = group.iter().map(|whole| whole.file.file.as_file()).collect();
        let synced = run.folder.sync_files(&files);
        for (whole, synced) in group.into_iter().zip(synced) {
            if outcomes.send(store(run, whole, synced)).is_err() {
                return;
            }
        }
    }
}

/// Gives a file its name, if its bytes are on the disk.
fn store(run: &Run, whole: Whole, synced: io::Result<()>) -> Outcome {
    let Whole { job, file, convolved } = whole;
    let name = format!("{}.{}", file.md5, file.extension);
    let (status, path) = match synced.and_then(|()| run.folder.store(file.file, &name)) {
        Ok(Stored::New(path)) => (Status::Stored, path),
        Ok(Stored::WasThere(path)) => (Status::Duplicate, path),
        Err(error) => return job.failed(Failed::new(Kind::Disk, error)),
    };
    Outcome {
        md5: Some(file.md5),
        convolved_md5: convolved,
        path: Some(path.to_string_lossy().into_owned()),
        ..job.outcome(status)
    }
}
