//! Amdahl's law draws the line that no number of workers passes; Gustafson, and Karp and Flatt,
//! look at the same work in their own ways.
//!
//! ```python
//! def amdahl(p, n): return 1 / ((1 - p) + p / n)
//! def gustafson(s, n): return n + (1 - n) * s
//! def karp_flatt(speedup, n): return (1 / speedup - 1 / n) / (1 - 1 / n)
//! print(amdahl(25 / 31, 4))                         # 2.5306, as in the plan
//! ```

use amdahl::laws;
use common::narrator::figure;
use common::table::Table;
use common::{check, say, text};
use multiprocess::Failure;
use prettytable::row;

use super::fourier_transform;

/// The Fourier transform's: 25 of 31 units of work can be shared.
const P: f64 = 25.0 / 31.0;
/// The length of the bar for a speedup of 1.
const BAR: f64 = 7.0;

pub(crate) fn main() -> Result<(), Failure> {
    say!("computes the speedup by n workers, if 25 of 31 units can be shared");
    let mut table = Table::open(row![r->"n", r->text!("speedup"), ""]);
    for n in [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 1024] {
        let speedup = laws::amdahl(P, f64::from(n))?;
        let bar = "█".repeat((BAR * speedup).round() as usize);
        table.add_row(row![r->n, r->format!("{speedup:.2}"), bar]);
    }
    figure(table);
    let limit = laws::amdahl_limit(P)?;
    check!(laws::amdahl(P, 1e6)? < limit, "a million workers stay below 31/6 = 5.17");
    let four = laws::amdahl(P, 4.0)?;
    let planned = fourier_transform::plan(4)?.timetable().best_speedup();
    check!((four - planned).abs() < 1e-12, "four workers: 31/12.25 = 2.53, as in the plan");

    say!("compares what three laws say of the same work");
    let mut table = Table::new(row![
        r->"n", r->text!("Amdahl"), r->text!("efficiency"), r->text!("Gustafson"),
        r->text!("Karp–Flatt")
    ]);
    let mut serial_parts = Vec::new();
    for n in [2.0, 4.0, 8.0, 16.0] {
        let speedup = laws::amdahl(P, n)?;
        let efficiency = format!("{:.0}%", 100.0 * laws::efficiency(speedup, n)?);
        let (grown, serial) = (laws::gustafson(1.0 - P, n)?, laws::karp_flatt(speedup, n)?);
        let [speedup, grown] = [speedup, grown].map(|times| format!("{times:.3}"));
        table.add_row(row![r->n, r->speedup, r->efficiency, r->grown, r->format!("{serial:.4}")]);
        serial_parts.push(serial);
    }
    figure(table);
    let are_six = serial_parts.iter().all(|serial| (serial - 6.0 / 31.0).abs() < 1e-12);
    check!(are_six, "Karp and Flatt find the serial fraction 6/31 again, for every n");
    let grown = laws::gustafson(1.0 - P, 16.0)?;
    check!(
        (grown - 13.1).abs() < 0.05,
        "Gustafson: in the same time, 16 workers do 13.1 times as much"
    );
    Ok(())
}
