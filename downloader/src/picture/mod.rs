//! Pictures as pixels: the convolution, encoding; decoding is in `decode.rs`, what it checks of a
//! JPEG or PNG file in `jpeg.rs` and `png.rs`.

mod decode;
mod jpeg;
mod png;

use std::fmt::Write;
use std::io::Cursor;

use image::error::{LimitError, LimitErrorKind};
use image::{ColorType, ExtendedColorType, ImageError, ImageFormat};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

pub use decode::has_end;

/// A decoded picture. Python: `PIL.Image`, as an array of numpy.
///
/// ```
/// use downloader::{Limits, Picture};
///
/// let (extension, pixels) = ("png".to_owned(), vec![100, 200, 40]);
/// let grey = Picture { width: 3, height: 1, channels: 1, extension, pixels };
/// let file = grey.encode()?;
/// assert!(file.starts_with(b"\x89PNG"));
/// assert_eq!(Picture::decode(&file, Limits::default())?, grey);
/// assert_eq!(grey.convolved(), [10, 25, 24, 22, 4]);
/// # Ok::<(), image::ImageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// The number of channels: 1 grey, 2 grey and alpha, 3 red, green and blue, 4 these and alpha.
    pub channels: u8,
    /// The format that it was decoded from, and is encoded as: `png` or `jpg`.
    pub extension: String,
    /// A byte for each channel: row after row, pixel after pixel, channel after channel.
    #[serde(with = "serde_bytes")]
    pub pixels: Vec<u8>,
}

/// The largest size of a picture that is decoded, so that a small file can't fill the memory.
/// Python: `PIL.Image.MAX_IMAGE_PIXELS`.
///
/// ```
/// use downloader::{Limits, Picture};
/// use image::ImageError;
///
/// let (extension, pixels) = ("png".to_owned(), vec![100, 200, 40]);
/// let file = Picture { width: 3, height: 1, channels: 1, extension, pixels }.encode()?;
/// let refused = Picture::decode(&file, Limits { pixels: 2 });
/// assert!(matches!(refused, Err(ImageError::Limits(_))));
/// # Ok::<(), ImageError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest number of pixels, which is checked before anything is decoded.
    pub pixels: u64,
}

impl Default for Limits {
    /// Allows a hundred million pixels.
    fn default() -> Self {
        Self { pixels: 100_000_000 }
    }
}

impl Limits {
    /// Checks the size that a header says.
    pub(crate) fn check(&self, width: u64, height: u64) -> Result<(), ImageError> {
        if width.saturating_mul(height) > self.pixels {
            return Err(ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError)));
        }
        Ok(())
    }
}

impl Picture {
    /// Encodes the picture as a file of its format; a JPEG loses a little each time. Python:
    /// `image.save`.
    ///
    /// # Errors
    /// An [`ImageError`] if the format can't hold it, as JPEG no alpha, or it has no pixel.
    ///
    /// # Panics
    /// If `pixels` isn't `width × height × channels` bytes long.
    pub fn encode(&self) -> Result<Vec<u8>, ImageError> {
        let color = match self.channels {
            1 => ColorType::L8,
            2 => ColorType::La8,
            3 => ColorType::Rgb8,
            _ => ColorType::Rgba8,
        };
        let format = if self.extension == "jpg" { ImageFormat::Jpeg } else { ImageFormat::Png };
        let mut file = Cursor::new(Vec::new());
        let color = ExtendedColorType::from(color);
        image::write_buffer_with_format(
            &mut file,
            &self.pixels,
            self.width,
            self.height,
            color,
            format,
        )?;
        Ok(file.into_inner())
    }

    /// Returns the pixels after the tutorial's convolution ([`convolve`]) of each row, which makes
    /// each row two pixels longer.
    #[must_use]
    pub fn convolved(&self) -> Vec<u8> {
        let channels = usize::from(self.channels).max(1);
        let row = self.width as usize * channels;
        let mut out = Vec::with_capacity((row + 2 * channels) * self.height as usize);
        if row > 0 {
            for row in self.pixels.chunks_exact(row) {
                convolve(row, channels, &mut out);
            }
        }
        out
    }
}

/// Convolves one row of pixels with the tutorial's kernel 0.1, 0.05, 0.1, channel by channel, and
/// appends the result, which is two pixels longer:
/// `out[x] = floor((2·in[x] + in[x−1] + 2·in[x−2]) / 20)`, with zeros outside the row. Python:
/// `scipy.signal.convolve`.
///
/// A row is `channels` bytes for each pixel.
///
/// ```
/// let mut out = Vec::new();
/// downloader::convolve(&[100, 200, 40], 1, &mut out);
/// assert_eq!(out, [10, 25, 24, 22, 4]);
/// ```
pub fn convolve(row: &[u8], channels: usize, out: &mut Vec<u8>) {
    let (one, two) = (channels, 2 * channels);
    let weighted = |now: u8, before: u8, first: u8| {
        // At most 1275 / 20.
        ((2 * u16::from(now) + u16::from(before) + 2 * u16::from(first)) / 20) as u8
    };
    let at_edge = |x: usize| {
        let sample = |back| x.checked_sub(back).and_then(|x| row.get(x)).copied().unwrap_or(0);
        weighted(sample(0), sample(one), sample(two))
    };
    out.extend((0..two).map(at_edge));
    // No edges here, so that the compiler can take many at once.
    let inner = row.iter().skip(two).zip(row.iter().skip(one)).zip(row);
    out.extend(inner.map(|((now, before), first)| weighted(*now, *before, *first)));
    out.extend((row.len().max(two)..row.len() + two).map(at_edge));
}

/// Returns the MD5 of these bytes, in 32 hexadecimal digits. Python:
/// `hashlib.md5(bytes).hexdigest()`.
#[must_use]
pub fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Writes bytes in hexadecimal digits. Python: `bytes.hex()`.
#[doc(hidden)]
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: u8, pixels: &[u8]) -> Picture {
        let width = u32::try_from(pixels.len()).unwrap() / u32::from(channels);
        Picture { width, height: 1, channels, extension: "png".into(), pixels: pixels.to_vec() }
    }

    #[test]
    fn the_tutorials_row_convolves_as_the_tutorial_says() {
        assert_eq!(picture(1, &[100, 200, 40]).convolved(), [10, 25, 24, 22, 4]);
    }

    #[test]
    fn channels_and_rows_do_not_mix() {
        let two = picture(3, &[100, 0, 1, 200, 0, 0, 40, 0, 0]).convolved();
        let red: Vec<u8> = two.iter().copied().step_by(3).collect();
        assert_eq!(red, [10, 25, 24, 22, 4]);
        let two_rows = Picture { width: 3, height: 2, ..picture(1, &[100, 200, 40, 100, 200, 40]) };
        assert_eq!(two_rows.convolved(), [10, 25, 24, 22, 4].repeat(2));
    }

    #[test]
    fn a_png_comes_back_as_it_was_in_every_number_of_channels() {
        for channels in 1..=4 {
            let before = picture(channels, &[0, 50, 100, 150, 200, 250, 7, 9, 11, 13, 15, 17]);
            let file = before.encode().unwrap();
            assert_eq!(Picture::decode(&file, Limits::default()).unwrap(), before);
        }
    }

    #[test]
    fn a_picture_with_more_pixels_than_allowed_is_refused() {
        let file = picture(1, &[0; 11]).encode().unwrap();
        let refused = Picture::decode(&file, Limits { pixels: 10 });
        assert!(matches!(refused, Err(ImageError::Limits(_))));
        assert!(Picture::decode(&file, Limits { pixels: 11 }).is_ok());
    }

    #[test]
    fn damaged_files_and_others_are_errors() {
        let file = picture(3, &[9; 3000]).encode().unwrap();
        for end in [0, 1, 8, 20, file.len() / 2] {
            assert!(Picture::decode(&file[..end], Limits::default()).is_err(), "{end}");
        }
        assert!(Picture::decode(b"<html>", Limits::default()).is_err());
    }

    #[test]
    fn the_md5_of_nothing_is_the_known_one() {
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
