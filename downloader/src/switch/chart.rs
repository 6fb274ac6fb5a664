//! The matrix as a picture: threads and processes over every transport, in every placement.

use common::measure::Placement;
use common::measure::chart::{Chart, Line};
use common::text;
use common::time::Spread;

use super::figures::Figures;
use super::subject::{BOTH, Subject, TRANSPORTS};

/// Makes the chart, in microseconds.
pub(crate) fn chart(figures: &Figures) -> Chart {
    let mut lines = Vec::new();
    for placement in Placement::ALL {
        lines.push(Line::Heading(placement.name()));
        lines.extend(TRANSPORTS.map(|transport| {
            let micros = |execution| {
                let time = figures.time(Subject::trip(execution, transport, placement)).ok()?;
                Spread::of([time.min, time.median, time.max].map(|time| time.as_secs_f64() * 1e6))
            };
            Line::Figures(transport.name(), BOTH.map(micros), String::new())
        }));
    }
    Chart {
        title: text!("A token there and back, in microseconds"),
        legend: Some([text!("threads"), text!("processes")]),
        lines,
        unit: String::new(),
        has_bars: false,
        foot: vec![text!(
            "A dot is the median, a line goes from the smallest to the largest sample. Where two \
             lines overlap, no difference is shown."
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::samples;
    use super::super::subject::all;
    use super::*;

    #[test]
    fn every_measured_round_trip_of_the_matrix_is_a_dot() {
        let figure = |subject| (subject, samples([1, 5, 30], 2.0));
        let all = all().into_iter().map(figure).collect();
        let document = chart(&Figures(all)).svg().unwrap();
        // Two are the legend's.
        assert_eq!(document.matches("<circle").count(), 2 + 3 * (2 * 3 + 1));
        assert!(document.contains(&Placement::Free.name()));
        let nothing = chart(&Figures::default()).svg().unwrap();
        assert_eq!(nothing.matches("<circle").count(), 2);
    }
}
