//! The solution of the exercise in `thumbnails.rs`.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use downloader::{ImageServer, Images, Limits, Picture};
use multiprocess::futures::{
    Executor, FutureError, MapOptions, ProcessPoolExecutor, ThreadPoolExecutor,
};
use multiprocess::{Failure, tasks};

/// The longest that the server may take for a picture.
const PATIENCE: Duration = Duration::from_secs(30);
/// The picture that crashes whoever makes it smaller.
const CRASHES: usize = 7;

tasks![shrink];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let folder = env::args_os().nth(1).map(PathBuf::from);
        let folder = folder.ok_or_else(|| Failure::new("say into which folder"))?;
        let latency = (Duration::from_millis(5), Duration::from_millis(20));
        let images = Images { count: 24, width: 64, height: 48, latency, ..Images::default() };
        let server = ImageServer::start(images)?;
        let missing = format!("http://{}/missing.png", server.address());
        download(server.urls().chain([missing]).collect(), &folder)
    })
}

/// Fetches, shrinks and stores these pictures, no more than eight of them being under way.
fn download(urls: Vec<String>, folder: &Path) -> Result<(), Failure> {
    let (threads, processes) = (ThreadPoolExecutor::new(4), ProcessPoolExecutor::new(2)?);
    let at_most = |pictures| MapOptions::default().buffersize(pictures);
    // Each map takes a picture from the one before it when it has given one on: 4 + 3, and one
    // that is being stored.
    let fetched = threads.map_with(at_most(4), fetch, urls.into_iter().enumerate())?;
    let fetched = fetched.map(|file| file?).enumerate();
    let small = processes.map_with(at_most(3), shrink, fetched)?;
    for (number, file) in small.enumerate() {
        match store(file, number, folder) {
            Ok(()) => println!("stored {number}"),
            Err(error) => println!("failed {number}: {error}"),
        }
    }
    Ok(())
}

/// Disk: writes the file, named by its number.
fn store(
    file: Result<Result<Vec<u8>, Failure>, FutureError>,
    number: usize,
    folder: &Path,
) -> Result<(), Failure> {
    Ok(fs::write(folder.join(number.to_string()), file??)?)
}

/// Network: a file. Runs in a thread.
fn fetch((number, url): (usize, String)) -> Result<Vec<u8>, Failure> {
    println!("begins {number}");
    let request = ureq::get(url).config().timeout_global(Some(PATIENCE)).build();
    Ok(request.call()?.body_mut().read_to_vec()?)
}

/// CPU: every second pixel of every second row, as a file. Runs in a process, because it may crash.
/// What could not be fetched stays an error.
fn shrink((number, file): (usize, Result<Vec<u8>, Failure>)) -> Result<Vec<u8>, Failure> {
    let large = Picture::decode(&file?, Limits::default())?;
    if number == CRASHES {
        std::process::abort();
    }
    let (width, channels) = (large.width as usize, usize::from(large.channels));
    let rows = large.pixels.chunks_exact(width * channels).step_by(2);
    let pixels = rows.flat_map(|row| row.chunks_exact(channels).step_by(2)).flatten().copied();
    let small = Picture {
        width: large.width.div_ceil(2),
        height: large.height.div_ceil(2),
        pixels: pixels.collect(),
        ..large
    };
    Ok(small.encode()?)
}
