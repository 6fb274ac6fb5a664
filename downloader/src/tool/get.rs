//! `downloader get`: a run from its command line to its exit code.
//!
//! ```text
//!   prepare ──▶ pipeline::start ──▶ collect ──▶ note_unfinished ──▶ conclude
//!                the threads        outcomes    after Ctrl-C        summary, exit code
//! ```

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::{ArgMatches, FromArgMatches};
use common::files::{self, CreateError, reason};
use common::stock::raise_file_limit;
use common::{output, text};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use multiprocess::Pool;

use super::attempt::Fetcher;
use super::client::Client;
use super::download::Download;
use super::error::{AttemptError, ErrorKind};
use super::frontier::Frontier;
use super::group_commit::GroupCommit;
use super::interrupt::{self, INTERRUPTED};
use super::list::Entry;
use super::message::message;
use super::options::Options;
use super::output_dir::OutputDir;
use super::pipeline::{self, CAPACITY, Pipeline, Rest};
use super::progress::Progress;
use super::report::{Outcome, Report};

/// The time that downloads under way have when all is stopped.
const GRACE: Duration = Duration::from_secs(1);
/// The time between two updates of the progress and of the report.
const TICK: Duration = Duration::from_millis(100);

/// The reason why a run ends before it has begun, or by the disk.
struct Fatal {
    code: u8,
    message: String,
}

impl Fatal {
    fn usage(message: impl ToString) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    fn system(message: impl ToString) -> Self {
        Self { code: 3, message: message.to_string() }
    }
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let done = match Options::from_arg_matches(matches) {
        Ok(options) => download_all(options),
        Err(error) => return output::print_clap(&error),
    };
    done.unwrap_or_else(|fatal| {
        complain(&fatal.message);
        ExitCode::from(fatal.code)
    })
}

fn complain(what: &str) {
    output::complain(format_args!("downloader get: {}", output::escaped(what)));
}

/// Says what is wrong with a file or folder.
fn at(path: &Path, error: &io::Error) -> String {
    text!("{}: {}", path.display(), reason(error))
}

fn download_all(options: Options) -> Result<ExitCode, Fatal> {
    // Each download has two.
    raise_file_limit();
    let list = open_list(&options.list)?;
    let is_file =
        list.as_ref().is_some_and(|list| list.metadata().is_ok_and(|kind| kind.is_file()));
    let mut run = Run::prepare(options, list.as_ref(), is_file)?;
    let input: Box<dyn BufRead + Send> = match list {
        Some(file) => Box::new(BufReader::new(file)),
        None => Box::new(BufReader::new(io::stdin())),
    };
    let started = pipeline::start(&run.pipeline, input);
    let (reader, outcomes) =
        started.map_err(|error| Fatal::system(text!("the threads can't be started: {}", error)))?;
    let mut written = run.collect(&outcomes);
    let mut read = Ok(());
    if run.pipeline.frontier.is_closed() {
        // A pipe may have no end.
        let noted = run.note_unfinished(is_file.then_some(reader), &outcomes);
        written = written.and(noted);
    } else if let Ok(Err(error)) = reader.join() {
        read = Err(error);
    }
    Ok(run.conclude(written, read))
}

/// Opens the list; `None` is standard input.
fn open_list(path: &Path) -> Result<Option<File>, Fatal> {
    if path == Path::new("-") {
        return Ok(None);
    }
    if path.is_dir() {
        return Err(Fatal::usage(text!("{}: it is a folder, not a list", path.display())));
    }
    let file = File::open(path);
    file.map(Some).map_err(|error| Fatal::usage(at(path, &error)))
}

/// Creates the files of the report, which are none of the inputs.
fn create_report(options: &Options, list: Option<&File>) -> Result<Report, Fatal> {
    let certificates = env::var_os("SSL_CERT_FILE").and_then(|path| File::open(path).ok());
    let inputs: Vec<&File> = list.into_iter().chain(&certificates).collect();
    match files::create([options.report.as_ref(), options.failed.as_ref()], &inputs) {
        Ok([lines, failures]) => Ok(Report::new(lines, failures)),
        Err(error @ CreateError::Taken { .. }) => Err(Fatal::usage(error)),
        Err(error @ CreateError::Refused { .. }) => Err(Fatal::system(error)),
    }
}

/// Starts the processes that check the files, if these are to be checked.
fn start_pool(options: &Options, frontier: &Frontier) -> Result<Option<Pool>, Fatal> {
    match options.is_checked().then(|| Pool::new(options.processes())).transpose() {
        // A Ctrl-C reaches the workers, too, and ends those that don't ignore it yet.
        Err(_) if frontier.is_closed() => Ok(None),
        pool => {
            pool.map_err(|error| Fatal::system(text!("the processes can't be started: {}", error)))
        }
    }
}

/// The main thread's side of a run.
struct Run {
    begun: Instant,
    pipeline: Arc<Pipeline>,
    report: Report,
    progress: Progress,
}

impl Run {
    /// Makes all that is needed before the first thread starts.
    fn prepare(options: Options, list: Option<&File>, is_file: bool) -> Result<Self, Fatal> {
        let begun = Instant::now();
        let options = Arc::new(options);
        let client = Client::new(&options).map_err(Fatal::usage)?;
        let path = &options.output;
        let at_output = |error| Fatal::system(at(path, &error));
        // A report may lie in it. Opening a pipe without a reader waits: a signal still ends that.
        fs::create_dir_all(path).map_err(at_output)?;
        let report = create_report(&options, list)?;
        let frontier = Arc::new(Frontier::new(CAPACITY, options.per_host));
        let output_dir = Arc::new(OutputDir::new(path));
        // Before there is anything that a signal could leave behind.
        interrupt::listen(&frontier, &output_dir).map_err(at_output)?;
        output_dir.clean().map_err(at_output)?;
        let pool = start_pool(&options, &frontier)?;
        let progress = Progress::new(&options, is_file);
        let fetcher = Fetcher {
            client,
            options: Arc::clone(&options),
            output_dir: Arc::clone(&output_dir),
            is_interrupted: Arc::clone(&frontier.is_closed),
            received: Arc::clone(&progress.received),
        };
        let (group_commit, unfinished) = (GroupCommit::default(), Mutex::default());
        let pipeline =
            Pipeline { options, frontier, fetcher, pool, group_commit, output_dir, unfinished };
        Ok(Self { begun, pipeline: Arc::new(pipeline), report, progress })
    }

    /// Notes all outcomes, until there are no more, or all is stopped and the time for what is
    /// under way is over. An error is the disk's, and stops all.
    fn collect(&mut self, outcomes: &Receiver<Outcome>) -> io::Result<()> {
        let mut written = Ok(());
        let mut stopped: Option<Instant> = None;
        let mut updated = Instant::now();
        while stopped.is_none_or(|stopped| stopped.elapsed() < GRACE) {
            match outcomes.recv_timeout(TICK) {
                Ok(outcome) => written = written.and(self.note(&outcome)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if updated.elapsed() >= TICK {
                self.progress.show(&self.report.summary);
                written = written.and(self.report.flush());
                updated = Instant::now();
            }
            if written.is_err() {
                self.pipeline.frontier.close();
            }
            if stopped.is_none() && self.pipeline.frontier.is_closed() {
                stopped = Some(Instant::now());
            }
        }
        written
    }

    /// Notes an outcome. An error is the disk's, where either the report or the image was to go.
    fn note(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.pipeline.unfinished().remove(&outcome.line);
        if outcome.error.is_some() {
            self.progress.failure(outcome);
        }
        self.report.add(outcome)?;
        let is_full = outcome.error == Some(ErrorKind::Disk);
        match is_full && !self.pipeline.frontier.is_closed() {
            true => Err(io::Error::other(outcome.shown.clone())),
            false => Ok(()),
        }
    }

    /// Notes, when all was stopped, what was under way or waited, and what of the list was not
    /// read, if it can be read to its end.
    fn note_unfinished(
        &mut self,
        reader: Option<JoinHandle<io::Result<Rest>>>,
        outcomes: &Receiver<Outcome>,
    ) -> io::Result<()> {
        // From now on nothing is stored that would be noted as unfinished here.
        self.pipeline.output_dir.close();
        while let Ok(outcome) = outcomes.recv_timeout(TICK) {
            self.note(&outcome)?;
        }
        let unfinished = std::mem::take(&mut *self.pipeline.unfinished());
        for (line, url) in unfinished {
            let message = message!("not finished when all was stopped");
            let error = AttemptError::permanent(ErrorKind::Interrupted, message);
            self.report.add(&Download::new(line, url).failed(error))?;
        }
        let rest = reader.and_then(|reader| reader.join().ok()).and_then(Result::ok).flatten();
        for entry in rest.into_iter().flatten() {
            if let Entry { url: Ok(url), .. } = entry? {
                self.report.add_not_begun(url.as_str())?;
            }
        }
        Ok(())
    }

    /// Ends the run: says why, if it ends before the list does, and prints the summary.
    fn conclude(mut self, written: io::Result<()>, read: io::Result<()>) -> ExitCode {
        self.pipeline.output_dir.close();
        let synced = self.pipeline.output_dir.sync().and_then(|()| self.report.flush());
        self.progress.finish();
        let is_interrupted = self.pipeline.frontier.is_closed();
        let code = match (written.and(synced), read) {
            (Err(error), _) => {
                complain(&text!("stopped, because of the disk: {}", reason(&error)));
                ExitCode::from(3)
            }
            (Ok(()), _) if is_interrupted => {
                self.report.summary.interrupted = true;
                ExitCode::from(INTERRUPTED)
            }
            (Ok(()), Err(error)) => {
                complain(&at(&self.pipeline.options.list, &error));
                ExitCode::from(2)
            }
            (Ok(()), Ok(())) => self.report.exit_code(),
        };
        let summary = &mut self.report.summary;
        summary.seconds = self.begun.elapsed().as_secs_f64();
        output::print(&match self.pipeline.options.json {
            true => serde_json::to_string(summary).unwrap_or_default() + "\n",
            false => summary.table(),
        });
        code
    }
}
