//! What the pictures have in common: colours, and text that fits.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) type Error = DrawingAreaErrorKind<std::io::Error>;
pub(super) type Drawn = Result<(), Error>;
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A place in the picture, in pixels from its left upper corner.
pub(super) type Place = (i32, i32);

pub(super) const DARK: RGBColor = RGBColor(40, 40, 40);
pub(super) const PALE: RGBColor = RGBColor(105, 105, 105);
pub(super) const GRID: RGBColor = RGBColor(222, 222, 222);
pub(super) const CRITICAL: RGBColor = RGBColor(200, 60, 50);
pub(super) const PLAIN: RGBColor = RGBColor(38, 120, 178);
/// Whatever font the viewer has; it finds Chinese signs elsewhere if need be.
pub(super) const FONT: &str = "sans-serif";

/// A white picture of this size, drawn on.
pub(super) fn picture(
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
    Ok(document)
}

/// Text of this size whose left, middle or right is at this place.
pub(super) fn text(
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

/// A straight line, one or more pixels thick.
pub(super) fn line(area: &Area<'_>, points: &[Place], colour: &RGBColor, thickness: u32) -> Drawn {
    area.draw(&PathElement::new(points.to_vec(), colour.stroke_width(thickness)))
}

/// About how many pixels wide a text is: there is no font to ask, so it is rather too much. Chinese signs are as
/// wide as high.
pub(super) fn width(text: &str, size: i32) -> i32 {
    let parts = |sign: char| match sign {
        '\u{1100}'.. => 100,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 90,
        'A'..='Z' => 70,
        'i' | 'l' | 'j' | 't' | 'f' | ' ' | '.' | ',' | '\'' => 36,
        _ => 60,
    };
    text.chars().map(parts).sum::<i32>() * size / 100
}

/// The text, or as much of its beginning as there is room for. Without signs that no picture may hold.
pub(super) fn shortened(text: &str, size: i32, room: i32) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&clean, size) <= room {
        return clean;
    }
    let mut short = clean;
    while !short.is_empty() && width(&short, size) + width("…", size) > room {
        short.pop();
    }
    short + "…"
}

/// Steps of 1, 2 or 5 times a power of ten, at most so many up to here.
pub(super) fn steps(to: f64, most: i32) -> Vec<f64> {
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
        assert_eq!(shortened("a\u{1}b\n", 10, 100), "a b ");
    }

    #[test]
    fn steps_are_round_numbers() {
        assert_eq!(steps(16.0, 8), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]);
        assert_eq!(steps(0.45, 10).len(), 10);
        assert_eq!(steps(0.0, 10), [0.0]);
    }
}
