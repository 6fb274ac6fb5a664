//! The kind of a file: known by how it begins, and checked, in a process of its own, by decoding
//! it.

use std::ffi::OsString;
use std::fs;

use downloader::{Limits, Picture, md5_hex};
use image::{ImageError, ImageFormat};
use multiprocess::tasks;

use super::error::{AttemptError, ErrorKind, Result};
use super::message::message;

tasks![check];

/// The number of first bytes that show what a file is.
pub(super) const HEAD: usize = 64;

/// Returns the extension for a file that begins like this. If it is to be checked, it has to be a
/// PNG or a JPEG.
pub(super) fn extension(head: &[u8], checked: bool) -> Result<&'static str> {
    if head.is_empty() {
        // A server under load may send an empty response.
        return Err(AttemptError::temporary(ErrorKind::Empty, message!("no bytes")));
    }
    match image::guess_format(head) {
        Ok(ImageFormat::Jpeg) => Ok("jpg"),
        Ok(ImageFormat::Png) => Ok("png"),
        Ok(format) => {
            let extension = format.extensions_str().first().copied().unwrap_or("image");
            if checked {
                let message = message!("a {}: only png and jpg can be checked", extension);
                return Err(AttemptError::permanent(ErrorKind::Unsupported, message));
            }
            Ok(extension)
        }
        Err(_) if looks_like_html(head) => {
            Err(AttemptError::permanent(ErrorKind::Html, message!("a web page")))
        }
        Err(_) => Err(AttemptError::permanent(ErrorKind::NoImage, message!("no image"))),
    }
}

fn looks_like_html(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    ["<!doctype", "<html", "<head", "<body", "<!--"].iter().any(|begin| text.starts_with(begin))
}

/// Decodes the file, in a worker, and returns the MD5 of its convolved pixels, if it is wanted.
pub(super) fn check((path, limits, wanted): (OsString, Limits, bool)) -> Result<Option<String>> {
    let file = fs::read(path)?;
    match Picture::decode(&file, limits) {
        Ok(picture) => Ok(wanted.then(|| md5_hex(&picture.convolved()))),
        Err(ImageError::Limits(_)) => {
            let message = message!("more than {} pixels", limits.pixels);
            Err(AttemptError::permanent(ErrorKind::TooManyPixels, message))
        }
        Err(error) => Err(AttemptError::of_library(ErrorKind::Damaged, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_how_it_begins() {
        let is = |head: &[u8]| extension(head, false).map_err(|error| error.kind);
        assert_eq!(is(b"\x89PNG\r\n\x1a\n\0\0"), Ok("png"));
        assert_eq!(is(b"\xff\xd8\xff\xe0"), Ok("jpg"));
        assert_eq!(is(b"GIF89a.."), Ok("gif"));
        assert_eq!(is(b"RIFF\0\0\0\0WEBPVP8 "), Ok("webp"));
        assert_eq!(is(b""), Err(ErrorKind::Empty));
        assert_eq!(is(b"hello"), Err(ErrorKind::NoImage));
        for page in ["<!DOCTYPE html>", "\n <HTML>", "\u{feff}<html lang=zh>"] {
            assert_eq!(is(page.as_bytes()), Err(ErrorKind::Html), "{page}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_refused_if_it_is_to_be() {
        let error = extension(b"GIF89a..", true).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.english.contains("gif"));
    }
}
