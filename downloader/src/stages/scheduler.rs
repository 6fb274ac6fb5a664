//! [`Scheduler`]: runs all stages, each over the whole list, and takes their times.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::time::Stopwatch;
use multiprocess::Failure;

use super::stage::{CalcType, Stage, Workers};
use super::steps::{Downloader, Hasher, Storager, ToStore};

/// Workers of one kind, and the order of the stages. Python: the tutorial's `Scheduler`.
///
/// ```text
///   addresses ──▶ Downloader ──▶ all pictures ──▶ Hasher ──▶ all hashes ──▶ Storager ──▶ files
///                 network                         cpu                       disk
/// ```
///
/// ```
/// use downloader::{CalcType, ImageServer, Images, Scheduler};
///
/// # fn main() -> std::process::ExitCode {
/// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let images = Images { count: 4, width: 8, height: 8, ..Images::default() };
/// let server = ImageServer::start(images)?;
/// let folder = tempfile::tempdir()?;
/// let scheduler = Scheduler::new(CalcType::MultiProcess, 2)?;
/// let times = scheduler.run(server.urls().collect(), folder.path())?;
/// assert_eq!(folder.path().read_dir()?.count(), 4);
/// assert_eq!(times.pixels, 4 * 8 * 8 * 3);
/// #         Ok(())
/// #     })
/// # }
/// ```
pub struct Scheduler {
    workers: Workers,
}

/// The time of each stage over the whole list: see [`Scheduler`] for an example.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Fetching and decoding.
    pub network: Duration,
    /// Convolution and hash.
    pub cpu: Duration,
    /// Encoding and saving.
    pub disk: Duration,
    /// The part of `network` that is decoding, summed over workers that decode at the same time.
    pub decoding: Duration,
    /// The part of `disk` that is encoding, summed likewise.
    pub encoding: Duration,
    /// The bytes of the pixels of all pictures.
    pub pixels: u64,
}

impl Scheduler {
    /// Starts this many workers of this kind; each can work when this returns. A single thread is
    /// one, whatever the number; 0 has rayon start one for each core.
    ///
    /// # Errors
    /// A [`Failure`] with the reason: 0 threads or processes, or they can't be started.
    pub fn new(way: CalcType, workers: usize) -> Result<Self, Failure> {
        Ok(Self { workers: Workers::start(way, workers)? })
    }

    /// Downloads the images at these addresses, and saves them in the folder, which exists, as
    /// `MD5.png` or `MD5.jpg`; returns each stage's time. Between two stages all pictures are in
    /// memory.
    ///
    /// # Errors
    /// A [`Failure`]: the first of a stage; the later stages don't begin then. A server that
    /// doesn't answer within 30 s is one.
    pub fn run(&self, urls: Vec<String>, folder: &Path) -> Result<Times, Failure> {
        let mut times = Times::default();
        let fetched = timed(&mut times.network, || Downloader::run(&self.workers, urls))?;
        times.decoding = fetched.iter().map(|fetched| fetched.decoding).sum();
        times.pixels = fetched.iter().map(|fetched| fetched.picture.pixels.len() as u64).sum();
        let pictures: Vec<_> = fetched.into_iter().map(|fetched| fetched.picture).collect();

        let items = pictures.iter().map(Arc::clone).collect();
        let hashes = timed(&mut times.cpu, || Hasher::run(&self.workers, items))?;

        let folder = folder.to_owned();
        let items = pictures.into_iter().zip(hashes);
        let items =
            items.map(|(picture, md5)| ToStore { picture, md5, folder: folder.clone() }).collect();
        let encoding = timed(&mut times.disk, || Storager::run(&self.workers, items))?;
        times.encoding = encoding.into_iter().sum();
        Ok(times)
    }
}

/// Closes this process's connections: another scheduler connects anew.
impl Drop for Scheduler {
    fn drop(&mut self) {
        Downloader::hang_up();
    }
}

fn timed<T>(time: &mut Duration, work: impl FnOnce() -> T) -> T {
    let watch = Stopwatch::start();
    let done = work();
    *time = watch.elapsed();
    done
}
