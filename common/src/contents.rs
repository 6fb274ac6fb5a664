//! The course's table of contents: which section of the tutorial is told by which command.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::text;

/// A section of the tutorial and the lessons that tell it.
///
/// ```
/// use common::contents::CONTENTS;
///
/// let section = CONTENTS.iter().find(|section| section.number == "3.2").expect("it is there");
/// assert_eq!((section.title, section.package), ("Queues", "ipc-queue"));
/// assert_eq!(section.lessons[0].name, "first-in-first-out");
/// ```
#[derive(Debug)]
pub struct Section {
    /// The tutorial's number: `3.2`.
    pub number: &'static str,
    /// The section's subject.
    pub title: &'static str,
    /// The crate to run.
    pub package: &'static str,
    /// The crate's lessons of this section, in order.
    pub lessons: &'static [Entry],
}

/// A lesson, as the table of contents has it. Its texts are English: [`translated`] has them in the
/// reader's language.
#[derive(Debug)]
pub struct Entry {
    /// The name on the command line: `full-and-empty`.
    pub name: &'static str,
    /// The minutes that it takes.
    pub minutes: u32,
    /// The question that the lesson answers.
    pub question: &'static str,
    /// The sentence to remember.
    pub remember: &'static str,
}

/// All sections, in the tutorial's order.
///
/// The minutes are an estimate: 200 words of the chapter a minute, 20 lines of output or of the
/// lesson's source, and six to run it and to try the one thing.
pub const CONTENTS: &[Section] = &[
    Section {
        number: "一",
        title: "Programs and processes",
        package: "process-basics",
        lessons: &[
            lesson(
                "hello-process",
                9,
                "A program is started several times: is that one process or several?",
                "A program is a file; a process is one run of it, with an id of its own.",
            ),
            lesson(
                "concurrent-or-parallel",
                12,
                "Six tasks and one core: do they run at the same time?",
                "Taking turns on one core is concurrent; several cores at once is parallel.",
            ),
        ],
    },
    Section {
        number: "2.1",
        title: "Starting and watching processes",
        package: "process-basics",
        lessons: &[
            lesson(
                "three-workers",
                10,
                "The main process starts three children: does it wait for them?",
                "Starting doesn't wait; joining does.",
            ),
            lesson(
                "methods",
                11,
                "How does one start, watch and end a process?",
                "To terminate is to ask, to kill is to force; after either, join.",
            ),
            lesson(
                "attributes",
                10,
                "Which attributes does a process have, and when do they get a value?",
                "It has a pid once started, an exit code once ended: −N after signal N.",
            ),
            lesson(
                "two-children",
                10,
                "Two children, each with its own work: what can the parent know of them?",
                "The parent knows their names, ids and whether they live, but not their data.",
            ),
        ],
    },
    Section {
        number: "2.2",
        title: "A process of your own",
        package: "process-basics",
        lessons: &[lesson(
            "a-process-of-your-own",
            10,
            "Without inheritance, how does one make a process type of one's own?",
            "The fields are the arguments; run is what the child does.",
        )],
    },
    Section {
        number: "2.3",
        title: "Pools",
        package: "pools",
        lessons: &[
            lesson(
                "ten-basins-three-taps",
                10,
                "Ten basins, three taps: how many are filled at a time?",
                "A pool does as many tasks at once as it has workers; the others wait.",
            ),
            lesson(
                "pool-parameters",
                11,
                "What can be set when a pool is created?",
                "How many workers, what each does first, and how many tasks each may do.",
            ),
            lesson(
                "pool-methods",
                11,
                "In which ways does one give tasks to a pool?",
                "apply: one; map: many; async: without waiting; imap: results one by one.",
            ),
            lesson(
                "blocking-or-not",
                11,
                "apply and apply_async: to wait or not to wait?",
                "apply waits, so tasks go one by one; apply_async doesn't, so they overlap.",
            ),
            lesson(
                "four-tasks-three-workers",
                10,
                "Three workers, four tasks: when does the fourth begin?",
                "Whichever worker is free takes the next task; close and join wait for all.",
            ),
            lesson(
                "in-sequence-or-in-parallel",
                10,
                "Six tasks of a second each: how long do they take together?",
                "map gives what a plain loop gives, done by many workers together.",
            ),
            lesson(
                "pools-of-threads",
                12,
                "What can a pool of threads do that one of processes can't? And vice versa?",
                "Threads share their memory, and their fate; processes share neither.",
            ),
            lesson(
                "a-worker-is-killed",
                11,
                "A worker is killed: what becomes of its task, and of the pool?",
                "Only the task it was doing fails, and says why; a new worker takes over.",
            ),
        ],
    },
    Section {
        number: "2.4",
        title: "Executors and futures",
        package: "executors",
        lessons: &[
            lesson(
                "a-future-s-life",
                12,
                "Which states does a future go through, and what can it be asked?",
                "Pending, running, finished; only what has not begun can be cancelled.",
            ),
            lesson(
                "too-early",
                10,
                "Look at the clock right after submitting: what do you see?",
                "submit doesn't wait: the main thread has measured only the submitting.",
            ),
            lesson(
                "wait-for-all",
                10,
                "How does one wait for several calls? And do they really count?",
                "wait: for the first or for all. Time only work the compiler has left in.",
            ),
            lesson(
                "leaving-the-scope",
                10,
                "Are the calls done when one leaves the with block?",
                "To leave the scope is to wait for all; in Rust, so is dropping the executor.",
            ),
            lesson(
                "asking-for-results",
                10,
                "What happens when one asks for a result that isn't there yet?",
                "result waits for its own call; as_completed gives first what is done first.",
            ),
            lesson(
                "the-same-on-processes",
                11,
                "On processes instead: what has to change, and how much faster is it?",
                "Only the executor changes; and in Rust threads, too, compute in parallel.",
            ),
        ],
    },
    Section {
        number: "2.5",
        title: "More than one machine",
        package: "cluster",
        lessons: &[
            lesson(
                "two-machines",
                11,
                "What if one machine isn't enough?",
                "One line makes it several machines; what changes is distance, and faults.",
            ),
            lesson(
                "a-machine-is-gone",
                10,
                "A machine is lost in the middle of the work: what is lost with it?",
                "Only what had begun there is lost, and its error names the machine.",
            ),
            lesson(
                "the-server-is-gone",
                10,
                "The server dies, and comes back: what becomes of the tasks?",
                "The server only carries; the client keeps each task until it is done.",
            ),
            lesson(
                "another-build",
                10,
                "A worker runs another build of the program: which tasks does it get?",
                "Only the same executable has the same functions: another build gets none.",
            ),
            lesson(
                "at-most-once",
                11,
                "A machine is silent, perhaps not dead: may its task run again elsewhere?",
                "Silent isn't dead: a task that may be retried has to be idempotent.",
            ),
        ],
    },
    Section {
        number: "三",
        title: "Nothing is shared",
        package: "ipc-pipe",
        lessons: &[lesson(
            "nothing-is-shared",
            11,
            "One process changes a global variable: does another see it?",
            "Each process has its own copy of everything but what it shares on purpose.",
        )],
    },
    Section {
        number: "三",
        title: "What processes can share",
        package: "ipc-shared",
        lessons: &[
            lesson(
                "one-plus-one",
                11,
                "Two processes add 1 to one number, 100,000 times each: what is it then?",
                "Between a load and a store another process may come in; an update is whole.",
            ),
            lesson(
                "a-holder-is-killed",
                11,
                "A process is killed while it holds a lock: is that locked for ever?",
                "The next one gets it, and is told of the death until all is in order.",
            ),
            lesson(
                "never-torn",
                12,
                "A process is killed in the middle of writing: what do the others read?",
                "A Value is old or new, never half. An Array can be torn, and says so.",
            ),
            lesson(
                "a-table-of-numbers",
                11,
                "A million numbers from two processes: shared or sent, which is faster?",
                "What is shared isn't copied; each process fills a part of its own.",
            ),
            lesson(
                "three-at-the-spring",
                11,
                "Three can drink at a time, and five come: how do they take turns?",
                "A semaphore has so many permits; that of a dead process is free again.",
            ),
            lesson(
                "all-at-the-start",
                11,
                "How do several processes begin together? And if one never comes?",
                "A barrier opens when all are there; if one is dead, the others are told.",
            ),
            lesson(
                "lights-out",
                11,
                "How does one process tell many others that something has happened?",
                "An event tells all that wait for it; wait_until waits for a value.",
            ),
            lesson(
                "ask-the-clerk",
                12,
                "A ledger is no plain bits: how can processes share it all the same?",
                "A server has it, and a call is whole; Python's d[k] += 1 is two, and loses.",
            ),
        ],
    },
    Section {
        number: "3.1",
        title: "Pipes",
        package: "ipc-pipe",
        lessons: &[
            lesson(
                "two-ends",
                9,
                "What can each end of a pipe do?",
                "Two-way: both ends send and receive. One-way: one end sends, one receives.",
            ),
            lesson(
                "poll-and-end-of-file",
                10,
                "Nothing has come yet, or the other end is closed: how can you tell which?",
                "poll asks if anything is there; once the other end is closed, recv says so.",
            ),
            lesson(
                "sender-and-receiver",
                10,
                "How does a text get from one process to another?",
                "Each end goes to one process; when the sender is closed, the receiver knows.",
            ),
            lesson(
                "producer-and-consumer",
                11,
                "One makes, the other takes: how do they keep in step?",
                "recv waits, so the consumer needn't guess; it ends when the producer does.",
            ),
        ],
    },
    Section {
        number: "3.2",
        title: "Queues",
        package: "ipc-queue",
        lessons: &[
            lesson(
                "first-in-first-out",
                8,
                "In which order do items come out of a queue?",
                "First in, first out.",
            ),
            lesson(
                "full-and-empty",
                10,
                "What happens when a queue is full, and when it is empty?",
                "A full queue makes you wait or tells you at once: your choice.",
            ),
            lesson(
                "one-message",
                9,
                "How does a child hand over data of different types?",
                "A queue holds one type; an enum makes one type of several.",
            ),
            lesson(
                "producers-and-consumers",
                12,
                "Three producers, two consumers: how do the consumers know when to stop?",
                "When all producers are done, put one end marker for each consumer.",
            ),
            lesson(
                "a-consumer-is-killed",
                11,
                "A consumer is killed: does the queue break?",
                "No lock is lost with it: a killed consumer takes only the item it held.",
            ),
        ],
    },
    Section {
        number: "四",
        title: "An image downloader",
        package: "downloader",
        lessons: &[
            lesson(
                "image-downloader",
                13,
                "Are threads or processes faster at downloading a list of images?",
                "Threads wait at the same time; cores share computing; processes move data.",
            ),
            lesson(
                "switch-cost",
                17,
                "Does it really cost far more to switch processes than to switch threads?",
                "Change one thing at a time, or you can't tell what made the difference.",
            ),
        ],
    },
    Section {
        number: "5.1",
        title: "Planning",
        package: "amdahl",
        lessons: &[
            lesson(
                "build-a-house",
                11,
                "A house is twelve days of work: in how many days can it stand?",
                "The critical path sets the length; other tasks have slack and may be late.",
            ),
            lesson(
                "make-tea",
                13,
                "One person and one stove: how soon is the tea ready?",
                "Begin with what is critical; do the rest meanwhile: that is planning.",
            ),
            lesson(
                "fourier-transform",
                12,
                "Of 31 parts of the work 25 can be shared by four: how much faster is that?",
                "Four workers are 2.53 times as fast: six parts can't be shared.",
            ),
        ],
    },
    Section {
        number: "5.2",
        title: "Amdahl's law",
        package: "amdahl",
        lessons: &[
            lesson(
                "amdahls-law",
                11,
                "More and more workers: does it get faster and faster?",
                "What can't be shared sets the limit: 1 / (1 − p).",
            ),
            lesson(
                "how-many-workers",
                11,
                "How many workers are right?",
                "Computing: one for each core. Waiting: N·(1 + wait/compute). Then measure.",
            ),
        ],
    },
];

/// Makes an entry.
const fn lesson(
    name: &'static str,
    minutes: u32,
    question: &'static str,
    remember: &'static str,
) -> Entry {
    Entry { name, minutes, question, remember }
}

/// Returns the names that `cargo run -p package -- --list` prints; none for a package without
/// lessons.
#[must_use]
pub fn lessons_of(package: &str) -> Vec<&'static str> {
    let sections = CONTENTS.iter().filter(|section| section.package == package);
    sections.flat_map(|section| section.lessons).map(|entry| entry.name).collect()
}

/// Returns a lesson and the section that it belongs to; `None` for what is no lesson's name.
///
/// ```
/// let (section, entry) = common::contents::find("two-ends").expect("it is there");
/// assert_eq!((section.package, entry.question), ("ipc-pipe", "What can each end of a pipe do?"));
/// ```
#[must_use]
pub fn find(lesson: &str) -> Option<(&'static Section, &'static Entry)> {
    all().find(|(_, entry)| entry.name == lesson)
}

/// Returns the number of the section that a lesson belongs to, `3.1`; empty for what is no lesson's
/// name.
#[must_use]
pub fn section_of(lesson: &str) -> &'static str {
    find(lesson).map_or("", |(section, _)| section.number)
}

/// Returns the lesson after this one in the course; `None` after the last.
pub(crate) fn next_after(lesson: &str) -> Option<(&'static Section, &'static Entry)> {
    all().skip_while(|(_, entry)| entry.name != lesson).nth(1)
}

/// Returns the section with this number, the first if several have it; `一` is also called 1.
///
/// ```
/// assert_eq!(common::contents::section("3").expect("it is there").number, "三");
/// ```
#[must_use]
pub fn section(number: &str) -> Option<&'static Section> {
    sections(number).next()
}

/// Returns the sections with this number: two crates tell 三, which is also called 3.
///
/// ```
/// let packages: Vec<_> = common::contents::sections("3").map(|section| section.package).collect();
/// assert_eq!(packages, ["ipc-pipe", "ipc-shared"]);
/// ```
pub fn sections(number: &str) -> impl Iterator<Item = &'static Section> {
    let number = match number {
        "1" => "一",
        "3" => "三",
        "4" => "四",
        number => number,
    };
    CONTENTS.iter().filter(move |section| section.number == number)
}

/// Returns the name of a lesson that a mistyped one may have meant.
#[must_use]
pub fn nearest(lesson: &str) -> Option<&'static str> {
    /// How alike they have to be, from 0 to 1.
    const ALIKE: f64 = 0.8;
    let rated = all().map(|(_, entry)| (strsim::jaro_winkler(lesson, entry.name), entry.name));
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(rate, _)| *rate > ALIKE).map(|(_, name)| name)
}

/// Returns all lessons in the tutorial's order.
fn all() -> impl Iterator<Item = (&'static Section, &'static Entry)> {
    CONTENTS.iter().flat_map(|section| section.lessons.iter().map(move |entry| (section, entry)))
}

/// The width of a section's number, with the space after it.
const NUMBER: usize = 4;

/// The table of contents as it is printed: each lesson with its section and its command.
///
/// ```
/// let printed = common::contents::Contents.to_string();
/// assert!(printed.contains("cargo run -p ipc-pipe -- two-ends"));
/// ```
#[derive(Debug)]
pub struct Contents;

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Section { number, title, package, lessons } in CONTENTS {
            let space = " ".repeat(NUMBER - number.width());
            writeln!(f, "§{number}{space}{}", translated(title))?;
            for Entry { name, minutes, .. } in *lessons {
                let command = format!("cargo run -p {package} -- {name}");
                writeln!(
                    f,
                    "{:NUMBER$} {command:<54} {}",
                    "",
                    text!("{} min", format_args!("{minutes:>2}"))
                )?;
            }
        }
        Ok(())
    }
}

/// Returns a text of the table of contents in the reader's language.
#[must_use]
pub fn translated(text: &str) -> String {
    text::translated(env!("CARGO_PKG_NAME"), text, &[])
}
