//! Whole numbers that people write: on a command line, on a page.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::text;

/// Parses a whole number of this range; an error says what it is.
///
/// ```
/// use common::number::number;
///
/// assert_eq!(number(1..=8)("5"), Ok(5));
/// assert_eq!(number(1..=8)("0").unwrap_err(), "it is a whole number from 1 to 8");
/// ```
pub fn number<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(text!("it is a whole number from {} to {}", range.start(), range.end())),
    }
}
