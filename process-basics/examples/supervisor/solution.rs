//! The solution of the exercise in `yours.rs`.

use multiprocess::{Failure, Waiting, wait};

use crate::{WORKERS, start};

pub(crate) fn supervise(waiting: &Waiting) -> Result<[i32; WORKERS], Failure> {
    let mut codes = [-1; WORKERS];
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        workers.push((index, start(index, waiting)?));
    }
    while !workers.is_empty() {
        let sentinels: Vec<_> =
            workers.iter().filter_map(|(_, worker)| worker.sentinel()).collect();
        // From the last to the first: what is removed doesn't move those that are still to come.
        for ended in wait(&sentinels, None)?.into_iter().rev() {
            let (index, worker) = workers.swap_remove(ended);
            worker.join()?;
            match worker.exitcode() {
                Some(code) if code >= 0 => codes[index] = code,
                _ => workers.push((index, start(index, waiting)?)),
            }
        }
    }
    Ok(codes)
}
