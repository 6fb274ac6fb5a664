//! The threads of a run of `downloader get`, the processes, and the queues between them.
//!
//! ```text
//!   read_list ──▶ frontier ──▶ fetch_all ──▶ check_all ──▶ store_all ──▶ outcomes
//!   1 thread      256 slots    --connections  │     ▲      in groups
//!                                           path   MD5 of the pixels
//!                                             ▼     │
//!                                          processes that decode
//! ```
//!
//! All queues are bounded (back-pressure): a thread that is too fast waits. What is in memory at
//! once doesn't depend on the length of the list.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded, never};
use multiprocess::Pool;
use multiprocess::pool::{Error, TaskError};
use url::Url;

use super::attempt::{Fetcher, WholeFile};
use super::content;
use super::download::Download;
use super::error::{AttemptError, ErrorKind, Result};
use super::frontier::{Frontier, Pause};
use super::group_commit::GroupCommit;
use super::list::{BadLine, Entry, List};
use super::message::Message;
use super::options::Options;
use super::output_dir::OutputDir;
use super::report::Outcome;
use super::retry;

/// The most URLs that wait to be fetched, and the most outcomes that wait to be reported.
pub(super) const CAPACITY: usize = 256;
/// The most files for each process that wait to be checked.
const QUEUED: usize = 4;
/// The most files that are synced together.
const GROUP: usize = 16;
/// The number of threads that store, each a group: one alone would hold up all on a busy disk.
const STORING: usize = 4;

/// The state that all threads of a run share.
pub(super) struct Pipeline {
    pub(super) options: Arc<Options>,
    pub(super) frontier: Arc<Frontier>,
    pub(super) fetcher: Fetcher,
    pub(super) pool: Option<Pool>,
    pub(super) group_commit: GroupCommit,
    pub(super) output_dir: Arc<OutputDir>,
    /// The URLs that have been read and have no outcome yet, by their line.
    pub(super) unfinished: Mutex<BTreeMap<u64, Url>>,
}

/// The rest of a list, if its reading has been stopped.
pub(super) type Rest = Option<List<Box<dyn BufRead + Send>>>;

/// A file under way between two threads.
type Fetched = (Download, WholeFile);

/// Starts all threads; they are not waited for when the run has been stopped. The first reads the
/// list, and returns its rest. Outcomes come until all have ended.
pub(super) fn start(
    pipeline: &Arc<Pipeline>,
    input: Box<dyn BufRead + Send>,
) -> io::Result<(JoinHandle<io::Result<Rest>>, Receiver<Outcome>)> {
    let (outcomes, to_report) = bounded(CAPACITY);
    let reader = spawn(pipeline, &outcomes, |this, outcomes| this.read_list(input, outcomes))?;
    let processes = pipeline.pool.as_ref().map_or(0, |_| pipeline.options.processes());
    let (whole, to_store) = bounded(GROUP);
    let (fetched, to_check) = match processes {
        0 => (whole.clone(), never()),
        processes => bounded(QUEUED * processes),
    };
    for _ in 0..pipeline.options.connections {
        let fetched = fetched.clone();
        spawn(pipeline, &outcomes, move |this, outcomes| this.fetch_all(&fetched, outcomes))?;
    }
    // Enough of them that no process is without work.
    for _ in 0..2 * processes {
        let (to_check, whole) = (to_check.clone(), whole.clone());
        let check =
            move |this: &Pipeline, outcomes: &_| this.check_all(&to_check, &whole, outcomes);
        spawn(pipeline, &outcomes, check)?;
    }
    for _ in 0..STORING {
        let to_store = to_store.clone();
        spawn(pipeline, &outcomes, move |this, outcomes| this.store_all(&to_store, outcomes))?;
    }
    Ok((reader, to_report))
}

fn spawn<T: Send + 'static>(
    pipeline: &Arc<Pipeline>,
    outcomes: &Sender<Outcome>,
    work: impl FnOnce(&Pipeline, &Sender<Outcome>) -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let (pipeline, outcomes) = (Arc::clone(pipeline), outcomes.clone());
    thread::Builder::new().spawn(move || work(&pipeline, &outcomes))
}

impl Pipeline {
    pub(super) fn unfinished(&self) -> MutexGuard<'_, BTreeMap<u64, Url>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the list into the frontier. Returns its rest if the frontier is closed before its end.
    fn read_list(
        &self,
        input: Box<dyn BufRead + Send>,
        outcomes: &Sender<Outcome>,
    ) -> io::Result<Rest> {
        let mut list = List::new(input);
        while let Some(entry) = list.next() {
            let Entry { line, url } = entry.inspect_err(|_| self.frontier.end_list())?;
            let is_taken = match url {
                Ok(url) => {
                    self.unfinished().insert(line, url.clone());
                    self.frontier.put(Download::new(line, url))
                }
                Err(bad) => outcomes.send(self.bad_line(line, bad)).is_ok(),
            };
            if !is_taken {
                return Ok(Some(list));
            }
        }
        self.frontier.end_list();
        Ok(None)
    }

    fn bad_line(&self, line: u64, BadLine { text, reason }: BadLine) -> Outcome {
        let place = format!("{}:{line}: ", self.options.list.display());
        let Message { english, shown } = reason.behind(place);
        let (error, message) = (Some(ErrorKind::BadLine), Some(english));
        Outcome { url: text, line, error, message, shown, ..Outcome::default() }
    }

    fn fetch_all(&self, fetched: &Sender<Fetched>, outcomes: &Sender<Outcome>) {
        while let Some(mut download) = self.frontier.next() {
            let host = download.host().to_owned();
            let is_sent = match self.attempt(&mut download) {
                Ok(Some(file)) => {
                    match file.is_joined && self.pool.is_some() {
                        true => download.held_host = Some(host),
                        false => self.frontier.release(&host, None, None),
                    }
                    fetched.send((download, file)).is_ok()
                }
                // A redirect leads to another host.
                Ok(None) => {
                    self.frontier.release(&host, None, Some(download));
                    true
                }
                Err(error) => {
                    let outcome = self.retry_or_fail(download, &host, error);
                    outcome.is_none_or(|outcome| outcomes.send(outcome).is_ok())
                }
            };
            if !is_sent {
                return;
            }
        }
    }

    /// Makes an attempt, unless the host must not be asked.
    fn attempt(&self, download: &mut Download) -> Result<Option<WholeFile>> {
        download.begin();
        match download.refusal.take() {
            Some(refusal) => {
                download.route = None;
                Err(AttemptError::permanent(ErrorKind::HttpStatus, refusal))
            }
            None => self.fetcher.attempt(download),
        }
    }

    /// Gives a download that has failed back to the frontier, or returns its outcome.
    fn retry_or_fail(
        &self,
        mut download: Download,
        host: &str,
        error: AttemptError,
    ) -> Option<Outcome> {
        let host_pause = error.pause.map(|pause| {
            let is_too_long = pause > self.options.max_wait;
            Pause::new(pause, is_too_long.then(|| error.message.clone()))
        });
        if error.is_temporary && download.failures <= self.options.retries {
            let wait = retry::back_off(download.failures);
            download.due = Some(Instant::now() + error.pause.unwrap_or_default().max(wait));
            self.frontier.release(host, host_pause, Some(download));
            return None;
        }
        self.frontier.release(host, host_pause, None);
        Some(download.failed(error))
    }

    fn check_all(
        &self,
        to_check: &Receiver<Fetched>,
        whole: &Sender<Fetched>,
        outcomes: &Sender<Outcome>,
    ) {
        for (mut download, mut file) in to_check {
            let checked = self.check(&file);
            if let Some(host) = download.held_host.take() {
                if checked.as_ref().is_err_and(|error| error.kind == ErrorKind::Damaged) {
                    download.start_over();
                    self.frontier.release(&host, None, Some(download));
                    continue;
                }
                self.frontier.release(&host, None, None);
            }
            let is_sent = match checked {
                Ok(convolved_md5) => {
                    file.convolved_md5 = convolved_md5;
                    whole.send((download, file)).is_ok()
                }
                Err(error) => {
                    let outcome = Outcome { md5: Some(file.md5), ..download.failed(error) };
                    outcomes.send(outcome).is_ok()
                }
            };
            if !is_sent {
                return;
            }
        }
    }

    /// Has a process decode the file, and returns the MD5 that a report has of its pixels.
    fn check(&self, file: &WholeFile) -> Result<Option<String>> {
        let Some(pool) = &self.pool else { return Ok(None) };
        let is_reported = self.options.report.is_some();
        let path = file.file.path().as_os_str().to_owned();
        let check =
            || pool.apply(content::check, (path.clone(), self.options.limits(), is_reported));
        let mut checked = check();
        // It may have died of something else: a process that takes too much memory has others
        // killed, too.
        if matches!(checked, Err(Error::Task(TaskError::WorkerDied { .. }))) {
            checked = check();
        }
        checked.unwrap_or_else(|error| {
            let kind = match error {
                Error::Task(TaskError::Panicked { .. }) => ErrorKind::Damaged,
                _ => ErrorKind::WorkerDied,
            };
            Err(AttemptError::of_library(kind, error))
        })
    }

    /// Stores files in groups: only when all of a group are synced, each gets its name.
    fn store_all(&self, to_store: &Receiver<Fetched>, outcomes: &Sender<Outcome>) {
        while let Ok(first) = to_store.recv() {
            let group: Vec<_> = iter::once(first).chain(to_store.try_iter()).take(GROUP).collect();
            let files: Vec<&File> = group.iter().map(|(_, file)| file.file.as_file()).collect();
            let synced = self.group_commit.sync(&files);
            for ((download, file), synced) in group.into_iter().zip(synced) {
                if outcomes.send(self.store(&download, file, synced)).is_err() {
                    return;
                }
            }
        }
    }

    /// Gives a file its name, if its bytes are on the disk.
    fn store(&self, download: &Download, file: WholeFile, synced: io::Result<()>) -> Outcome {
        let name = format!("{}.{}", file.md5, file.extension);
        match synced.and_then(|()| self.output_dir.store(file.file, &name)) {
            Ok((status, path)) => Outcome {
                md5: Some(file.md5),
                convolved_md5: file.convolved_md5,
                path: Some(path.to_string_lossy().into_owned()),
                ..download.outcome(status)
            },
            Err(error) => download.failed(error.into()),
        }
    }
}
