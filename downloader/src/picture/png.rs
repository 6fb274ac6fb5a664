//! PNG files, with all their checksums: a viewer doesn't look at each of them.

use std::io::Cursor;

use image::error::{DecodingError, LimitError, LimitErrorKind};
use image::{ImageError, ImageFormat};
use png::{BitDepth, DecodeOptions, Decoder, Transformations};

use super::{Limits, Picture};

/// Returns true if the last chunk is there.
pub(crate) fn has_end(file: &[u8]) -> bool {
    file.windows(12).any(|chunk| chunk.starts_with(b"\0\0\0\0IEND"))
}

/// Decodes a PNG file, unless it is damaged or has too many pixels. Of an animation it is the
/// first picture. Samples of 16 bits become 8.
pub(crate) fn decode(file: &[u8], limits: Limits) -> Result<Picture, ImageError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(false);
    options.set_skip_ancillary_crc_failures(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(file), options);
    // What the decoder needs besides: a few bytes for each pixel, and some room.
    let bytes = limits.pixels.saturating_mul(16).saturating_add(1 << 24);
    decoder.set_limits(png::Limits { bytes: usize::try_from(bytes).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND);
    let head = decoder.read_header_info().map_err(error)?;
    let (width, height) = head.size();
    limits.check(width.into(), height.into())?;
    let mut reader = decoder.read_info().map_err(error)?;
    let too_large = || ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError));
    let mut pixels = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let frame = reader.next_frame(&mut pixels).map_err(error)?;
    // The checksums of what follows.
    reader.finish().map_err(error)?;
    if frame.bit_depth == BitDepth::Sixteen {
        let samples = pixels.as_chunks().0.iter();
        pixels = samples.map(|sample| eight_bits(u16::from_be_bytes(*sample))).collect();
    }
    let channels = frame.color_type.samples() as u8;
    Ok(Picture { width, height, channels, extension: "png".to_owned(), pixels })
}

/// Returns the nearest sample of 8 bits, with the same white.
fn eight_bits(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

fn error(error: png::DecodingError) -> ImageError {
    match error {
        png::DecodingError::IoError(error) => ImageError::IoError(error),
        png::DecodingError::LimitsExceeded => {
            ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
        error => ImageError::Decoding(DecodingError::new(ImageFormat::Png.into(), error)),
    }
}
