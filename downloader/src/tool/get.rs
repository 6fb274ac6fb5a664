//! `downloader get`: the threads, processes and queues between them.
//!
//! ```text
//!   list ──▶ waiting room ──▶ threads that fetch ──queue──▶ threads that store ──queue──▶ report
//!   reader   256 places       --connections       files     │        ▲
//!                                                         path      MD5 of the convolved pixels
//!                                                           ▼        │
//!                                                        processes that decode
//! ```
//!
//! All queues are bounded: who is too fast waits. What is in memory at once doesn't depend on the
//! length of the list.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use pools::{Pool, TaskError};
use rustix::process::{Resource, getrlimit, setrlimit};
use url::Url;

use super::content;
use super::fetch::{Downloaded, Fetcher, Tried, Trouble};
use super::folder::{Folder, Stored};
use super::list::{Bad, Entry, List};
use super::options::Options;
use super::outcome::{Failed, Kind, Outcome, Status};
use super::progress::Progress;
use super::report::Report;
use super::retry;
use super::room::{Room, Waiting};
use super::stop::{INTERRUPTED, Stop};

/// So many addresses wait to be fetched.
const WAITING: usize = 256;
/// So many files a process wait to be checked.
const QUEUED: usize = 4;
/// How long what is under way has when all is stopped.
const GRACE: Duration = Duration::from_secs(1);
/// How often the progress is shown and the report is written.
const TICK: Duration = Duration::from_millis(100);

/// An address on its way.
struct Job {
    line: u64,
    url: Url,
    host: String,
    begun: Option<Instant>,
    due: Option<Instant>,
    tried: Tried,
}

impl Job {
    fn new(line: u64, url: Url) -> Self {
        let host = url.authority().rsplit('@').next().unwrap_or_default().to_owned();
        Self { line, url, host, begun: None, due: None, tried: Tried::default() }
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

    fn failed(&self, failed: Failed) -> Outcome {
        let (error, message) = (Some(failed.kind), Some(failed.message));
        Outcome { error, message, ..self.outcome(Status::Failed) }
    }
}

impl Waiting for Job {
    fn host(&self) -> &str {
        &self.host
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// What all threads of a run share.
struct Run {
    room: Arc<Room<Job>>,
    fetcher: Fetcher,
    folder: Arc<Folder>,
    pool: Option<Pool>,
    options: Options,
    /// The addresses that have been read and have no outcome yet, by their line.
    open: Mutex<BTreeMap<u64, Url>>,
}

/// What ends a run before it has begun.
struct Unable {
    code: u8,
    message: String,
}

impl Unable {
    fn usage(what: &Path, error: impl std::fmt::Display) -> Self {
        Self { code: 2, message: format!("{}: {error}", what.display()) }
    }

    fn disk(what: &Path, error: impl std::fmt::Display) -> Self {
        Self { code: 3, message: format!("{}: {error}", what.display()) }
    }
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    match download_all(Options::of(matches)) {
        Ok(code) => code,
        Err(Unable { code, message }) => {
            eprintln!("downloader get: {message}");
            ExitCode::from(code)
        }
    }
}

fn download_all(options: Options) -> Result<ExitCode, Unable> {
    let begin = Instant::now();
    allow_files();
    let (input, is_file) = open_list(&options.list)?;
    for output in [&options.report, &options.failed].into_iter().flatten() {
        if is_same_file(output, &options.list) {
            let what = "it is the list: what is to be read would be overwritten";
            return Err(Unable::usage(output, what));
        }
    }
    let folder = Folder::open(&options.folder);
    let folder = Arc::new(folder.map_err(|error| Unable::disk(&options.folder, error))?);
    let create = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| File::create(path).map_err(|error| Unable::disk(path, error)))
            .transpose()
    };
    let mut report = Report::new(create(&options.report)?, create(&options.failed)?);
    let system = |error: io::Error| Unable::disk(&options.folder, error);
    let room = Arc::new(Room::new(WAITING, options.per_host));
    let (closes, removes) = (Arc::clone(&room), Arc::clone(&folder));
    let stop = Stop::listen(move || closes.close(), move || removes.close()).map_err(system)?;
    let pool = match options.checked {
        true => Some(Pool::new(options.processes).map_err(|error| Unable {
            code: 3,
            message: format!("the processes can't be started: {error}"),
        })?),
        false => None,
    };
    let progress = Progress::new(&options, is_file);
    let received = Arc::clone(&progress.received);
    let shared = (Arc::clone(&stop.is_asked), received);
    let fetcher = Fetcher::new(
        options.connections,
        options.patience,
        Arc::clone(&folder),
        options.checked,
        shared,
    );
    let open = Mutex::default();
    let run = Arc::new(Run { room, fetcher, folder, pool, options, open });

    let (outcomes, to_report) = bounded(WAITING);
    let reader = start(&run, &outcomes, |run, outcomes| read_list(run, input, outcomes))?;
    start_threads(&run, &outcomes)?;
    drop(outcomes);
    let mut trouble = collect(&run, &to_report, &stop, &mut report, &progress);
    let mut unread = None;
    if stop.is_asked() {
        let rest = is_file.then_some(reader);
        let noted = note_unfinished(&run, rest, &to_report, &mut report, &progress);
        trouble = trouble.or(noted.err());
    } else {
        unread = reader.join().ok().and_then(Result::err);
    }
    run.folder.close();
    let synced = run.folder.sync().and_then(|()| report.flush());
    progress.finish();
    report.summary.seconds = begin.elapsed().as_secs_f64();
    let code = match (trouble.or(synced.err()), stop.is_asked()) {
        (Some(error), _) => {
            eprintln!("downloader get: stopped, because of the disk: {error}");
            ExitCode::from(3)
        }
        (None, true) => {
            report.summary.interrupted = true;
            ExitCode::from(INTERRUPTED)
        }
        (None, false) => match unread {
            Some(error) => {
                eprintln!("downloader get: {}: {error}", run.options.list.display());
                ExitCode::from(2)
            }
            None => report.exit_code(),
        },
    };
    let summary = match run.options.json {
        true => serde_json::to_string(&report.summary).unwrap_or_default() + "\n",
        false => report.summary.table(),
    };
    // Nobody has to read it.
    let _ = io::stdout().write_all(summary.as_bytes());
    Ok(code)
}

/// Opens the list; whether it is a file, which can be read to its end at any time.
fn open_list(path: &Path) -> Result<(Box<dyn BufRead + Send>, bool), Unable> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(io::stdin())), false));
    }
    let file = File::open(path).map_err(|error| Unable::usage(path, error))?;
    let kind = file.metadata().map_err(|error| Unable::usage(path, error))?;
    if kind.is_dir() {
        return Err(Unable::usage(path, "it is a folder, not a list"));
    }
    Ok((Box::new(BufReader::new(file)), kind.is_file()))
}

/// As many open files as the system lets this user have: each download has two.
fn allow_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    id(one).is_some_and(|one| Some(one) == id(other))
}

type Reader = Option<List<Box<dyn BufRead + Send>>>;

/// Starts a thread of the run. Nobody waits for it after the run has been stopped.
fn start<T: Send + 'static>(
    run: &Arc<Run>,
    outcomes: &Sender<Outcome>,
    work: impl FnOnce(&Run, &Sender<Outcome>) -> T + Send + 'static,
) -> Result<JoinHandle<T>, Unable> {
    let (run, outcomes) = (Arc::clone(run), outcomes.clone());
    thread::Builder::new()
        .spawn(move || work(&run, &outcomes))
        .map_err(|error| Unable { code: 3, message: format!("a thread can't be started: {error}") })
}

/// The threads that fetch, and those that wait for the check of what these have fetched and store
/// it. So many of the latter that no process is without work.
fn start_threads(run: &Arc<Run>, outcomes: &Sender<Outcome>) -> Result<(), Unable> {
    let processes = run.pool.as_ref().map_or(0, |_| run.options.processes);
    let (downloaded, to_check) = bounded(QUEUED * processes);
    for _ in 0..run.options.connections {
        let downloaded = downloaded.clone();
        start(run, outcomes, move |run, outcomes| fetch_all(run, &downloaded, outcomes))?;
    }
    for _ in 0..2 * processes {
        let to_check = to_check.clone();
        start(run, outcomes, move |run, outcomes| {
            for (job, file) in to_check {
                if outcomes.send(check_and_store(run, &job, file)).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(())
}

/// Reads the list into the room. Gives it back if the room is closed before its end.
fn read_list(
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

/// The outcome of a line that is no address.
fn bad_line(run: &Run, line: u64, bad: Bad) -> Outcome {
    let message = format!("{}:{line}: {}", run.options.list.display(), bad.reason);
    let (error, message) = (Some(Kind::BadLine), Some(message));
    Outcome { error, message, ..Outcome::new(bad.text, line, Status::Failed) }
}

/// What a thread that fetches does.
fn fetch_all(run: &Run, downloaded: &Sender<(Job, Downloaded)>, outcomes: &Sender<Outcome>) {
    while let Some(mut job) = run.room.next() {
        job.begun.get_or_insert_with(Instant::now);
        let host = job.host.clone();
        match run.fetcher.attempt(&job.url, &mut job.tried) {
            Ok(file) => {
                run.room.done(&host, None, None);
                let sent = match run.pool {
                    Some(_) => downloaded.send((job, file)).is_ok(),
                    None => outcomes.send(store(run, &job, file, None)).is_ok(),
                };
                if !sent {
                    return;
                }
            }
            Err(Trouble { may_pass: true, pause, .. })
                if job.tried.attempts <= run.options.retries =>
            {
                let now = Instant::now();
                let wait = retry::back_off(job.tried.attempts);
                job.due = Some(now + pause.unwrap_or_default().max(wait));
                run.room.done(&host, pause.map(|pause| now + pause), Some(job));
            }
            Err(Trouble { failed, .. }) => {
                run.room.done(&host, None, None);
                if outcomes.send(job.failed(failed)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Has a process decode the file, and stores it if it can be decoded.
fn check_and_store(run: &Run, job: &Job, file: Downloaded) -> Outcome {
    let checked = match &run.pool {
        Some(pool) => check(pool, &file, run.options.limits),
        None => Ok(String::new()),
    };
    match checked {
        Ok(convolved) => store(run, job, file, Some(convolved)),
        Err(failed) => Outcome { md5: Some(file.md5), ..job.failed(failed) },
    }
}

fn check(pool: &Pool, file: &Downloaded, limits: downloader::Limits) -> Result<String, Failed> {
    let path = file.file.path().as_os_str().to_owned();
    let mut checked = Err(pools::Error::NotRunning);
    for _ in 0..2 {
        checked = pool.apply(content::check, (path.clone(), limits));
        // It may have died of something else: whoever takes too much memory has others killed, too.
        if !matches!(checked, Err(pools::Error::Task(TaskError::WorkerDied { .. }))) {
            break;
        }
    }
    checked.unwrap_or_else(|error| match error {
        pools::Error::Task(TaskError::Panicked { .. }) => Err(Failed::new(Kind::Damaged, error)),
        error => Err(Failed::new(Kind::WorkerDied, error)),
    })
}

/// Gives a file its name.
fn store(run: &Run, job: &Job, file: Downloaded, convolved: Option<String>) -> Outcome {
    let name = format!("{}.{}", file.md5, file.extension);
    let (status, path) = match run.folder.store(file.file, &name) {
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

/// Notes all outcomes, until there are no more, or all is stopped and the time for what is under way
/// is over. Returns an error of the disk.
fn collect(
    run: &Run,
    to_report: &Receiver<Outcome>,
    stop: &Stop,
    report: &mut Report,
    progress: &Progress,
) -> Option<io::Error> {
    let mut trouble = None;
    let mut stopped = None;
    let mut written = Instant::now();
    loop {
        let over = stopped.is_some_and(|stopped: Instant| stopped.elapsed() >= GRACE);
        match to_report.recv_timeout(TICK) {
            _ if over => return trouble,
            Ok(outcome) => {
                let noted = note(run, &outcome, report, progress);
                let full = outcome.error == Some(Kind::Disk) && !stop.is_asked();
                let message = || io::Error::other(outcome.message.clone().unwrap_or_default());
                trouble = trouble.or(noted.err()).or(full.then(message));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return trouble,
        }
        if written.elapsed() >= TICK {
            progress.show(&report.summary);
            trouble = trouble.or(report.flush().err());
            written = Instant::now();
        }
        if trouble.is_some() && !stop.is_asked() {
            stop.ask();
        }
        if stop.is_asked() && stopped.is_none() {
            stopped = Some(Instant::now());
        }
    }
}

fn note(run: &Run, outcome: &Outcome, report: &mut Report, progress: &Progress) -> io::Result<()> {
    run.open().remove(&outcome.line);
    if outcome.error.is_some() {
        progress.failure(outcome);
    }
    report.add(outcome)
}

/// All was stopped: notes what was under way or waited, and what of the list was not read, if it
/// is one that can be read to its end.
fn note_unfinished(
    run: &Run,
    reader: Option<JoinHandle<io::Result<Reader>>>,
    to_report: &Receiver<Outcome>,
    report: &mut Report,
    progress: &Progress,
) -> io::Result<()> {
    // From now on nothing is stored that would be noted as unfinished here.
    run.folder.close();
    while let Ok(outcome) = to_report.recv_timeout(TICK) {
        note(run, &outcome, report, progress)?;
    }
    for (line, url) in std::mem::take(&mut *run.open()) {
        let failed = Failed::new(Kind::Interrupted, "not finished when all was stopped");
        report.add(&Job::new(line, url).failed(failed))?;
    }
    let list = reader.and_then(|reader| reader.join().ok()).and_then(Result::ok);
    for entry in list.flatten().into_iter().flatten() {
        if let Entry { address: Ok(url), .. } = entry? {
            report.add_not_begun(url.as_str())?;
        }
    }
    Ok(())
}

impl Run {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Url>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
