//! JPEG files: where their scans are, and a decoder that tells a damaged scan from a sound one.
//!
//! A viewer shows what there is of a picture: its decoder goes on with zeros where a scan has too
//! few bits, and skips bits that are too many. Both mean damage: a code has no fixed length, so a
//! scan that is damaged inside hardly ever ends where it should.
//!
//! ```text
//!   the file                  header │ scan ─────────────────────▶ │ marker
//!   what the decoder reads    header │ scan ───────────────▶ 11…11 │ marker
//!                                          skipped: too many ┘   └ decoded: too few
//! ```
//!
//! No code consists of ones alone (ITU-T T.81, C.2), so to decode those put behind a scan fails.
//! What isn't noticed: too few bits in the first scan of a progressive picture, or in a scan of
//! bits without codes, and damage after which a scan ends where it should by chance.

use std::cell::Cell;
use std::ops::Range;

use image::error::{
    DecodingError, LimitError, LimitErrorKind, UnsupportedError, UnsupportedErrorKind,
};
use image::{ImageError, ImageFormat};
use zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{Limits, Picture};

/// The bytes behind a scan: ones, with the zero that marks each 0xff as no marker. The decoder
/// reads up to eight bytes ahead, and uses up to four at once.
const ONES: [u8; 32] = *b"\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\
                          \xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0";

/// The most bytes that may be left over: some cameras fill up.
const LEFT_OVER: usize = 16;

/// The positions of the parts of a file.
pub(crate) struct Layout {
    /// The scans, or their parts between restarts, each up to its next marker.
    scans: Vec<Range<usize>>,
    is_progressive: bool,
    /// The end marker's position.
    end: usize,
}

impl Layout {
    /// Finds the scans and the end marker behind them; `None` if there is none. What a camera has
    /// put into a segment, such as a small JPEG, has an end of its own. (ITU-T T.81, B.1.1, B.2.)
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        let (mut scans, mut scan, mut is_progressive) = (Vec::new(), None, false);
        // Behind the marker of the beginning.
        let mut at = 2;
        loop {
            // Up to the next marker: over a scan, or over junk between segments, which decoders
            // skip. 0xff before 0 is a byte of a scan, before 0xff a fill byte.
            let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff);
            let marker = at + file.get(at..)?.windows(2).position(is_marker)?;
            scans.extend(scan.take().map(|begin| begin..marker));
            at = marker + 2;
            match file[marker + 1] {
                0xd9 => return Some(Self { scans, is_progressive, end: marker }),
                0xd0..=0xd7 => scan = Some(at),
                // Others without a length.
                0x01 | 0xd8 => {}
                kind => {
                    at += usize::from(u16::from_be_bytes(*file.get(at..)?.first_chunk()?));
                    scan = (kind == 0xda).then_some(at);
                    is_progressive |= kind == 0xc2;
                }
            }
        }
    }

    /// Copies the file with ones behind each scan, and moves the scans to their positions there.
    fn put_ones(&mut self, file: &[u8]) -> Vec<u8> {
        let is_last_part = |scan: &Range<usize>| !matches!(file[scan.end + 1], 0xd0..=0xd7);
        // The decoder needs the marker behind the first of several scans close to its end.
        let mut is_first = self.is_progressive;
        let mut bytes = Vec::with_capacity(self.end + 2 + ONES.len());
        let mut begin = 0;
        for scan in &mut self.scans {
            bytes.extend_from_slice(&file[begin..scan.end]);
            begin = scan.end;
            let is_close = is_first && is_last_part(scan);
            is_first &= !is_close;
            *scan = bytes.len() - scan.len()..bytes.len();
            // A file of nothing but restarts must not grow without bounds.
            if !is_close && bytes.len() < 2 * file.len() {
                bytes.extend_from_slice(&ONES);
            }
        }
        bytes.extend_from_slice(&file[begin..self.end + 2]);
        bytes
    }
}

/// Decodes a JPEG file, unless it is damaged or has too many pixels.
pub(crate) fn decode(file: &[u8], limits: Limits) -> Result<Picture, ImageError> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut head = JpegDecoder::new_with_options(ZCursor::new(file), options);
    head.decode_headers().map_err(error)?;
    let (width, height) = head.dimensions().unwrap_or_default();
    limits.check(width as u64, height as u64)?;

    let mut layout = Layout::of(file).ok_or_else(|| damaged("it ends too early"))?;
    let bytes = layout.put_ones(file);
    let skipped = Cell::new(0);
    let reader = Watched { bytes: ZCursor::new(&bytes), scans: &layout.scans, skipped: &skipped };
    let mut decoder = JpegDecoder::new_with_options(reader, options);
    decoder.decode_headers().map_err(error)?;
    let color = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    // Strict from here on: in the header it would refuse bytes between segments.
    decoder.set_options(options.jpeg_set_out_colorspace(color).set_strict_mode(true));
    let pixels = decoder.decode().map_err(error)?;
    if skipped.get() > LEFT_OVER {
        return Err(damaged("a scan has bytes left over"));
    }
    let channels = if color == ColorSpace::Luma { 1 } else { 3 };
    let (width, height, extension) = (width as u32, height as u32, "jpg".to_owned());
    Ok(Picture { width, height, channels, extension, pixels })
}

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::Decoding(DecodingError::new(ImageFormat::Jpeg.into(), what))
}

fn error(error: DecodeErrors) -> ImageError {
    match error {
        DecodeErrors::Unsupported(what) => {
            let kind = UnsupportedErrorKind::GenericFeature(format!("{what:?}"));
            let format = ImageFormat::Jpeg.into();
            ImageError::Unsupported(UnsupportedError::from_format_and_kind(format, kind))
        }
        DecodeErrors::LargeDimensions(_) => {
            ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError))
        }
        error => damaged(error),
    }
}

/// A file in memory that counts the bytes of scans that are skipped: in search of a marker the
/// decoder reads them one by one, and must get each; those that it decodes it reads in fours, or
/// takes a zero for one that isn't there.
struct Watched<'a> {
    bytes: ZCursor<&'a [u8]>,
    /// The scans, in the order of their positions.
    scans: &'a [Range<usize>],
    skipped: &'a Cell<usize>,
}

impl Watched<'_> {
    fn is_in_scan(&self, at: usize) -> bool {
        let next = self.scans.partition_point(|scan| scan.end <= at);
        self.scans.get(next).is_some_and(|scan| scan.contains(&at))
    }
}

impl ZByteReaderTrait for Watched<'_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        self.bytes.read_byte_no_error()
    }

    #[inline(always)]
    fn read_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        if buffer.len() == 1 {
            let at = self.bytes.z_position()? as usize;
            self.skipped.set(self.skipped.get() + usize::from(self.is_in_scan(at)));
        }
        self.bytes.read_exact_bytes(buffer)
    }

    fn read_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.bytes.read_bytes(buffer)
    }

    fn peek_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.bytes.peek_bytes(buffer)
    }

    fn peek_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        self.bytes.peek_exact_bytes(buffer)
    }

    #[inline(always)]
    fn z_seek(&mut self, from: ZSeekFrom) -> Result<u64, ZByteIoError> {
        self.bytes.z_seek(from)
    }

    #[inline(always)]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.bytes.is_eof()
    }

    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        self.bytes.z_position()
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        self.bytes.read_remaining(sink)
    }
}
