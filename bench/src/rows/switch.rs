//! The lesson's round trips over pipes, both ends on one core, beside perf's own program for the
//! same.

use std::time::Duration;

use downloader::switch::{Cell, Channel, Placement, Places, Who, perf};
use multiprocess::Failure;

use super::{OURS, PERF};
use crate::method::{Peer, Row, Unit};
use crate::scene::Terms;

pub(super) fn rows() -> Vec<Row> {
    vec![row("processes", Who::Processes), row("threads", Who::Threads)]
}

fn row(name: &str, who: Who) -> Row {
    let ours = move |terms: &Terms| {
        let cell = Cell::new(who, Channel::Pipe, Placement::OneCore);
        Ok(cell.sample(&Places::here(), time(terms))?.time.as_secs_f64())
    };
    let perfs = move |terms: &Terms| {
        let [core, _] = Places::here().cores(Placement::OneCore).map_err(Failure::new)?;
        let core = core.ok_or_else(|| Failure::new("there is no core"))?;
        Ok(perf::round_trip(who, core, time(terms))?.as_secs_f64())
    };
    Row {
        name: format!("switch-{name}"),
        says: format!("round trip over two kernel pipes, two {name} on one core"),
        unit: Unit::Time,
        peers: vec![Peer::new(OURS, ours), Peer::new(PERF, perfs)],
        seconds_at_least: 0.0,
    }
}

fn time(terms: &Terms) -> Duration {
    Duration::try_from_secs_f64(terms.seconds).unwrap_or_default()
}
