//! Exercise: thumbnails. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：缩略图。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use downloader::{ImageServer, Images, Limits, Picture};
use multiprocess::futures::FutureError;
use multiprocess::{Failure, tasks};

/// The longest that the server may take for a picture.
const PATIENCE: Duration = Duration::from_secs(30);
/// The picture that crashes the process that makes it smaller.
const CRASHES: usize = 7;

tasks![shrink];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let mut arguments = env::args_os().skip(1).peekable();
        let download = match arguments.next_if_eq("--solution") {
            Some(_) => solution::download,
            None => yours::download,
        };
        let folder = arguments.next().map(PathBuf::from);
        let folder = folder.ok_or_else(|| Failure::new("say into which folder"))?;
        let latency = (Duration::from_millis(5), Duration::from_millis(20));
        let images = Images { count: 24, width: 64, height: 48, latency, ..Images::default() };
        let server = ImageServer::start(images)?;
        let missing = format!("http://{}/missing.png", server.address());
        download(server.urls().chain([missing]).collect(), &folder)
    })
}

/// Writes the file to the disk, named by its number.
fn store(
    file: Result<Result<Vec<u8>, Failure>, FutureError>,
    number: usize,
    folder: &Path,
) -> Result<(), Failure> {
    Ok(fs::write(folder.join(number.to_string()), file??)?)
}

/// Runs in a thread: fetches a file over the network.
fn fetch((number, url): (usize, String)) -> Result<Vec<u8>, Failure> {
    println!("begins {number}");
    let request = ureq::get(url).config().timeout_global(Some(PATIENCE)).build();
    Ok(request.call()?.body_mut().read_to_vec()?)
}

/// Runs in a process, because it may crash: takes every second pixel of every second row, which
/// keeps the CPU busy, and makes a file of them. What could not be fetched stays an error.
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
