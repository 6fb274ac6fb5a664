//! Files as pictures: decoding, in which a damaged file is an error, and a look at the end.

use image::error::ImageFormatHint;
use image::{ImageError, ImageFormat};

use super::{Limits, Picture, jpeg, png};

impl Picture {
    /// Decodes a PNG or JPEG file, recognised by its content. Samples of 16 bits become 8.
    /// Python: `PIL.Image.open`.
    ///
    /// # Errors
    /// [`ImageError::Unsupported`] if it is of another format; [`ImageError::Limits`] if it is
    /// larger than the limits; [`ImageError::Decoding`] or [`ImageError::IoError`] if it is damaged
    /// or ends too early.
    pub fn decode(file: &[u8], limits: Limits) -> Result<Self, ImageError> {
        match image::guess_format(file)? {
            ImageFormat::Jpeg => jpeg::decode(file, limits),
            ImageFormat::Png => png::decode(file, limits),
            other => Err(ImageError::Unsupported(ImageFormatHint::Exact(other).into())),
        }
    }
}

/// Returns true if an image file has its end, as far as its format tells; true for other formats.
#[doc(hidden)]
#[must_use]
pub fn has_end(file: &[u8]) -> bool {
    match image::guess_format(file) {
        Ok(ImageFormat::Jpeg) => jpeg::Layout::of(file).is_some(),
        Ok(ImageFormat::Png) => png::has_end(file),
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageBuffer};

    use super::*;

    /// Pictures as other programs write them: a progressive one, one with restarts, one in grey
    /// with codes of its own, one for printers.
    const PICTURES: [&[u8]; 4] = [
        include_bytes!("../../tests/pictures/progressive.jpg"),
        include_bytes!("../../tests/pictures/restarts.jpg"),
        include_bytes!("../../tests/pictures/grey.jpg"),
        include_bytes!("../../tests/pictures/cmyk.jpg"),
    ];

    const PAGE: &[u8] = b"<html><head><title>502 Bad Gateway</title></head><body><center>\
        <h1>502 Bad Gateway</h1></center><hr><center>server</center></body></html>";

    fn jpeg() -> Vec<u8> {
        let pixels = (0..30_000_u32).map(|n| (n * n / 7) as u8).collect();
        let (width, height, extension) = (100, 100, "jpg".into());
        Picture { width, height, channels: 3, extension, pixels }.encode().unwrap()
    }

    fn is_sound(file: &[u8]) -> bool {
        Picture::decode(file, Limits::default()).is_ok()
    }

    /// Returns the position behind the head of this scan, from 0.
    fn scan(file: &[u8], number: usize) -> usize {
        let heads = (2..).filter(|at| file[*at..].starts_with(b"\xff\xda"));
        heads.map(|at| at + 2 + usize::from(file[at + 3])).nth(number).unwrap()
    }

    #[test]
    fn sound_pictures_have_the_pixels_that_other_decoders_give_them() {
        for file in PICTURES.into_iter().chain([&jpeg()[..]]) {
            let theirs = image::load_from_memory(file).unwrap();
            let ours = Picture::decode(file, Limits::default()).unwrap();
            let theirs = match ours.channels {
                1 => theirs.into_luma8().into_raw(),
                _ => theirs.into_rgb8().into_raw(),
            };
            assert!(ours.pixels == theirs);
        }
        // As it is in grey, with or without alpha, and in colour.
        let samples = || (0..4 * 48 * 40_u32).map(|n| (n * n) as u16).collect();
        for picture in [
            ImageBuffer::from_raw(192, 40, samples()).map(DynamicImage::ImageLuma16),
            ImageBuffer::from_raw(96, 40, samples()).map(DynamicImage::ImageLumaA16),
            ImageBuffer::from_raw(64, 40, samples()).map(DynamicImage::ImageRgb16),
            ImageBuffer::from_raw(48, 40, samples()).map(DynamicImage::ImageRgba16),
        ] {
            let (picture, mut file) = (picture.unwrap(), Cursor::new(Vec::new()));
            picture.write_to(&mut file, ImageFormat::Png).unwrap();
            let ours = Picture::decode(file.get_ref(), Limits::default()).unwrap();
            let theirs = match ours.channels {
                1 => picture.into_luma8().into_raw(),
                2 => picture.into_luma_alpha8().into_raw(),
                3 => picture.into_rgb8().into_raw(),
                _ => picture.into_rgba8().into_raw(),
            };
            assert!(ours.pixels == theirs);
        }
    }

    #[test]
    fn a_jpeg_whose_end_comes_too_early_is_an_error() {
        for file in PICTURES.into_iter().chain([&jpeg()[..]]) {
            // The first of several scans is filled up, and so is one of bits without codes.
            let begin = scan(file, if file == PICTURES[0] { 9 } else { 0 });
            for part in 1..40 {
                let end = begin + (file.len() - 12 - begin) * part / 40;
                // Not between 0xff and what belongs to it.
                let end = end + usize::from(file[end - 1] == 0xff);
                assert!(
                    !is_sound(&[&file[..end], b"\xff\xd9"].concat()),
                    "{part} of {}",
                    file.len()
                );
            }
        }
    }

    #[test]
    fn damage_inside_a_scan_is_an_error() {
        let (mut damaged, mut noticed) = (0, 0);
        for file in PICTURES {
            for hole in [&[0; 100][..], PAGE, &[0x55; 64]] {
                for at in (scan(file, 0)..file.len() - hole.len() - 20).step_by(37) {
                    damaged += 1;
                    let with = [&file[..at], hole, &file[at + hole.len()..]].concat();
                    noticed += usize::from(!is_sound(&with));
                }
            }
        }
        // A scan ends where it should by chance, now and then.
        assert!(noticed > damaged * 9 / 10, "{noticed} of {damaged}");
    }

    #[test]
    fn a_scan_may_be_filled_up_but_not_go_on() {
        let file = jpeg();
        let (scan, end) = file.split_at(file.len() - 2);
        for (between, is) in [(&b"\xff\xff"[..], true), (&[0; 12], true), (&[7; 100], false)] {
            assert_eq!(is_sound(&[scan, between, end].concat()), is, "{between:?}");
        }
    }

    #[test]
    fn a_png_with_a_wrong_checksum_is_an_error() {
        let picture = Picture {
            width: 30,
            height: 9,
            channels: 1,
            extension: "png".into(),
            pixels: vec![7; 270],
        };
        let file = picture.encode().unwrap();
        let place = |name: &[u8]| file.windows(4).position(|word| word == name).unwrap();
        let data = place(b"IDAT");
        let length = usize::from(file[data - 1]);
        let text = b"\0\0\0\x03tEXta\0b\0\0\0\0";
        let with_text = [&file[..data - 4], text, &file[data - 4..]].concat();
        assert!(!is_sound(&with_text));
        // The last byte of a checksum: of the header, of the data, of the end.
        for at in [place(b"IHDR") + 4 + 13 + 3, data + 4 + length + 3, file.len() - 1] {
            let mut wrong = file.clone();
            wrong[at] ^= 1;
            assert!(!is_sound(&wrong), "{at}");
        }
        // That of the pixels, with the right one of the chunk around them.
        let mut wrong = file.clone();
        wrong[data + 4 + length - 1] ^= 1;
        let crc = crc32(&wrong[data..data + 4 + length]);
        wrong[data + 4 + length..][..4].copy_from_slice(&crc.to_be_bytes());
        assert!(image::load_from_memory(&wrong).is_ok());
        assert!(!is_sound(&wrong));
    }

    /// Computes the checksum of PNG's chunks, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }

    #[test]
    fn a_truncated_jpeg_is_an_error() {
        let file = jpeg();
        assert!(Picture::decode(&file, Limits::default()).is_ok());
        for end in (1..file.len()).step_by(file.len() / 40) {
            assert!(Picture::decode(&file[..end], Limits::default()).is_err(), "{end}");
        }
    }

    #[test]
    fn bytes_between_the_segments_of_a_jpeg_change_nothing() {
        let file = jpeg();
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
}
