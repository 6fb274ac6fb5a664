//! Numbers as people write them: `1,060.5` in some countries, `1.060,5` in others.

/// A cell that is a number, if the point begins the fraction or if the comma does. The other one
/// may be between groups of three digits.
pub(super) struct Number {
    cell: String,
    point: Option<f64>,
    comma: Option<f64>,
}

/// What begins the fraction.
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

    /// The only style in which it is a number.
    fn style(&self) -> Option<Style> {
        match (self.point, self.comma) {
            (Some(_), None) => Some(Style::Point),
            (None, Some(_)) => Some(Style::Comma),
            _ => None,
        }
    }

    /// Its value in a file of this style, if that is known, with this between cells.
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
            format!("\"{}\" can be {point} or {comma}: write it in one of these ways", self.cell)
        })
    }
}

impl Style {
    /// The style of a file, by those numbers that have only one; the rest follow. An error has the
    /// line of the number that contradicts another.
    pub(super) fn of(numbers: &[(usize, Number)]) -> Result<Option<Self>, (usize, String)> {
        let mut known: Option<(Self, &str)> = None;
        for (line, number) in numbers {
            let Some(style) = number.style() else { continue };
            let (before, cell) = *known.get_or_insert((style, &number.cell));
            if before != style {
                let what = format!("\"{}\" has another decimal point than \"{cell}\"", number.cell);
                return Err((*line, what));
            }
        }
        Ok(known.map(|(style, _)| style))
    }
}

fn read(cell: &str, point: char, separator: char) -> Option<f64> {
    let (whole, fraction) = cell.split_once(point).unwrap_or((cell, ""));
    let mut groups = whole.trim_start_matches(['+', '-']).split(separator);
    let first = groups.next()?;
    let has_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = groups.peekable();
    if groups.peek().is_some() {
        let begins = matches!(first.len(), 1..=3) && has_digits(first) && !first.starts_with('0');
        if !(begins && groups.all(|group| group.len() == 3 && has_digits(group))) {
            return None;
        }
    }
    let plain = format!("{}.{fraction}", whole.replace(separator, ""));
    let plain = if cell.contains(point) { plain } else { whole.replace(separator, "") };
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}
