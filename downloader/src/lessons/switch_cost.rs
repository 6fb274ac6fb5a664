//! You'll see the tutorial's test of what a switch costs, and then the four things in it, one at a
//! time.
//!
//! ```python
//! def a(q1, q2):                    # b: the other way round
//!     for _ in range(1_000_000):
//!         q1.put(1); q2.get()
//! q1, q2 = multiprocessing.Queue(), multiprocessing.Queue()    # a and b are processes
//! q1, q2 = queue.Queue(), queue.Queue()                        # a and b are threads
//! ```

use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgAction, value_parser};
use common::files;
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Stopwatch, context_switches, show};
use crossbeam::channel::{Receiver, Sender, unbounded};
use downloader::switch::{self, Figures, Placement, Places, Terms};
use indicatif::ProgressBar;
use multiprocess::{Failure, Process, Queue, tasks};
use serde_json::json;

/// Seconds of a sample at the tutorial's pace, and the shortest.
const SAMPLE: f64 = 0.5;
const SHORTEST: Duration = Duration::from_millis(2);

/// Samples of each figure; the second for `--full`.
const ROUNDS: [usize; 2] = [5, 9];

/// The question about each of the three placements.
const QUESTIONS: [&str; 3] = [
    "whose memory? Both on one core, all else the same: who is slower?",
    "which cores? The same with a core for each",
    "which cores? The same wherever the kernel puts them",
];

pub(crate) const LESSON: Lesson = Lesson {
    name: "switch-cost",
    section: "四",
    question: (
        "切换进程真的比切换线程贵得多吗？",
        "Does it really cost far more to switch processes than to switch threads?",
    ),
    remember: (
        "一次只改变一样东西，才知道差别从哪里来。",
        "Change one thing at a time, or you can't tell what made the difference.",
    ),
    tell,
};

tasks![pass_over_queues];

/// Returns the options of this lesson.
pub(crate) fn options() -> [Arg; 3] {
    let file = |name: &'static str, help: &'static str| {
        let file = Arg::new(name).long(name).value_name("FILE");
        file.value_parser(value_parser!(PathBuf)).help(help)
    };
    let full = "switch-cost: the tutorial's million round trips, and longer samples";
    [
        Arg::new("full").long("full").action(ArgAction::SetTrue).help(full),
        file("json", "switch-cost: write all figures to this file"),
        file("svg", "switch-cost: draw its figures into this file"),
    ]
}

fn tell(story: &Story) -> Told {
    // Before anything is measured in vain.
    let paths = ["svg", "json"].map(|option| story.option::<PathBuf>(option));
    let [svg, json] =
        files::create(paths.each_ref().map(Option::as_ref), &[]).map_err(Failure::new)?;
    // At ten times the tutorial's pace, a tenth of its tokens and of the time for a sample.
    let scale = if story.has("full") { 1.0 } else { story.pace().real(1.0).as_secs_f64().min(1.0) };
    let tokens = ((switch::TOKENS as f64 * scale) as u64).max(100);
    let time = Duration::from_secs_f64(SAMPLE * scale).max(SHORTEST);

    story.event("parent", "has two processes pass tokens over two of our queues");
    let watch = Stopwatch::start();
    story.ok("each got all tokens of the other, in order", between_processes(tokens)?)?;
    let processes = watch.elapsed();
    story.event("parent", "has two threads pass as many over two of crossbeam's channels");
    let watch = Stopwatch::start();
    story.ok("each got all tokens of the other, in order", between_threads(tokens)?)?;
    let threads = watch.elapsed();
    story.varying_figure(switch::tutorial(tokens, [processes, threads]));

    story.event("parent", "finds four things that differ between the two rows at once:");
    story.event("memory", "processes have each their own; threads share one");
    story.event("queue", "each row has another queue, which is another program");
    story.event("bytes", "what goes to another process becomes bytes first");
    story.event("cores", "the kernel puts the two where it likes");
    story.event("parent", "changes one of them at a time, and counts the switches");
    let places = Places::here();
    let terms = Terms { time, rounds: ROUNDS[usize::from(story.has("full"))] };
    let bar = ProgressBar::new(1);
    let figures = Figures::measure(switch::all(), &places, terms, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let figures = figures?;
    // A token out of order, or a bound end that could leave its core, would have been an error.
    story.ok(
        "every token came back, and every bound end stayed on its core",
        figures.are_complete(terms),
    )?;
    let memory = switch::memory().ok();

    let counted = match context_switches() {
        Ok(_) => "switches in it, counted, both ends together",
        Err(_) => "not counted on this system",
    };
    let legend = format!(
        "A token there and back: the median of {} samples of {} each, in brackets the smallest and \
         the largest ({}). sw.: {counted}.",
        terms.rounds,
        show(time),
        switch::BUILD
    );
    story.varies(legend);
    for (placement, question) in Placement::ALL.into_iter().zip(QUESTIONS) {
        story.event("question", question);
        story.varying_figure(switch::matrix(&figures, placement));
    }
    story.event("question", "which queue? What lies between the tutorial's two rows?");
    story.varying_figure(switch::queues(&figures));
    story.event("question", "bytes, and the rest: what do the parts cost on their own?");
    story.varying_figure(switch::controls(&figures));
    story.event("question", "do processes lose more of what the caches held?");
    story.varying_figure(switch::caches(&figures));
    story.event("question", "what does it cost to have one more?");
    story.varying_figure(switch::start_up(&figures, memory));
    story.event("parent", "draws from these figures what they show, and no more");
    let conclusions = switch::conclusions(&figures, memory);
    for conclusion in &conclusions {
        story.varies(conclusion);
    }
    if let Some(mut file) = svg {
        file.write_all(switch::svg(&figures)?.as_bytes())?;
    }
    if let Some(mut file) = json {
        let [processes, threads] = [processes, threads].map(|time| time.as_secs_f64());
        let tutorial = json!({ "tokens": tokens, "processes": processes, "threads": threads });
        let text = switch::json(&figures, terms, memory, &tutorial, &conclusions);
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Passes tokens between two processes; returns true if each has got the other's.
fn between_processes(tokens: u64) -> Result<bool, Failure> {
    let (q1, q2) = (Queue::unbounded()?, Queue::unbounded()?);
    let first = (q1.clone(), q2.clone(), tokens);
    let mut a = Process::new(pass_over_queues, first).named("a");
    let mut b = Process::new(pass_over_queues, (q2, q1, tokens)).named("b");
    a.start()?;
    b.start()?;
    a.join()?;
    b.join()?;
    Ok(a.exitcode() == Some(0) && b.exitcode() == Some(0))
}

/// Runs in each of the two processes.
fn pass_over_queues((into, from, tokens): (Queue<u64>, Queue<u64>, u64)) -> Result<(), Failure> {
    pass(tokens, |token| Ok(into.put(token)?), || Ok(from.get()?))
}

/// Passes tokens between two threads; returns true if each has got the other's.
fn between_threads(tokens: u64) -> Result<bool, Failure> {
    let (to_b, from_a) = unbounded();
    let (to_a, from_b) = unbounded();
    let a = thread::spawn(move || pass_over_channels(tokens, &to_b, &from_b));
    let b = thread::spawn(move || pass_over_channels(tokens, &to_a, &from_a));
    let [a, b] = [a, b].map(|thread| thread.join());
    Ok(matches!((a, b), (Ok(Ok(())), Ok(Ok(())))))
}

fn pass_over_channels(
    tokens: u64,
    into: &Sender<u64>,
    from: &Receiver<u64>,
) -> Result<(), Failure> {
    pass(tokens, |token| Ok(into.send(token)?), || Ok(from.recv()?))
}

/// Runs the tutorial's loop: puts a token, gets the other's.
fn pass(
    tokens: u64,
    put: impl Fn(u64) -> Result<(), Failure>,
    get: impl Fn() -> Result<u64, Failure>,
) -> Result<(), Failure> {
    for token in 0..tokens {
        put(token)?;
        let other = get()?;
        if other != token {
            return Err(Failure::new(format!("token {token} was due, but {other} came")));
        }
    }
    Ok(())
}
