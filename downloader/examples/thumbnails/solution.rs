//! The solution of the exercise in `yours.rs`.

use std::path::Path;

use multiprocess::Failure;
use multiprocess::futures::{Executor, MapOptions, ProcessPoolExecutor, ThreadPoolExecutor};

use crate::{fetch, shrink, store};

pub(crate) fn download(urls: Vec<String>, folder: &Path) -> Result<(), Failure> {
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
