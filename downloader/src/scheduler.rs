//! [`Scheduler`]: runs all stages, each over the whole list, and takes their times.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::time::Stopwatch;
use multiprocess::Failure;

use crate::stage::{CalcType, Stage, Workers};
use crate::stages::{Downloader, Hasher, Storager, ToStore};

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
/// let one_by_one = Scheduler::new(CalcType::SingleThread, 1)?;
/// one_by_one.run(server.urls().collect(), folder.path())?;
/// assert_eq!(folder.path().read_dir()?.count(), 4);
/// #         Ok(())
/// #     })
/// # }
/// ```
pub struct Scheduler {
    workers: Workers,
}

/// How long each stage took, over the whole list.
///
/// ```
/// use downloader::{CalcType, ImageServer, Images, Scheduler};
///
/// # fn main() -> std::process::ExitCode {
/// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let images = Images { count: 4, width: 8, height: 8, ..Images::default() };
/// let server = ImageServer::start(images)?;
/// let folder = tempfile::tempdir()?;
/// let threads = Scheduler::new(CalcType::MultiThread, 2)?;
/// let times = threads.run(server.urls().collect(), folder.path())?;
/// assert!(times.network > std::time::Duration::ZERO);
/// assert_eq!(times.pixels, 4 * 8 * 8 * 3);
/// #         Ok(())
/// #     })
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Fetching and decoding.
    pub network: Duration,
    /// Convolution and hash.
    pub cpu: Duration,
    /// Encoding and saving.
    pub disk: Duration,
    /// The part of `network` that is decoding; summed over workers that decode at the same time.
    pub decoding: Duration,
    /// The part of `disk` that is encoding, summed likewise.
    pub encoding: Duration,
    /// How many bytes the pixels of all pictures are.
    pub pixels: u64,
}

impl Scheduler {
    /// So many workers of this kind; they have been started when this returns. A single thread is
    /// one, whatever the number; 0 has rayon start one for each core.
    ///
    /// ```
    /// use downloader::{CalcType, Scheduler};
    ///
    /// assert!(Scheduler::new(CalcType::MultiThread, 4).is_ok());
    /// assert!(Scheduler::new(CalcType::MultiThread, 0).is_err());
    /// # assert!(Scheduler::new(CalcType::Rayon, 0).is_ok());
    /// # assert!(Scheduler::new(CalcType::SingleThread, 0).is_ok());
    /// ```
    ///
    /// # Errors
    /// A [`Failure`] with the reason: 0 threads or processes, or they can't be started.
    pub fn new(way: CalcType, workers: usize) -> Result<Self, Failure> {
        Ok(Self { workers: Workers::start(way, workers)? })
    }

    /// Downloads these, and saves them in the folder, which exists, as `MD5.png` or `MD5.jpg`;
    /// gives each stage's time. Between two stages it holds all pictures in memory.
    ///
    /// ```
    /// use downloader::{CalcType, ImageServer, Images, Scheduler};
    ///
    /// fn main() -> std::process::ExitCode {
    ///     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    ///         let images = Images { count: 4, width: 8, height: 8, ..Images::default() };
    ///         let server = ImageServer::start(images)?;
    ///         let folder = tempfile::tempdir()?;
    ///         let scheduler = Scheduler::new(CalcType::MultiProcess, 2)?;
    ///         let times = scheduler.run(server.urls().collect(), folder.path())?;
    ///         assert_eq!(folder.path().read_dir()?.count(), 4);
    ///         assert_eq!(times.pixels, 4 * 8 * 8 * 3);
    ///         Ok(())
    ///     })
    /// }
    /// ```
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

/// Another scheduler of this process connects anew.
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
