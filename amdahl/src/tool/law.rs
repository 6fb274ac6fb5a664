//! `amdahl law`: what n workers can give, if a fraction p of the work can be shared.

use std::process::ExitCode;

use amdahl::laws;
use clap::{ArgMatches, Command};
use common::arguments::{number as number_in, option};
use common::lessons::Tool;
use common::narrator::columns;
use common::table::Table;
use common::text;
use prettytable::row;
use serde::Serialize;

use super::curves::{Chart, Curve, Point};
use super::{Refusal, digits, draw, finish, number, rounded};

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let p = text!("The fraction of the work that can be shared: 0.95, or 25/31");
    let p = option("p", "P", p).required(true).value_parser(fraction);
    let n = option("n", "N,N,…", text!("The numbers of workers")).value_delimiter(',');
    let n = n.default_value("1,2,4,8,16,32,64").value_parser(number_in(1..=u64::MAX));
    let about = text!("Amdahl's and Gustafson's speedup by n workers");
    super::command("law", about, String::new()).arg(p).arg(n)
}

/// Parses a fraction from 0 to 1, as a decimal number or with a bar.
fn fraction(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let value = match text.split_once('/') {
        Some((above, below)) => number(above).zip(number(below)).map(|(a, b)| a / b),
        None => number(text),
    };
    value.filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| {
        text!("it is a number from 0 to 1, such as 0.95, or a fraction such as 25/31")
    })
}

#[derive(Serialize)]
struct Found {
    p: f64,
    /// JSON has no infinity: null, if there is no limit.
    limit: f64,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    n: u64,
    amdahl: f64,
    efficiency: f64,
    gustafson: f64,
}

fn run(arguments: &ArgMatches) -> ExitCode {
    finish("law", found(arguments))
}

fn found(arguments: &ArgMatches) -> Result<String, Refusal> {
    let p = *arguments.get_one::<f64>("p").unwrap_or(&0.0);
    let row = |&n: &u64| -> Result<Row, laws::DomainError> {
        let workers = n as f64;
        let amdahl = laws::amdahl(p, workers)?;
        let (efficiency, gustafson) =
            (laws::efficiency(amdahl, workers)?, laws::gustafson(1.0 - p, workers)?);
        Ok(Row { n, amdahl, efficiency, gustafson })
    };
    let all = arguments.get_many::<u64>("n").unwrap_or_default();
    let rows = all.map(row).collect::<Result<Vec<Row>, _>>().map_err(Refusal::wrong)?;
    let limit = laws::amdahl_limit(p).map_err(Refusal::wrong)?;
    let found = Found { p, limit, rows };
    draw(arguments, || chart(&found).svg())?;
    if arguments.get_flag("json") { super::json(&found) } else { Ok(found.to_string()) }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new(row![
            r->"n", r->text!("Amdahl"), r->text!("efficiency"), r->text!("Gustafson")
        ]);
        for row in &self.rows {
            let efficiency = digits(100.0 * row.efficiency, 3, 15) + "%";
            let [amdahl, gustafson] = [row.amdahl, row.gustafson].map(number);
            table.add_row(row![r->row.n, r->amdahl, r->efficiency, r->gustafson]);
        }
        write!(f, "{table:columns$}", columns = columns())?;
        let (p, limit) = (number(self.p), number(self.limit));
        writeln!(f, "{}", text!("p = {}: never more than {} times as fast", p, limit))
    }
}

fn chart(found: &Found) -> Chart<'_> {
    let most = found.rows.iter().map(|row| row.n).max().unwrap_or(1);
    let (p, limit) = (found.p, found.limit);
    let mut curves = vec![
        Curve::ideal(1.0),
        Curve::new(text!("Amdahl: the same work"), move |n| laws::amdahl(p, n).ok()),
        Curve::far(text!("Gustafson: the work grows"), move |n| laws::gustafson(1.0 - p, n).ok()),
    ];
    // A limit far above all else would press the rest flat.
    if limit < 2.0 * laws::amdahl(p, most as f64).unwrap_or(1.0) {
        let label = text!("Amdahl's limit: {}", rounded(limit));
        curves.push(Curve::new(label, move |_| Some(limit)));
    }
    Chart {
        title: text!("Speedup by n workers, p = {}", rounded(p)),
        y: text!("speedup"),
        most: (most as f64).max(2.0),
        points: found.rows.iter().map(|row| Point::of(row.n as f64, vec![row.amdahl])).collect(),
        measured: text!("the table's rows"),
        cores: None,
        curves,
    }
}
