//! The solution of the exercise in `word_count.rs`.

use std::collections::BTreeMap;
use std::{env, fs};

use multiprocess::{Failure, Process, Queue, tasks};

const COUNTERS: usize = 3;

/// A line, and its number from 0.
type Line = (usize, String);
/// The number of a line, and how many words it has.
type Count = (usize, usize);

tasks![count];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let [file, deaths] = &arguments[..] else {
            return Err(Failure::new("say which file, and how many of the counters shall die"));
        };
        let text = fs::read_to_string(file)?;
        let lines: Vec<Line> = text.lines().map(str::to_owned).enumerate().collect();
        let work = Queue::bounded(10)?;
        let counts = Queue::bounded(lines.len() + 1)?;
        let fate = Queue::bounded(COUNTERS)?;
        for _ in 0..deaths.parse()? {
            fate.try_put(())?;
        }
        for _ in 0..COUNTERS {
            let ends = (work.clone(), counts.clone(), fate.clone());
            // Daemonic: they end with this program.
            Process::new(count, ends).daemonic(true).start()?;
        }
        println!("{} words", count_all(&lines, &work, &counts)?);
        Ok(())
    })
}

/// Runs in each of the counters: takes lines and counts their words.
fn count((work, counts, fate): (Queue<Line>, Queue<Count>, Queue<()>)) -> Result<(), Failure> {
    loop {
        let (number, line) = work.get()?;
        counts.put((number, words(&line, &fate)))?;
        // Not before its count is in the queue: until then it dies with us.
        work.task_done()?;
    }
}

/// Has the lines counted; a line whose counter has died is put again. Returns the number of words.
fn count_all(lines: &[Line], work: &Queue<Line>, counts: &Queue<Count>) -> Result<usize, Failure> {
    let mut counted = BTreeMap::new();
    while counted.len() < lines.len() {
        for line in lines.iter().filter(|(number, _)| !counted.contains_key(number)) {
            work.put(line.clone())?;
        }
        work.join()?;
        // By number: a counter may have died after its count, but before it was done.
        counted.extend(std::iter::from_fn(|| counts.try_get().ok()));
    }
    Ok(counted.values().sum())
}

/// How many words a line has. Whoever draws a lot from `fate` dies of it.
fn words(line: &str, fate: &Queue<()>) -> usize {
    if fate.try_get().is_ok() {
        std::process::abort();
    }
    line.split_whitespace().count()
}
