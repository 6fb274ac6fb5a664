//! The report of the lesson `switch-cost`: for each question a table, and what it shows.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use common::arguments::option_of;
use common::files::{self, CreateError};
use common::narrator::varying_figure;
use common::pretend::pace;
use common::time::{context_switches, show};
use common::{note, say, text};
use indicatif::ProgressBar;
use multiprocess::Failure;
use serde_json::json as value;

use super::conclusion::{self, Conclusion, TOKENS};
use super::subject::WORKING_SETS;
use super::{Figures, Memory, Placement, Places, Shown, Terms, table};

/// Seconds of a sample at the tutorial's pace, and the shortest.
const SAMPLE: f64 = 0.5;
const SHORTEST: Duration = Duration::from_millis(2);

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
    terms: Terms,
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
    /// Those of [`Figures::measure`].
    pub fn measure() -> Result<Self, Failure> {
        let time = Duration::from_secs_f64(SAMPLE * scale()).max(SHORTEST);
        let terms = Terms { time, rounds: ROUNDS[usize::from(is_full())] };
        let bar = ProgressBar::new(1);
        let figures = Figures::measure(super::all(), &Places::here(), terms, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        Ok(Self { figures: figures?, terms, memory: super::memory().ok() })
    }

    /// Returns true if every figure has all its samples, or a reason why it has none. A token out
    /// of order, or an end that could leave its core, would have been an error.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.figures.are_complete(self.terms)
    }

    /// Prints for each question its table, and what that shows.
    pub fn print(&self) {
        note!(
            "A token there and back: the median of {} samples of {} (smallest–largest), {}.",
            self.terms.rounds,
            show(self.terms.time),
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
            file.write_all(super::svg(&study.figures)?.as_bytes())?;
        }
        if let Some(mut file) = self.json {
            let [processes, threads] = ours.map(|time| time.as_secs_f64());
            let tutorial = value!({ "tokens": tokens, "processes": processes, "threads": threads });
            let shows = study.sections().into_iter().flat_map(|section| section.shows);
            let shows: Vec<String> = shows.map(|conclusion| said(&conclusion)).collect();
            let Study { figures, terms, memory } = study;
            let text = super::json(figures, *terms, *memory, &tutorial, &shows);
            file.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}
