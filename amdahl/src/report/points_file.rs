//! Measurements as they are written in a CSV file, by a program or by a spreadsheet.

use common::text;
use common::text::{Language, language};
use csv::{ReaderBuilder, Trim};

use super::InputError;
use super::decimal::{Number, Style};

/// A line's number, and what it says: n and the throughput.
pub(super) type Line = (usize, (f64, f64));

/// The names that the columns may have, in capitals or not.
const N: &str = "n, p, threads, workers, processes, processors, cores, concurrency, clients, \
                 线程数, 进程数, 工作线程数, 工作进程数, 工作者数";
const THROUGHPUT: &str = "throughput, x, rate, ops, ops/s, req/s, rps, qps, tps, speed, 吞吐量";

/// Units of time: an amount of it is no throughput, but something for each of them is.
const TIMES: &str = "s, sec, second, seconds, ms, millisecond, milliseconds, us, µs, ns, min, \
                     minute, minutes, h, hour, hours, 秒, 毫秒";

/// Reads the measurements. Errors name the line.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, InputError> {
    let at = |line: usize, what: String| InputError { line: Some(line), what };
    // A lone CR ends a line, too.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let lines = (1..).zip(text.lines().map(|line| without_comment(line).trim_matches(' ')));
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty()).peekable();
    let told = lines.next_if(|(_, line)| told_separator(line).is_some());
    let Some(&(first_line, first)) = lines.peek() else { return Ok(Vec::new()) };
    let separator = told.and_then(|(_, line)| told_separator(line));
    let separator = separator.unwrap_or_else(|| likely_separator(first));
    let read = |(line, text): (usize, &str)| {
        cells(text, separator).map(|cells| (line, cells)).map_err(|what| at(line, what))
    };

    let (_, first) = read((first_line, first))?;
    let is_heading = first.iter().all(|cell| Number::of(cell).is_none());
    let columns = if is_heading { named(&first) } else { plain(&first) };
    let columns = columns.map_err(|what| at(first_line, what))?;
    let mut numbers = Vec::new();
    for row in lines.skip(usize::from(is_heading)) {
        let (line, row) = read(row)?;
        if row.iter().all(String::is_empty) {
            continue;
        }
        if row.len() != first.len() {
            let (has, before) = (row.len(), first.len());
            let what =
                text!("{} cells are expected, as in line {}, not {}", before, first_line, has);
            return Err(at(line, what));
        }
        for cell in columns.map(|column| &row[column]) {
            let wrong = || at(line, text!("\"{}\" isn't a number", cell));
            numbers.push((line, Number::of(cell).ok_or_else(wrong)?));
        }
    }
    let style = Style::of(&numbers).map_err(|(line, what)| at(line, what))?;
    let value = |(line, number): &(usize, Number)| {
        number.value(style, separator).map_err(|what| at(*line, what))
    };
    let points = numbers.chunks_exact(2);
    points.map(|pair| Ok((pair[0].0, (value(&pair[0])?, value(&pair[1])?)))).collect()
}

fn without_comment(line: &str) -> &str {
    let mut is_quoted = false;
    let end = line.find(|c| {
        is_quoted ^= c == '"';
        c == '#' && !is_quoted
    });
    &line[..end.unwrap_or(line.len())]
}

/// Returns what Excel's line `sep=;` says.
fn told_separator(line: &str) -> Option<char> {
    let line = line.trim_matches('"').to_ascii_lowercase();
    let mut told = line.strip_prefix("sep=")?.chars();
    told.next().filter(|separator| separator.is_ascii() && told.next().is_none())
}

/// Guesses the separator: where the comma is the decimal point, spreadsheets separate by
/// semicolons.
fn likely_separator(line: &str) -> char {
    let outside: String = line.split('"').step_by(2).collect();
    [';', '\t'].into_iter().find(|separator| outside.contains(*separator)).unwrap_or(',')
}

fn cells(line: &str, separator: char) -> Result<Vec<String>, String> {
    if !has_sound_quotes(line, separator) {
        return Err(text!(
            "quotes have to be around a whole cell, and none goes on in the next line"
        ));
    }
    let separator = u8::try_from(separator).unwrap_or(b',');
    let mut reader = ReaderBuilder::new();
    reader.has_headers(false).delimiter(separator).trim(Trim::All);
    let record = reader.from_reader(line.as_bytes()).into_records().next();
    let record = record.transpose().expect("a text in memory can be read").unwrap_or_default();
    Ok(record.iter().map(str::to_owned).collect())
}

/// Returns true if quotes are around whole cells only. Others would be read in some way, without an
/// error.
fn has_sound_quotes(line: &str, separator: char) -> bool {
    let parts: Vec<&str> = line.split('"').collect();
    let last = parts.len() - 1;
    // Between two quotes of a cell there is nothing.
    let outside = parts.iter().enumerate().step_by(2).filter(|(_, part)| !part.is_empty());
    let mut sound = outside.map(|(place, part)| {
        let begins = place == 0 || part.trim_start_matches(' ').starts_with(separator);
        begins && (place == last || part.ends_with(separator))
    });
    last.is_multiple_of(2) && sound.all(|is_sound| is_sound)
}

/// A name in a heading, and its unit, if it has one: `n [workers]`, `throughput (MB/s)`,
/// `ops_per_s`.
struct Name {
    name: String,
    unit: Option<String>,
}

impl Name {
    /// Reads a cell in small letters.
    fn of(cell: &str) -> Self {
        let cell = cell.replace(['[', '（'], "(").replace([']', '）'], ")");
        let bracket = cell.strip_suffix(')').and_then(|cell| cell.split_once('('));
        let per = || ["_per_", " per "].iter().find_map(|per| cell.split_once(per));
        let (name, unit) = match bracket {
            Some((name, unit)) => (name, Some(unit.trim().to_owned())),
            None => match per() {
                Some((name, unit)) => (name, Some(format!("per {unit}"))),
                None => (&*cell, None),
            },
        };
        Self { name: name.trim().to_owned(), unit }
    }
}

fn is_one_of(word: &str, names: &str) -> bool {
    names.split(", ").any(|name| name == word)
}

/// Returns true if a unit says that n is counted in something that n can be.
fn is_count(unit: &str) -> bool {
    unit == "count" || is_one_of(unit, N)
}

/// Returns true if a unit is one of a throughput: not of each worker, and not its logarithm.
fn is_rate(unit: &str) -> bool {
    if let Some(time) = unit.strip_prefix("per ") {
        return is_one_of(time, TIMES);
    }
    let is_other = |word: &str| {
        let is_n = ["", "s", "es"].iter().any(|end| is_one_of(&format!("{word}{end}"), N));
        is_n || word == "per" || word.starts_with("log")
    };
    !is_one_of(unit, TIMES) && !unit.split(|c: char| !c.is_alphanumeric()).any(is_other)
}

/// Finds the columns n and throughput by a heading.
fn named(heading: &[String]) -> Result<[usize; 2], String> {
    let column = |names: &str, is_unit: fn(&str) -> bool| {
        let places = |is: &dyn Fn(&str) -> bool| {
            let columns = heading.iter().enumerate().filter(|(_, cell)| is(&cell.to_lowercase()));
            columns.map(|(place, _)| place).collect::<Vec<usize>>()
        };
        let exactly = |names: &str| places(&|cell| is_one_of(cell, names));
        let with_unit = |names: &str| {
            places(&|cell| {
                let Name { name, unit } = Name::of(cell);
                is_one_of(cell, names)
                    || is_one_of(&name, names) && unit.is_some_and(|u| is_unit(&u))
            })
        };
        // The usual name goes before the others, and a name alone before one with a unit.
        let found = [exactly(first(names)), with_unit(first(names)), with_unit(names)];
        found.into_iter().find(|places| !places.is_empty()).unwrap_or_default()
    };
    let one = |names: &str, is_unit| match column(names, is_unit)[..] {
        [column] => Ok(column),
        [] => Err(text!(
            "the heading has no column \"{}\"; it can be called {}",
            first(names),
            readable(names)
        )),
        _ => Err(text!("several columns can be \"{}\": call one of them so", first(names))),
    };
    Ok([one(N, is_count)?, one(THROUGHPUT, is_rate)?])
}

fn first(names: &str) -> &str {
    names.split(", ").next().unwrap_or(names)
}

/// Leaves the Chinese names out for readers of English.
fn readable(names: &str) -> String {
    let is_readable = |name: &&str| language() == Language::Chinese || name.is_ascii();
    names.split(", ").filter(is_readable).collect::<Vec<&str>>().join(", ")
}

fn plain(first: &[String]) -> Result<[usize; 2], String> {
    match first.len() {
        2 => Ok([0, 1]),
        1 => Err(text!("only one column: put a comma, a semicolon or a tab between the cells")),
        several => Err(text!("{} columns and no heading: which are n and throughput?", several)),
    }
}
