//! The course's table of contents: which section of the tutorial is told by which command.

use std::fmt;

use unicode_width::UnicodeWidthStr;

/// A section of the tutorial and the lessons that tell it.
#[derive(Debug)]
pub struct Section {
    /// The tutorial's number: `3.2`.
    pub number: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// The crate to run.
    pub package: &'static str,
    /// Its lessons of this section, in order.
    pub lessons: &'static [&'static str],
}

/// All sections, in the tutorial's order.
pub const CONTENTS: &[Section] = &[
    Section {
        number: "一",
        title: "Programs and processes",
        package: "process-basics",
        lessons: &["hello-process", "concurrent-or-parallel"],
    },
    Section {
        number: "2.1",
        title: "Starting and watching processes",
        package: "process-basics",
        lessons: &["three-workers", "methods", "attributes", "two-children"],
    },
    Section {
        number: "2.2",
        title: "A process of your own",
        package: "process-basics",
        lessons: &["a-process-of-your-own"],
    },
    Section {
        number: "2.3",
        title: "Pools",
        package: "pools",
        lessons: &[
            "ten-basins-three-taps",
            "pool-parameters",
            "pool-methods",
            "blocking-or-not",
            "four-tasks-three-workers",
            "in-sequence-or-in-parallel",
            "pools-of-threads",
            "a-worker-is-killed",
        ],
    },
    Section {
        number: "2.4",
        title: "Executors and futures",
        package: "executors",
        lessons: &[
            "a-future-s-life",
            "too-early",
            "wait-for-all",
            "leaving-the-scope",
            "asking-for-results",
            "the-same-on-processes",
        ],
    },
    Section {
        number: "三",
        title: "Nothing is shared",
        package: "ipc-pipe",
        lessons: &["nothing-is-shared"],
    },
    Section {
        number: "3.1",
        title: "Pipes",
        package: "ipc-pipe",
        lessons: &[
            "two-ends",
            "poll-and-end-of-file",
            "sender-and-receiver",
            "producer-and-consumer",
        ],
    },
    Section {
        number: "3.2",
        title: "Queues",
        package: "ipc-queue",
        lessons: &[
            "first-in-first-out",
            "full-and-empty",
            "one-message",
            "producers-and-consumers",
            "a-consumer-is-killed",
        ],
    },
    Section {
        number: "四",
        title: "An image downloader",
        package: "downloader",
        lessons: &["image-downloader", "switch-cost"],
    },
    Section {
        number: "5.1",
        title: "Planning",
        package: "amdahl",
        lessons: &["build-a-house", "make-tea", "fourier-transform"],
    },
    Section {
        number: "5.2",
        title: "Amdahl's law",
        package: "amdahl",
        lessons: &["amdahls-law", "how-many-workers"],
    },
];

/// The names that `cargo run -p package -- --list` prints.
#[must_use]
pub fn lessons_of(package: &str) -> Vec<&'static str> {
    let sections = CONTENTS.iter().filter(|section| section.package == package);
    sections.flat_map(|section| section.lessons).copied().collect()
}

/// The number of the section that a lesson belongs to.
#[must_use]
pub fn section_of(lesson: &str) -> &'static str {
    let section = CONTENTS.iter().find(|section| section.lessons.contains(&lesson));
    section.map_or("", |section| section.number)
}

/// How wide a section's number is, with the space after it.
const NUMBER: usize = 4;

/// The table of contents as it is printed.
#[derive(Debug)]
pub struct Contents;

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Section { number, title, package, lessons } in CONTENTS {
            let space = " ".repeat(NUMBER - number.width());
            writeln!(f, "§{number}{space}{title}")?;
            for lesson in *lessons {
                writeln!(f, "{:NUMBER$} cargo run -p {package} -- {lesson}", "")?;
            }
        }
        Ok(())
    }
}
