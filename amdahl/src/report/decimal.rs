//! Numbers as people write them: `1,060.5` in some countries, `1.060,5`, `1 060,5` or `1'060.5` in
//! others.

use common::text;

/// The characters that may be between groups of three digits in every country: blanks, also
/// no-break and thin ones, and apostrophes.
const BETWEEN_GROUPS: [char; 6] = [' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '\u{2019}'];

/// A cell that is a number, if the point begins the fraction or if the comma does. The other one
/// may be between groups of three digits.
pub(super) struct Number {
    cell: String,
    point: Option<f64>,
    comma: Option<f64>,
}

/// The character that begins the fraction.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Style {
    Point,
    Comma,
}

impl Number {
    pub(super) fn of(cell: &str) -> Option<Self> {
        let (point, comma) = (read(cell, '.', ','), read(cell, ',', '.'));
        (point.is_some() || comma.is_some()).then(|| Self { cell: cell.to_owned(), point, comma })
    }

    /// Returns the style, if there is only one in which it is a number.
    fn style(&self) -> Option<Style> {
        match (self.point, self.comma) {
            (Some(_), None) => Some(Style::Point),
            (None, Some(_)) => Some(Style::Comma),
            _ => None,
        }
    }

    /// Returns its value in a file of this style, if that is known, with this separator of cells.
    pub(super) fn value(&self, style: Option<Style>, separator: char) -> Result<f64, String> {
        // With decimal commas, commas don't separate.
        let likely = (separator == ',').then_some(Style::Point);
        let value = match (self.point, self.comma) {
            (Some(point), Some(comma)) if point != comma => match style.or(likely) {
                Some(Style::Point) => Some(point),
                Some(Style::Comma) => Some(comma),
                None => None,
            },
            (point, comma) => point.or(comma),
        };
        value.ok_or_else(|| {
            let [point, comma] = [self.point, self.comma].map(Option::unwrap_or_default);
            text!("\"{}\" can be {} or {}: write it in one of these ways", self.cell, point, comma)
        })
    }
}

impl Style {
    /// Finds the style of a file, by those numbers that have only one; the rest follow. An error
    /// has the line of the number that contradicts another.
    pub(super) fn of(numbers: &[(usize, Number)]) -> Result<Option<Self>, (usize, String)> {
        let mut known: Option<(Self, &str)> = None;
        for (line, number) in numbers {
            let Some(style) = number.style() else { continue };
            let (before, cell) = *known.get_or_insert((style, &number.cell));
            if before != style {
                let what = text!("\"{}\" has another decimal point than \"{}\"", number.cell, cell);
                return Err((*line, what));
            }
        }
        Ok(known.map(|(style, _)| style))
    }
}

fn read(cell: &str, point: char, separator: char) -> Option<f64> {
    let (number, power) = cell.split_at(cell.find(['e', 'E']).unwrap_or(cell.len()));
    let (whole, rest) = number.split_at(number.find(point).unwrap_or(number.len()));
    let is_separator = |c: char| c == separator || BETWEEN_GROUPS.contains(&c);
    let Some(separator) = whole.chars().find(|c| is_separator(*c)) else {
        return parse(&format!("{whole}{}{power}", rest.replacen(point, ".", 1)));
    };
    let has_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.trim_start_matches(['+', '-']).split(separator);
    let first = groups.next()?;
    let begins = matches!(first.len(), 1..=3) && has_digits(first) && !first.starts_with('0');
    if !(begins && groups.all(|group| group.len() == 3 && has_digits(group))) {
        return None;
    }
    let whole = whole.replace(separator, "");
    parse(&format!("{whole}{}{power}", rest.replacen(point, ".", 1)))
}

fn parse(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
