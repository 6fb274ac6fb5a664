//! A list of images goes through three stages, network, CPU and disk: on one thread, on threads, on
//! processes, and on rayon.
//!
//! ```python
//! class Downloader(Module): ...      # fetches and decodes
//! class Hasher(Module): ...          # convolves, and takes the MD5
//! class Storager(Module): ...        # encodes, and saves under that name
//! for calc_type in SingleThread, MultiThread, MultiProcess:
//!     Scheduler(calc_type).run(urls)     # each stage over the whole list
//! print(table)                           # the time of each stage, and the gain
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::arguments::option_of;
use common::measure::interleaved;
use common::narrator::varying_figure;
use common::pretend::pace;
use common::time::Stopwatch;
use common::{check, note, say};
use downloader::{CalcType, ImageServer, Images, Scheduler};
use multiprocess::Failure;

use super::figures::{Figures, explain, gain_table, spread_table};

const MAX_WORKERS: u32 = 10;
const IMAGES: u32 = 24;
const ROUNDS: usize = 3;
/// The width and height of an image, less in a debug build, which is slow.
const SIZE: [u32; 2] = if cfg!(debug_assertions) { [160, 120] } else { [320, 240] };

pub(crate) fn main() -> Result<(), Failure> {
    let workers = option_of("workers").unwrap_or(MAX_WORKERS) as usize;
    let count = option_of("images").unwrap_or(IMAGES) as usize;
    say!("starts a server with {} images, a process of its own", count);
    let latency = (pace().real(0.2), pace().real(0.8));
    let [width, height] = SIZE;
    let server = ImageServer::start(Images { count, width, height, latency, ..Images::default() })?;

    say!("starts one thread, {} threads, {} processes, and rayon", workers, workers);
    let mut schedulers = Vec::new();
    for calc_type in CalcType::ALL {
        let watch = Stopwatch::start();
        let scheduler = Scheduler::new(calc_type, workers)?;
        schedulers.push((scheduler, Figures::new(watch.elapsed())));
    }
    say!("has each in turn download, hash and store all images");
    let place = tempfile::tempdir()?;
    let mut stored = BTreeSet::new();
    interleaved(ROUNDS, schedulers.len(), |round, number| {
        let (scheduler, figures) = &mut schedulers[number];
        let folder = place.path().join(format!("{round}-{number}"));
        fs::create_dir(&folder)?;
        figures.times.push(scheduler.run(server.urls().collect(), &folder)?);
        stored.insert(files(&folder)?);
        Ok::<(), Failure>(())
    })?;
    let are_same = stored.len() == 1 && stored.iter().all(|files| files.len() == count);
    check!(are_same, "all have stored the same {} files, in each round", count);

    let figures: Vec<Figures> = schedulers.into_iter().map(|(_, figures)| figures).collect();
    note!("the tutorial's table: the total time of each stage, and its gain:");
    varying_figure(gain_table(&figures));
    note!("the median of {} rounds (smallest–largest):", ROUNDS);
    varying_figure(spread_table(&figures));
    explain(&figures, workers);
    Ok(())
}

/// Reads the files in a folder: their names and contents.
fn files(folder: &Path) -> std::io::Result<BTreeSet<(String, Vec<u8>)>> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    };
    fs::read_dir(folder)?.map(file).collect()
}
