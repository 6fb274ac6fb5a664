//! What the SVG pictures have in common: colours, lines, text that fits, a logarithmic axis. Behind
//! the feature `drawing`, so that a crate that draws nothing builds no library for it.

use std::ops::RangeInclusive;

use plotters::coord::Shift;
use plotters::prelude::*;
pub use plotters::style::text_anchor::HPos;
use plotters::style::text_anchor::{Pos, VPos};

use crate::text::{Language, language};

/// The reason why a picture can't be drawn.
pub type Error = DrawingAreaErrorKind<std::io::Error>;
/// The result of every part of a drawing.
pub type Drawn = Result<(), Error>;
/// The area that is drawn on.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A position in the picture, in pixels from its left upper corner.
pub type Place = (i32, i32);

/// The colour of what is to be read first.
pub const DARK: RGBColor = RGBColor(40, 40, 40);
/// The colour of what explains.
pub const PALE: RGBColor = RGBColor(105, 105, 105);
/// The colour of lines behind all others.
pub const GRID: RGBColor = RGBColor(222, 222, 222);
/// The colour of the first of two kinds of things.
pub const BLUE: RGBColor = RGBColor(38, 120, 178);
/// The colour of the second kind, which the colour-blind tell from the first.
pub const ORANGE: RGBColor = RGBColor(214, 96, 48);
/// The colour of what is critical.
pub const RED: RGBColor = RGBColor(200, 60, 50);
/// The font: any that the viewer has, which finds Chinese signs elsewhere if need be.
pub const FONT: &str = "sans-serif";

/// Draws on a white picture of this size, and returns it as an SVG document.
///
/// ```
/// use common::drawing::{DARK, line, picture};
///
/// let document = picture((40, 20), |area| line(area, &[(0, 10), (40, 10)], &DARK, 2))?;
/// assert!(document.contains("width=\"40\" height=\"20\""));
/// assert!(document.contains("<polyline"));
/// # Ok::<(), common::drawing::Error>(())
/// ```
///
/// # Errors
/// Those of the drawing.
pub fn picture(
    (width, height): Place,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, Error> {
    let mut document = String::new();
    {
        let size = (width.cast_unsigned(), height.cast_unsigned());
        let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    // Which of its forms a Chinese character or a colon has depends on the language.
    let language = match language() {
        Language::English => "<svg xml:lang=\"en\" ",
        Language::Chinese => "<svg xml:lang=\"zh-CN\" ",
    };
    Ok(document.replacen("<svg ", language, 1))
}

/// Draws text of this size, in pixels, whose left, middle or right is at this position.
///
/// # Errors
/// What plotters says.
pub fn text(
    area: &Area<'_>,
    text: &str,
    place: Place,
    size: i32,
    colour: &RGBColor,
    side: HPos,
) -> Drawn {
    let style = (FONT, size).into_font().color(colour).pos(Pos::new(side, VPos::Center));
    area.draw_text(text, &style, place)
}

/// Draws a line from each of these positions to the next, one or more pixels thick; see
/// [`picture`].
///
/// # Errors
/// What plotters says.
pub fn line(area: &Area<'_>, points: &[Place], colour: &RGBColor, thickness: u32) -> Drawn {
    area.draw(&PathElement::new(points.to_vec(), colour.stroke_width(thickness)))
}

/// Draws a range, from the smallest to the largest sample: a line from one `x` to another at the
/// height `y`, with a bar at each end.
///
/// # Errors
/// What plotters says.
pub fn range(area: &Area<'_>, (from, to): (i32, i32), y: i32, colour: &RGBColor) -> Drawn {
    line(area, &[(from, y), (to, y)], colour, 1)?;
    line(area, &[(from, y - 4), (from, y + 4)], colour, 1)?;
    line(area, &[(to, y - 4), (to, y + 4)], colour, 1)
}

/// A logarithmic axis over whole powers of ten.
///
/// ```
/// use common::drawing::LogAxis;
///
/// let axis = LogAxis::over([0.5, 30.0], (0, 1), (100, 400));
/// assert_eq!(axis.powers(), -1..=2);
/// assert_eq!([0.1, 1.0, 100.0].map(|value| axis.place(value)), [100, 200, 400]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LogAxis {
    lowest: i32,
    highest: i32,
    left: i32,
    right: i32,
}

impl LogAxis {
    /// Makes an axis between two positions, in pixels, that holds these values, which are above 0,
    /// and at least the powers of ten from `least.0` to `least.1`.
    pub fn over(
        values: impl IntoIterator<Item = f64>,
        least: (i32, i32),
        (left, right): (i32, i32),
    ) -> Self {
        let mut axis = Self { lowest: least.0, highest: least.1, left, right };
        for power in values.into_iter().map(f64::log10) {
            axis.lowest = axis.lowest.min(power.floor() as i32);
            axis.highest = axis.highest.max(power.ceil() as i32);
        }
        axis
    }

    /// Returns the powers of ten on the axis.
    #[must_use]
    pub fn powers(&self) -> RangeInclusive<i32> {
        self.lowest..=self.highest
    }

    /// Returns where a value above 0 lies, in pixels.
    #[must_use]
    pub fn place(&self, value: f64) -> i32 {
        let share =
            (value.log10() - f64::from(self.lowest)) / f64::from(self.highest - self.lowest);
        self.left + (share * f64::from(self.right - self.left)).round() as i32
    }
}

/// Estimates how many pixels wide a text is: there is no font to ask, so it is rather too much.
/// Chinese signs are as wide as high.
#[must_use]
pub fn width(text: &str, size: i32) -> i32 {
    let parts = |sign: char| match sign {
        '\u{1100}'.. => 100,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 90,
        'A'..='Z' => 70,
        'i' | 'l' | 'j' | 't' | 'f' | ' ' | '.' | ',' | '\'' => 36,
        _ => 60,
    };
    text.chars().map(parts).sum::<i32>() * size / 100
}

/// Shortens a text to as much of its beginning as there is room for, in pixels. What no picture may
/// hold is [escaped](crate::output::escaped).
#[must_use]
pub fn shortened(text: &str, size: i32, room: i32) -> String {
    let clean = crate::output::escaped(text);
    if width(&clean, size) <= room {
        return clean;
    }
    let mut short = clean;
    while !short.is_empty() && width(&short, size) + width("…", size) > room {
        short.pop();
    }
    short + "…"
}

/// Returns steps of 1, 2 or 5 times a power of ten: 0, and at most this many up to `to`.
///
/// ```
/// assert_eq!(common::drawing::steps(16.0, 8)[..3], [0.0, 2.0, 4.0]);
/// ```
#[must_use]
pub fn steps(to: f64, most: i32) -> Vec<f64> {
    let rough = to / f64::from(most);
    if rough.is_nan() || rough <= 0.0 {
        return vec![0.0];
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    let step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    (0..=most).map(|number| f64::from(number) * step).take_while(|at| *at <= to * 1.001).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_there_is_no_room_and_chinese_is_wider() {
        assert_eq!(shortened("walls", 10, 100), "walls");
        assert_eq!(shortened("walls and windows", 10, 40), "walls…");
        assert!(width("洗水壶", 10) == 30 && width("abc", 10) < 30);
        assert_eq!(shortened("a\u{1}b", 10, 100), "a\\u0001b");
    }

    #[test]
    fn steps_are_round_numbers() {
        assert_eq!(steps(16.0, 8), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]);
        assert_eq!(steps(0.45, 10).len(), 10);
        assert_eq!(steps(0.0, 10), [0.0]);
    }
}
