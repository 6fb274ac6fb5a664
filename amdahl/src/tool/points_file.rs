//! Measurements as they are written in a CSV file.

use super::Refusal;

/// A line's number, and what it says: n and the throughput.
pub(super) type Line = (usize, (f64, f64));

/// The measurements in this text. Errors name the file and the line.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Line>, Refusal> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    let mut lines = (1..).zip(lines).filter(|(_, line)| !line.is_empty()).peekable();
    let at = |line: usize, what: String| Refusal::wrong(format!("{file}:{line}: {what}"));
    let Some((line, first)) = lines.peek().copied() else { return Ok(Vec::new()) };
    let is_heading = cells(first).all(|cell| cell.parse::<f64>().is_err());
    let columns = if is_heading { heading(first) } else { plain(first) };
    let columns = columns.map_err(|what| at(line, what))?;
    let point = |(line, text): (usize, &str)| {
        let cells: Vec<&str> = cells(text).collect();
        let number = |column: usize| {
            let cell = cells.get(column).copied().unwrap_or("");
            cell.parse::<f64>().map_err(|_| at(line, format!("\"{cell}\" isn't a number")))
        };
        Ok((line, (number(columns[0])?, number(columns[1])?)))
    };
    lines.skip(usize::from(is_heading)).map(point).collect()
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"').trim())
}

fn heading(line: &str) -> Result<[usize; 2], String> {
    let column = |name: &str| {
        let place = cells(line).position(|cell| cell.eq_ignore_ascii_case(name));
        place.ok_or(format!("the heading has no column \"{name}\"; it needs n and throughput"))
    };
    Ok([column("n")?, column("throughput")?])
}

fn plain(line: &str) -> Result<[usize; 2], String> {
    match cells(line).count() {
        2 => Ok([0, 1]),
        several => Err(format!("{several} columns and no heading: which are n and throughput?")),
    }
}
