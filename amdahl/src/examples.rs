//! The plans of the lessons, in the reader's language, and measurements to fit a law to.

use common::text;

use crate::Task;
use crate::report::PlanFile;

/// Measurements of a throughput by the number of workers, a CSV file.
///
/// ```
/// let report = amdahl::report::FitReport::of_csv(amdahl::examples::THROUGHPUT)?;
/// assert_eq!(report.fit.law.peak().map(f64::floor), Some(96.0));
/// # Ok::<(), amdahl::report::InputError>(())
/// ```
pub const THROUGHPUT: &str = include_str!("../examples/throughput.csv");

/// Units of work of the Fourier transform to read, as many as to combine.
pub const SERIAL: f64 = 3.0;
/// Units of work of the Fourier transform that can be shared, between reading and combining.
pub const SHARED: f64 = 25.0;

/// Returns the house: built in 11 days, of 12 days of work.
///
/// ```
/// let (house, _) = amdahl::examples::house().into_plan()?;
/// assert_eq!((house.work(), house.timetable().makespan), (12.0, 11.0));
/// # Ok::<(), amdahl::report::InputError>(())
/// ```
#[must_use]
pub fn house() -> PlanFile {
    let (foundation, walls) = (&text!("foundation"), &text!("walls"));
    let (windows, paint) = (&text!("doors and windows"), &text!("paint"));
    let material = &text!("material");
    let tasks = vec![
        Task::new(foundation, 5.0, &[]),
        Task::new(walls, 3.0, &[foundation, material]),
        Task::new(windows, 2.0, &[walls]),
        Task::new(paint, 1.0, &[windows]),
        Task::new(material, 1.0, &[]),
    ];
    PlanFile { unit: Some(text!("days")), tasks, ..PlanFile::default() }
}

/// Returns Hua Luogeng's tea, made by one person with one stove in 16 minutes.
///
/// ```
/// let (tea, _) = amdahl::examples::tea().into_plan()?;
/// assert_eq!((tea.work(), tea.schedule(None).makespan), (20.0, 16.0));
/// # Ok::<(), amdahl::report::InputError>(())
/// ```
#[must_use]
pub fn tea() -> PlanFile {
    let (kettle, boil) = (&text!("wash the kettle"), &text!("boil the water"));
    let rest = [text!("wash the pot"), text!("wash the cups"), text!("fetch the leaves")];
    let [pot, cups, leaves] = &rest;
    let (person, stove) = (&text!("person"), &text!("stove"));
    let tasks = vec![
        Task::new(kettle, 1.0, &[]).needing(person, 1),
        Task::new(boil, 15.0, &[kettle]).needing(stove, 1),
        Task::new(pot, 1.0, &[]).needing(person, 1),
        Task::new(cups, 2.0, &[]).needing(person, 1),
        Task::new(leaves, 1.0, &[]).needing(person, 1),
        Task::new(&text!("brew the tea"), 0.0, &[boil, pot, cups, leaves]),
    ];
    let resources = [(person.clone(), 1), (stove.clone(), 1)].into();
    PlanFile { unit: Some(text!("minutes")), resources, tasks, ..PlanFile::default() }
}

/// Returns the Fourier transform, whose middle part so many workers share.
///
/// ```
/// let (transform, _) = amdahl::examples::fourier_transform(4).into_plan()?;
/// assert_eq!((transform.work(), transform.timetable().makespan), (31.0, 12.25));
/// # Ok::<(), amdahl::report::InputError>(())
/// ```
#[must_use]
pub fn fourier_transform(workers: usize) -> PlanFile {
    let (read, combine) = (&text!("read"), text!("combine"));
    let shares: Vec<String> = (1..=workers).map(|share| text!("transform {}", share)).collect();
    let mut tasks = vec![Task::new(read, SERIAL, &[])];
    tasks.extend(shares.iter().map(|share| Task::new(share, SHARED / workers as f64, &[read])));
    tasks.push(Task { after: shares, ..Task::new(&combine, SERIAL, &[]) });
    PlanFile { tasks, ..PlanFile::default() }
}
