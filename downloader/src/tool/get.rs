//! `downloader get`: the threads, processes and queues between them.
//!
//! ```text
//!   list ──▶ waiting room ──▶ threads that fetch ──▶ threads that check ──▶ threads that store
//!   reader   256 slots        --connections           │        ▲             in groups ──▶ report
//!                                                    path      whether it is sound
//!                                                     ▼        │
//!                                                  processes that decode
//! ```
//!
//! All queues are bounded (back-pressure): a thread that is too fast waits. What is in memory at
//! once doesn't depend on the length of the list.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use common::files::{self, CreateError};
use common::output;
use common::stock::raise_file_limit;
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use multiprocess::Pool;

use super::ask::Asker;
use super::fetch::Fetcher;
use super::folder::Folder;
use super::list::Entry;
use super::options::Options;
use super::outcome::{Failed, Kind, Outcome};
use super::progress::Progress;
use super::report::Report;
use super::room::Room;
use super::stop::{INTERRUPTED, Stop};
use super::work::{Job, Reader, Run, read_list, start, start_threads};

/// The most addresses that wait to be fetched.
const WAITING: usize = 256;
/// The time that downloads under way have when all is stopped.
const GRACE: Duration = Duration::from_secs(1);
/// The time between two updates of the progress and of the report.
const TICK: Duration = Duration::from_millis(100);

/// The reason why a run ends before it has begun.
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
            output::complain(format_args!("downloader get: {}", output::escaped(&message)));
            ExitCode::from(code)
        }
    }
}

fn download_all(options: Options) -> Result<ExitCode, Unable> {
    let begin = Instant::now();
    // Each download has two.
    raise_file_limit();
    let file = open_list(&options.list)?;
    let is_file =
        file.as_ref().is_some_and(|file| file.metadata().is_ok_and(|kind| kind.is_file()));
    let asker = Asker::new(options.connections, &options.patience, options.checked);
    let asker = asker.map_err(|message| Unable { code: 2, message })?;
    let system = |error: io::Error| Unable::disk(&options.folder, error);
    // A report may lie in it. Opening a pipe without a reader waits: a signal still ends that.
    fs::create_dir_all(&options.folder).map_err(system)?;
    let certificates = env::var_os("SSL_CERT_FILE").and_then(|path| File::open(path).ok());
    let inputs: Vec<&File> = file.iter().chain(&certificates).collect();
    let outputs = files::create([options.report.as_ref(), options.failed.as_ref()], &inputs);
    let [lines, failures] = outputs.map_err(|error| Unable {
        code: if matches!(error, CreateError::Taken { .. }) { 2 } else { 3 },
        message: error.to_string(),
    })?;
    let room = Arc::new(Room::new(WAITING, options.per_host));
    // Before there is anything that a signal could leave behind.
    let opened = Arc::new(OnceLock::<Arc<Folder>>::new());
    let (closes, removes) = (Arc::clone(&room), Arc::clone(&opened));
    let second = move || removes.get().into_iter().for_each(|folder| folder.close());
    let stop = Stop::listen(move || closes.close(), second).map_err(system)?;
    let folder = Arc::new(Folder::open(&options.folder).map_err(system)?);
    let folder = Arc::clone(opened.get_or_init(|| folder));
    let mut report = Report::new(lines, failures);
    let pool = match options.checked.then(|| Pool::new(options.processes)).transpose() {
        Ok(pool) => pool,
        // A Ctrl-C reaches the workers, too, and ends those that don't ignore it yet.
        Err(_) if stop.is_asked() => {
            stop.ask();
            None
        }
        Err(error) => {
            let message = format!("the processes can't be started: {error}");
            return Err(Unable { code: 3, message });
        }
    };
    let progress = Progress::new(&options, is_file);
    let input: Box<dyn BufRead + Send> = match file {
        Some(file) => Box::new(BufReader::new(file)),
        None => Box::new(BufReader::new(io::stdin())),
    };
    let received = Arc::clone(&progress.received);
    let shared = (Arc::clone(&stop.is_asked), received);
    let fetcher =
        Fetcher::new(asker, options.patience, Arc::clone(&folder), options.checked, shared);
    let open = Mutex::default();
    let run = Arc::new(Run { room, fetcher, folder, pool, options, open });

    let (outcomes, to_report) = bounded(WAITING);
    let reader = start(&run, &outcomes, |run, outcomes| read_list(run, input, outcomes));
    let reader = reader.and_then(|reader| start_threads(&run, &outcomes).map(|()| reader));
    let reader = reader.map_err(|error| Unable {
        code: 3,
        message: format!("the threads can't be started: {error}"),
    })?;
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
            output::complain(format_args!("downloader get: stopped, because of the disk: {error}"));
            ExitCode::from(3)
        }
        (None, true) => {
            report.summary.interrupted = true;
            ExitCode::from(INTERRUPTED)
        }
        (None, false) => match unread {
            Some(error) => {
                output::complain(format_args!(
                    "downloader get: {}: {error}",
                    run.options.list.display()
                ));
                ExitCode::from(2)
            }
            None => report.exit_code(),
        },
    };
    let summary = match run.options.json {
        true => serde_json::to_string(&report.summary).unwrap_or_default() + "\n",
        false => report.summary.table(),
    };
    output::print(&summary);
    Ok(code)
}

/// Opens the list; `None` is standard input.
fn open_list(path: &Path) -> Result<Option<File>, Unable> {
    if path == Path::new("-") {
        return Ok(None);
    }
    if path.is_dir() {
        return Err(Unable::usage(path, "it is a folder, not a list"));
    }
    File::open(path).map(Some).map_err(|error| Unable::usage(path, error))
}

/// Notes all outcomes, until there are no more, or all is stopped and the time for what is under
/// way is over. Returns an error of the disk.
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

/// Notes, when all was stopped, what was under way or waited, and what of the list was not read, if
/// it can be read to its end.
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
