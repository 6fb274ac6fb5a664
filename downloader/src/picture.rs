//! Pictures as pixels: decoding, the convolution, encoding.

use std::fmt::Write;
use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader,
};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// A decoded picture. Python: `PIL.Image`, as an array of numpy.
///
/// ```
/// use downloader::Picture;
///
/// let (extension, pixels) = ("png".to_owned(), vec![255, 0, 0, 0, 0, 255]);
/// let red_and_blue = Picture { width: 2, height: 1, channels: 3, extension, pixels };
/// assert_eq!(red_and_blue.pixels.len(), 2 * 1 * 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 red, green and blue, 4 these and alpha.
    pub channels: u8,
    /// What it was decoded from, and is encoded as: `png` or `jpg`.
    pub extension: String,
    /// Row after row, pixel after pixel, channel after channel.
    #[serde(with = "serde_bytes")]
    pub pixels: Vec<u8>,
}

/// How large a picture may be that is decoded, so that a small file can't fill the memory.
/// Python: `PIL.Image.MAX_IMAGE_PIXELS`.
///
/// ```
/// assert_eq!(downloader::Limits::default().pixels, 100_000_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest number of pixels. It is looked at before anything is decoded.
    pub pixels: u64,
}

impl Default for Limits {
    /// A hundred million pixels.
    fn default() -> Self {
        Self { pixels: 100_000_000 }
    }
}

impl Picture {
    /// Decodes a PNG or JPEG file, which is known by its content. Samples of 16 bits become 8.
    /// Python: `PIL.Image.open`.
    ///
    /// ```
    /// use downloader::{Limits, Picture};
    /// use image::ImageError;
    ///
    /// let (extension, pixels) = ("png".to_owned(), vec![100, 200, 40]);
    /// let grey = Picture { width: 3, height: 1, channels: 1, extension, pixels };
    /// let file = grey.encode()?;
    /// assert_eq!(Picture::decode(&file, Limits::default())?, grey);
    ///
    /// let refused = Picture::decode(&file, Limits { pixels: 2 });
    /// assert!(matches!(refused, Err(ImageError::Limits(_))));
    /// # Ok::<(), ImageError>(())
    /// ```
    ///
    /// # Errors
    /// [`ImageError::Unsupported`] if it is neither; [`ImageError::Limits`] if it is larger than
    /// the limits; [`ImageError::Decoding`] or [`ImageError::IoError`] if it is damaged or ends too
    /// early.
    pub fn decode(file: &[u8], limits: Limits) -> Result<Self, ImageError> {
        let reader = ImageReader::new(Cursor::new(file)).with_guessed_format()?;
        let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
        let extension = if is_jpeg { "jpg" } else { "png" };
        let mut decoder = reader.into_decoder()?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > limits.pixels {
            let kind = image::error::LimitErrorKind::DimensionError;
            return Err(ImageError::Limits(image::error::LimitError::from_kind(kind)));
        }
        // What the decoder needs, besides: a few bytes for each pixel, and some room.
        let mut room = image::Limits::no_limits();
        room.max_alloc = Some(limits.pixels.saturating_mul(16).saturating_add(1 << 24));
        decoder.set_limits(room)?;
        let color = decoder.color_type();
        // The decoders make do with what there is; the rest of a picture would be grey.
        if !has_end(file) {
            let format = if is_jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
            let error = image::error::DecodingError::new(format.into(), "it ends too early");
            return Err(ImageError::Decoding(error));
        }
        let image = DynamicImage::from_decoder(decoder)?;
        let (channels, pixels) = match (color.has_color(), color.has_alpha()) {
            (false, false) => (1, image.into_luma8().into_raw()),
            (false, true) => (2, image.into_luma_alpha8().into_raw()),
            (true, false) => (3, image.into_rgb8().into_raw()),
            (true, true) => (4, image.into_rgba8().into_raw()),
        };
        Ok(Self { width, height, channels, extension: extension.to_owned(), pixels })
    }

    /// The picture as a file of the kind it was; a JPEG loses a little each time. Python:
    /// `image.save`.
    ///
    /// ```
    /// use downloader::Picture;
    ///
    /// let (extension, pixels) = ("png".to_owned(), vec![255, 0, 0]);
    /// let red = Picture { width: 1, height: 1, channels: 3, extension, pixels };
    /// assert!(red.encode()?.starts_with(b"\x89PNG"));
    /// # Ok::<(), image::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// An [`ImageError`] if its kind can't hold it, as JPEG no alpha, or it has no pixel.
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

    /// The pixels after the tutorial's convolution ([`convolve`]) of each row; each is two pixels
    /// longer.
    ///
    /// ```
    /// use downloader::Picture;
    ///
    /// let (extension, pixels) = ("png".to_owned(), vec![100, 200, 40]);
    /// let grey = Picture { width: 3, height: 1, channels: 1, extension, pixels };
    /// assert_eq!(grey.convolved(), [10, 25, 24, 22, 4]);
    /// ```
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

/// Whether an image file has its end, as far as its kind tells; true for other kinds.
#[doc(hidden)]
#[must_use]
pub fn has_end(file: &[u8]) -> bool {
    match image::guess_format(file) {
        Ok(ImageFormat::Jpeg) => jpeg_has_end(file),
        Ok(ImageFormat::Png) => png_has_end(file),
        // The trailer; some programs fill up with zeros.
        Ok(ImageFormat::Gif) => file.iter().rev().find(|byte| **byte != 0) == Some(&b';'),
        // Their length is in bytes 4 to 7, without the 8 before; and in bytes 2 to 5.
        Ok(ImageFormat::WebP) => is_as_long_as_it_says(file, 4, 8),
        Ok(ImageFormat::Bmp) => is_as_long_as_it_says(file, 2, 0),
        _ => true,
    }
}

fn is_as_long_as_it_says(file: &[u8], at: usize, before: u64) -> bool {
    let length = file.get(at..).and_then(|rest| rest.first_chunk());
    length
        .is_some_and(|length| u64::from(u32::from_le_bytes(*length)) + before <= file.len() as u64)
}

/// Whether the last chunk of a PNG is there.
fn png_has_end(file: &[u8]) -> bool {
    file.windows(12).any(|chunk| chunk.starts_with(b"\0\0\0\0IEND"))
}

/// Whether a JPEG's end marker is there, behind all segments and scans: what a camera has put into
/// a segment, such as a small JPEG, has an end of its own. (ITU-T T.81, B.1.1 and B.2.)
fn jpeg_has_end(file: &[u8]) -> bool {
    // Behind the marker of the beginning.
    let mut at = 2;
    loop {
        // Up to the next marker: over a scan, or over junk between segments, which decoders skip.
        // 0xff before 0 is a byte of a scan, before 0xff a fill byte.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff);
        let rest = file.get(at..).unwrap_or_default();
        let Some(skipped) = rest.windows(2).position(is_marker) else { return false };
        at += skipped + 2;
        match file[at - 1] {
            0xd9 => return true,
            // Restarts and others without a length.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let Some([high, low]) = file.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([*high, *low]));
            }
        }
    }
}

/// Convolves one row of pixels with the tutorial's kernel 0.1, 0.05, 0.1, channel by channel, and appends
/// the result, which is two pixels longer: `out[x] = floor((2·in[x] + in[x−1] + 2·in[x−2]) / 20)`, and zero is
/// what lies outside. Python: `scipy.signal.convolve`.
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

/// The MD5 of these bytes, in 32 hexadecimal digits. Python: `hashlib.md5(bytes).hexdigest()`.
///
/// ```
/// assert_eq!(downloader::md5_hex(b"hello"), "5d41402abc4b2a76b9719d911017c592");
/// ```
#[must_use]
pub fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Bytes in hexadecimal digits. Python: `bytes.hex()`.
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
    fn a_truncated_jpeg_is_an_error() {
        let pixels = (0..30_000_u32).map(|n| (n * n / 7) as u8).collect();
        let (width, height, extension) = (100, 100, "jpg".into());
        let file = Picture { width, height, channels: 3, extension, pixels }.encode().unwrap();
        assert!(Picture::decode(&file, Limits::default()).is_ok());
        for end in (1..file.len()).step_by(file.len() / 40) {
            assert!(Picture::decode(&file[..end], Limits::default()).is_err(), "{end}");
        }
    }

    #[test]
    fn bytes_between_the_segments_of_a_jpeg_change_nothing() {
        let pixels = (0..30_000_u32).map(|n| (n * n / 7) as u8).collect();
        let (width, height, extension) = (100, 100, "jpg".into());
        let file = Picture { width, height, channels: 3, extension, pixels }.encode().unwrap();
        let picture = Picture::decode(&file, Limits::default()).unwrap();
        // Behind each segment up to the scan.
        let mut at = 2;
        while file[at + 1] != 0xda {
            at += 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            for between in [b"\0\x7f\0".as_slice(), b"\xff\xff", b"\xff\0", &[7; 5000]] {
                let with = [&file[..at], between, &file[at..]].concat();
                assert_eq!(Picture::decode(&with, Limits::default()).unwrap(), picture, "{at}");
                let cut = &with[..with.len() - 2];
                assert!(Picture::decode(cut, Limits::default()).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn the_md5_of_nothing_is_the_known_one() {
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
