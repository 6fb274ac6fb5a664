//! The course's table of contents: which section of the tutorial is told by which command.

use std::fmt;

use unicode_width::UnicodeWidthStr;

/// A section of the tutorial and the lessons that tell it.
///
/// ```
/// use common::contents::CONTENTS;
///
/// let section = CONTENTS.iter().find(|section| section.number == "3.2").expect("it is there");
/// assert_eq!((section.title, section.package), ("Queues", "ipc-queue"));
/// assert_eq!(section.lessons[0].0, "first-in-first-out");
/// ```
#[derive(Debug)]
pub struct Section {
    /// The tutorial's number: `3.2`.
    pub number: &'static str,
    /// The section's subject.
    pub title: &'static str,
    /// The crate to run.
    pub package: &'static str,
    /// The crate's lessons of this section, in order, each with the minutes that it takes.
    pub lessons: &'static [(&'static str, u32)],
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
        lessons: &[("hello-process", 11), ("concurrent-or-parallel", 14)],
    },
    Section {
        number: "2.1",
        title: "Starting and watching processes",
        package: "process-basics",
        lessons: &[
            ("three-workers", 10),
            ("methods", 11),
            ("attributes", 11),
            ("two-children", 11),
        ],
    },
    Section {
        number: "2.2",
        title: "A process of your own",
        package: "process-basics",
        lessons: &[("a-process-of-your-own", 10)],
    },
    Section {
        number: "2.3",
        title: "Pools",
        package: "pools",
        lessons: &[
            ("ten-basins-three-taps", 11),
            ("pool-parameters", 11),
            ("pool-methods", 12),
            ("blocking-or-not", 12),
            ("four-tasks-three-workers", 11),
            ("in-sequence-or-in-parallel", 10),
            ("pools-of-threads", 14),
            ("a-worker-is-killed", 12),
        ],
    },
    Section {
        number: "2.4",
        title: "Executors and futures",
        package: "executors",
        lessons: &[
            ("a-future-s-life", 12),
            ("too-early", 11),
            ("wait-for-all", 11),
            ("leaving-the-scope", 11),
            ("asking-for-results", 11),
            ("the-same-on-processes", 11),
        ],
    },
    Section {
        number: "三",
        title: "Nothing is shared",
        package: "ipc-pipe",
        lessons: &[("nothing-is-shared", 11)],
    },
    Section {
        number: "3.1",
        title: "Pipes",
        package: "ipc-pipe",
        lessons: &[
            ("two-ends", 9),
            ("poll-and-end-of-file", 10),
            ("sender-and-receiver", 10),
            ("producer-and-consumer", 11),
        ],
    },
    Section {
        number: "3.2",
        title: "Queues",
        package: "ipc-queue",
        lessons: &[
            ("first-in-first-out", 9),
            ("full-and-empty", 10),
            ("one-message", 10),
            ("producers-and-consumers", 13),
            ("a-consumer-is-killed", 11),
        ],
    },
    Section {
        number: "四",
        title: "An image downloader",
        package: "downloader",
        lessons: &[("image-downloader", 13), ("switch-cost", 24)],
    },
    Section {
        number: "5.1",
        title: "Planning",
        package: "amdahl",
        lessons: &[("build-a-house", 11), ("make-tea", 13), ("fourier-transform", 14)],
    },
    Section {
        number: "5.2",
        title: "Amdahl's law",
        package: "amdahl",
        lessons: &[("amdahls-law", 12), ("how-many-workers", 18)],
    },
];

/// Returns the names that `cargo run -p package -- --list` prints; none for a package without
/// lessons.
#[must_use]
pub fn lessons_of(package: &str) -> Vec<&'static str> {
    let sections = CONTENTS.iter().filter(|section| section.package == package);
    sections.flat_map(|section| section.lessons).map(|(name, _)| *name).collect()
}

/// Returns the number of the section that a lesson belongs to, `3.1`; empty for what is no lesson's
/// name.
#[must_use]
pub fn section_of(lesson: &str) -> &'static str {
    let tells = |section: &&Section| section.lessons.iter().any(|(name, _)| *name == lesson);
    let section = CONTENTS.iter().find(tells);
    section.map_or("", |section| section.number)
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
            writeln!(f, "§{number}{space}{title}")?;
            for (lesson, minutes) in *lessons {
                let command = format!("cargo run -p {package} -- {lesson}");
                writeln!(f, "{:NUMBER$} {command:<54} {minutes:>2} min", "")?;
            }
        }
        Ok(())
    }
}
