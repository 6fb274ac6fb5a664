//! You'll see a list of images go through three stages, network, CPU and disk, in four ways; and
//! which way wins where, and why.
//!
//! ```python
//! class Downloader(Module): ...      # fetches with requests, decodes with PIL
//! class Hasher(Module): ...          # convolves with scipy, hashes with hashlib
//! class Storager(Module): ...        # saves under the hash's name
//! Scheduler(CalcType.MultiProcess).run(urls)
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{Arg, value_parser};
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::Stopwatch;
use downloader::{CalcType, ImageServer, Images, Scheduler};

use super::figures::{Figures, gain_table, spread_table, why};

const ROUNDS: usize = 3;
/// The latency in the tutorial's seconds: 20 to 80 ms at the usual pace.
const LATENCY: (f64, f64) = (0.2, 0.8);

pub(crate) const LESSON: Lesson = Lesson {
    name: "image-downloader",
    section: "四",
    question: (
        "下载一批图片，用线程快，还是用进程快？",
        "Are threads or processes faster at downloading a list of images?",
    ),
    remember: (
        "等待可以靠多开线程来重叠，计算只能靠多核来分担；用进程还得搬运数据。",
        "Many threads overlap waiting; cores share computing; processes move data.",
    ),
    tell,
};

/// Returns the options of this lesson.
pub(crate) fn options() -> [Arg; 2] {
    let option = |name: &'static str, default: &'static str, help: &'static str| {
        let range = value_parser!(u32).range(1..=10_000);
        let option = Arg::new(name).long(name).value_name("N").value_parser(range);
        option.default_value(default).help(help)
    };
    [
        option("workers", "10", "How many threads or processes download (image-downloader)"),
        option("images", "24", "How many images there are (image-downloader)"),
    ]
}

fn tell(story: &Story) -> Told {
    let number = |name| story.option::<u32>(name).unwrap_or(1) as usize;
    let (workers, count) = (number("workers"), number("images"));
    let latency = (story.pace().real(LATENCY.0), story.pace().real(LATENCY.1));
    story.event("parent", format!("starts a server with {count} images, a process of its own"));
    let server = ImageServer::start(Images { count, latency, ..Images::default() })?;

    story.event("parent", "downloads them by one thread, threads, processes, rayon, in turns");
    let place = tempfile::tempdir()?;
    let mut figures = Vec::new();
    let mut schedulers = Vec::new();
    for way in CalcType::ALL {
        let watch = Stopwatch::start();
        let scheduler = Scheduler::new(way, workers)?;
        schedulers.push(scheduler);
        figures.push(Figures { start_up: watch.elapsed(), times: Vec::new() });
    }
    let mut stored = BTreeSet::new();
    for round in 0..ROUNDS {
        for (way, scheduler) in schedulers.iter().enumerate() {
            let folder = place.path().join(format!("{round}-{way}"));
            fs::create_dir(&folder)?;
            figures[way].times.push(scheduler.run(server.urls().collect(), &folder)?);
            stored.insert(files(&folder)?);
        }
    }
    let same = stored.len() == 1 && stored.first().is_some_and(|files| files.len() == count);
    story.ok(format!("all ways, in all rounds, have stored the same {count} files"), same)?;

    story.varying_figure(gain_table(&figures));
    story.varies(format!("the median of {ROUNDS} rounds (smallest–largest), {workers} workers:"));
    story.varying_figure(spread_table(&figures));
    why(&figures, workers, multiprocess::cpu_count()).iter().for_each(|line| story.varies(line));
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
