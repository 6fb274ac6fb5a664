//! Exercise: a downloader that has few pictures in memory, however long the list is.
//!
//! The lesson runs each stage over the whole list: all pictures are in memory at once. Here the
//! three stages, which are written, shall run at the same time: `fetch` on several threads,
//! `shrink` on processes, and storing here. No more than eight pictures may be under way: begun,
//! but neither stored nor failed. Say `stored 3` or `failed 3: why` of each; one picture is missing,
//! and one crashes whoever shrinks it, but all others are stored.
//!
//! Once `cargo build -p downloader --examples` has built it,
//! `cargo test -p downloader --test exercise -- --ignored` tells whether it is done.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use downloader::{ImageServer, Images, Limits, Picture};
use multiprocess::futures::FutureError;
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
    // Yours to write, in place of these two lines.
    let _ = (urls, folder, fetch, shrink, store);
    Err(Failure::new("not written yet"))
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
