//! The report of the lesson `switch-cost`: for each question a table, and what it shows.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use common::arguments::option_of;
use common::files::{self, CreateError};
use common::measure::{Effort, Placement, Sample};
use common::narrator::varying_figure;
use common::pretend::pace;
use common::time::{Spread, context_switches, show};
use common::{note, say, text};
use indicatif::ProgressBar;
use multiprocess::Failure;
use serde_json::{Value, json};

use super::chart::chart;
use super::conclusion::{self, Conclusion, TOKENS};
use super::figures::Figures;
use super::start::{Memory, memory};
use super::subject::{Subject, WORKING_SETS, all};
use super::table::{self, Shown};

/// Seconds of a sample at the tutorial's pace, and the shortest.
const SAMPLE: f64 = 0.5;
const SHORTEST: f64 = 0.002;

/// Samples of each figure; the second for `--full`.
const ROUNDS: [usize; 2] = [5, 9];

/// Returns true if the command line asks for the tutorial's effort, `--full`.
fn is_full() -> bool {
    option_of("full").unwrap_or(false)
}

/// Returns the part of the tutorial's effort that is left at this pace: all of it for `--full`.
fn scale() -> f64 {
    if is_full() { 1.0 } else { pace().real(1.0).as_secs_f64().min(1.0) }
}

/// Returns how many tokens the lesson passes at this pace: for `--full` the tutorial's million.
#[must_use]
pub fn tokens() -> u64 {
    ((TOKENS as f64 * scale()) as u64).max(100)
}

/// All figures of the lesson.
#[derive(Debug)]
pub struct Study {
    figures: Figures,
    effort: Effort,
    memory: Option<Memory>,
}

/// A question, the table that answers it, and what the table shows.
struct Section {
    question: String,
    table: Shown,
    shows: Vec<Conclusion>,
}

impl Study {
    /// Measures everything; a terminal shows how much is done.
    ///
    /// # Errors
    /// The failure of anything that can be had on this machine.
    pub fn measure() -> Result<Self, Failure> {
        let rounds = ROUNDS[usize::from(is_full())];
        let seconds = (SAMPLE * scale()).max(SHORTEST);
        let effort = Effort { seconds, least: rounds, most: rounds, limit: Duration::MAX };
        let subjects: Vec<_> = all().into_iter().map(|subject| (subject, subject.peer())).collect();
        // The first round is a warm-up.
        let bar = ProgressBar::new((subjects.len() * (1 + rounds)) as u64);
        let figures = Figures::measure(subjects, &effort, || bar.inc(1));
        bar.finish_and_clear();
        Ok(Self { figures: figures?, effort, memory: memory().ok() })
    }

    /// Returns true if every figure has all its samples, or a reason why it has none. A token out
    /// of order, or an end that could leave its core, would have been an error.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_whole = |samples: &Vec<Sample>| samples.len() == self.effort.least;
        self.figures.0.iter().all(|(_, samples)| samples.as_ref().map_or(true, is_whole))
    }

    /// Prints for each question its table, and what that shows.
    pub fn print(&self) {
        note!(
            "A token there and back: the median of {} samples of {} (smallest–largest), {}.",
            self.effort.least,
            show(Duration::from_secs_f64(self.effort.seconds)),
            super::build()
        );
        match context_switches() {
            Ok(_) => note!("sw.: switches in a round trip, both ends together."),
            Err(_) => note!("sw.: switches are not counted on this system."),
        }
        for Section { question, table, shows } in self.sections() {
            say!("asks: {}", question);
            varying_figure(table);
            for conclusion in shows {
                note!("so {}", said(&conclusion));
            }
        }
    }

    fn sections(&self) -> Vec<Section> {
        use conclusion::{bytes, caches, cores, kinds, one_more, queue, switch, tutorial};
        let figures = &self.figures;
        let matrix = |placement| table::matrix(figures, placement);
        let section = |question, table, shows| Section { question, table, shows };
        vec![
            section(
                text!("does it matter whose memory it is? Both ends on one core"),
                matrix(Placement::OneCore),
                vec![switch(figures)],
            ),
            section(
                text!("do the cores matter? A core for each end"),
                matrix(Placement::TwoCores),
                vec![cores(figures)],
            ),
            section(
                text!("do the cores matter? The kernel chooses"),
                matrix(Placement::Free),
                vec![kinds(figures)],
            ),
            section(
                text!("does the queue matter? A row between the tutorial's two"),
                table::queues(figures),
                vec![queue(figures), tutorial(figures)],
            ),
            section(
                text!("what do the parts cost on their own?"),
                table::controls(figures),
                vec![bytes(figures)],
            ),
            section(
                text!("do processes lose more of what the caches held?"),
                table::caches(figures),
                WORKING_SETS.iter().skip(1).map(|touched| caches(figures, *touched)).collect(),
            ),
            section(
                text!("what does one more thread or process cost?"),
                table::start_up(figures, self.memory),
                vec![one_more(figures)],
            ),
        ]
    }

    /// Returns all samples, in seconds, and what was concluded.
    fn json(&self, tutorial: &Value) -> Value {
        let figure = |(subject, samples): &(Subject, Result<Vec<Sample>, String>)| {
            let times = samples.as_ref().ok();
            let times = times.map(|all| all.iter().map(|one| one.value).collect::<Vec<_>>());
            let spread = times.clone().and_then(Spread::of);
            let [median, min, max] =
                spread.map_or([None; 3], |of| [of.median, of.min, of.max].map(Some));
            json!({
                "subject": subject,
                "seconds": { "median": median, "min": min, "max": max, "samples": times },
                "switches": self.figures.switches(*subject),
                "missing": samples.as_ref().err(),
            })
        };
        let shows = self.sections().into_iter().flat_map(|section| section.shows);
        json!({
            "build": if cfg!(debug_assertions) { "debug build" } else { "release build" },
            "cores": multiprocess::cpu_count(),
            "sample_seconds": self.effort.seconds,
            "rounds": self.effort.least,
            "tutorial": tutorial,
            "figures": self.figures.0.iter().map(figure).collect::<Vec<_>>(),
            "memory_bytes": self.memory,
            "conclusions": shows.map(|conclusion| said(&conclusion)).collect::<Vec<_>>(),
        })
    }
}

/// Says what follows, or why nothing does.
fn said(conclusion: &Conclusion) -> String {
    match conclusion {
        Ok(sentence) => sentence.clone(),
        Err(reason) => text!("this can't be told here: {}.", reason),
    }
}

/// The files that the lesson writes if its command line names them by `--svg` and `--json`.
#[derive(Debug)]
pub struct Outputs {
    svg: Option<File>,
    json: Option<File>,
}

impl Outputs {
    /// Creates the files, before anything is measured in vain.
    ///
    /// # Errors
    /// If one can't be written.
    pub fn create() -> Result<Self, Failure> {
        let [svg, json] = ["svg", "json"].map(option_of::<PathBuf>);
        let created = files::create([svg.as_ref(), json.as_ref()], &[]).map_err(|error| {
            let (CreateError::Taken { path, .. } | CreateError::Refused { path, .. }) = error;
            Failure::new(text!("{} can't be written", path.display()))
        });
        let [svg, json] = created?;
        Ok(Self { svg, json })
    }

    /// Writes the plot and all samples, with the seconds of the tutorial's test here: two
    /// processes, two threads.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(self, study: &Study, tokens: u64, ours: [Duration; 2]) -> Result<(), Failure> {
        if let Some(mut file) = self.svg {
            let svg = chart(&study.figures).svg().map_err(Failure::new)?;
            file.write_all(svg.as_bytes())?;
        }
        if let Some(mut file) = self.json {
            let [processes, threads] = ours.map(|time| time.as_secs_f64());
            let tutorial = json!({ "tokens": tokens, "processes": processes, "threads": threads });
            file.write_all(format!("{:#}\n", study.json(&tutorial)).as_bytes())?;
        }
        Ok(())
    }
}
