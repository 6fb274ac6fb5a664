//! The list of URLs: one a line, read as it is needed, however long it is.

use std::io::{self, BufRead, Bytes};
use std::mem;

use common::text;
use url::Url;

use super::message::{Message, message};

/// The longest line, in bytes. Browsers and servers take no longer URLs.
const LONGEST: usize = 16 << 10;

/// The lines of a list that are URLs, or ought to be.
pub(super) struct List<R> {
    input: Bytes<R>,
    /// The number of the line read last, from 1.
    line: u64,
    /// True if that line ended with a carriage return: a line feed behind it belongs to its end.
    is_after_return: bool,
}

/// A line that is a URL, or ought to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The number of the line, from 1.
    pub(super) line: u64,
    pub(super) url: Result<Url, BadLine>,
}

/// A line that is no URL.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BadLine {
    /// The line, or its beginning.
    pub(super) text: String,
    pub(super) reason: Message,
}

impl<R: BufRead> List<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: input.bytes(), line: 0, is_after_return: false }
    }

    /// Reads a line without its end, which is a line feed, a carriage return or both; `None` after
    /// the last. Of a line that is too long only the beginning is kept.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut line, mut has_begun) = (Vec::new(), false);
        while let Some(byte) = self.input.next().transpose()? {
            let is_after_return = mem::replace(&mut self.is_after_return, byte == b'\r');
            if is_after_return && byte == b'\n' {
                continue;
            }
            has_begun = true;
            match byte {
                b'\n' | b'\r' => break,
                byte if line.len() <= LONGEST => line.push(byte),
                _ => {}
            }
        }
        if !has_begun {
            return Ok(None);
        }
        self.line += 1;
        if self.line == 1 {
            if line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff]) {
                let what = text!("it is UTF-16: save it as UTF-8");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            if line.starts_with("\u{feff}".as_bytes()) {
                line.drain(..3);
            }
        }
        Ok(Some(line))
    }
}

/// The lines that are neither empty nor comments; they end after an error.
impl<R: BufRead> Iterator for List<R> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.next_line() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            let text = line.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            return Some(Ok(Entry { line: self.line, url: parse_url(text) }));
        }
    }
}

/// Parses a URL. Letters outside of ASCII are encoded as browsers do it.
fn parse_url(text: &[u8]) -> Result<Url, BadLine> {
    let bad = |reason: Message| {
        let begin = String::from_utf8_lossy(&text[..text.len().min(200)]);
        BadLine { text: begin.escape_debug().to_string(), reason }
    };
    if text.len() > LONGEST {
        return Err(bad(message!("longer than {} bytes", LONGEST)));
    }
    let Ok(text) = std::str::from_utf8(text) else { return Err(bad(message!("not UTF-8"))) };
    if text.contains(char::is_control) {
        return Err(bad(message!("it has control characters")));
    }
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            bad(message!("no address: it begins with no http://"))
        }
        error => bad(message!("no address: {}", error)),
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(bad(message!("{} can't be fetched: only http and https", other))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// The pattern of what may be between two addresses.
    const BETWEEN: &str = "(\n|\r\n|\r)(#[^\n\r]*\n|[ \t]*\r?\n){0,3}[ \t]*";

    fn entries(text: &[u8]) -> Vec<Entry> {
        // A tiny buffer, so that lines lie across its end.
        List::new(BufReader::with_capacity(7, text)).map(Result::unwrap).collect()
    }

    fn addresses(text: &[u8]) -> Vec<(u64, String)> {
        let good = |entry: Entry| (entry.line, entry.url.unwrap().to_string());
        entries(text).into_iter().map(good).collect()
    }

    #[test]
    fn comments_blank_lines_a_bom_and_crlf_are_no_addresses() {
        let text =
            "\u{feff}http://a/1\r\n\r\n# http://b/\r\n  \t\r\n  https://a/2#x \r\nhttp://a/3";
        let expected = [(1, "http://a/1"), (5, "https://a/2#x"), (6, "http://a/3")];
        assert_eq!(addresses(text.as_bytes()), expected.map(|(line, url)| (line, url.to_owned())));
    }

    #[test]
    fn a_line_ends_as_on_any_system() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["http://a/1", "", "# b", "", "", "http://a/6", "http://a/7"].join(end);
            for text in [text.clone(), text + end] {
                let expected = [(1, "http://a/1"), (6, "http://a/6"), (7, "http://a/7")];
                let expected = expected.map(|(line, url)| (line, url.to_owned()));
                assert_eq!(addresses(text.as_bytes()), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn an_empty_list_has_no_addresses() {
        for text in ["", "\n\n", "\u{feff}", "# nothing"] {
            assert_eq!(entries(text.as_bytes()), []);
        }
    }

    #[test]
    fn addresses_in_other_letters_are_encoded() {
        let expected = "http://xn--fsqu00a.xn--0zwm56d/%E5%9B%BE%201.png";
        assert_eq!(addresses("http://例子.测试/图 1.png".as_bytes()), [(1, expected.to_owned())]);
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_are_read() {
        let long = format!("http://a/{}", "x".repeat(100_000));
        let bad: [&[u8]; 8] = [
            b"picture.jpg",
            b"file:///etc/passwd",
            b"ftp://a/b.jpg",
            b"http://",
            b"http://a:99999/",
            b"http://a/\xff",
            b"http://a/\x00",
            long.as_bytes(),
        ];
        for line in bad {
            let text = [b"http://a/1\n", line, b"\nhttp://a/3\n"].concat();
            let entries = entries(&text);
            assert_eq!(entries.len(), 3, "{}", String::from_utf8_lossy(line));
            assert!(entries[0].url.is_ok() && entries[2].url.is_ok());
            assert_eq!(entries[2].line, 3);
            let bad = entries[1].url.as_ref().unwrap_err();
            assert!(!bad.reason.english.is_empty() && bad.text.len() <= 1000, "{bad:?}");
            assert_eq!(entries[1].line, 2);
        }
    }

    #[test]
    fn a_list_in_utf_16_is_an_error_that_says_so() {
        let error = List::new(&b"\xff\xfeh\0t\0t\0p\0"[..]).next().unwrap().unwrap_err();
        assert!(error.to_string().contains("UTF-16"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
            let mut last = 0;
            for entry in List::new(BufReader::with_capacity(3, &bytes[..])) {
                let Ok(entry) = entry else { break };
                prop_assert!(entry.line > last && entry.line <= lines);
                last = entry.line;
            }
        }

        #[test]
        fn what_lies_between_addresses_does_not_matter(
            list in prop::collection::vec(("[a-z]{1,9}", BETWEEN), 0..20)
        ) {
            let mut text = String::new();
            for (name, between) in &list {
                text += &format!("http://host/{name}{between}");
            }
            let read: Vec<String> =
                addresses(text.as_bytes()).into_iter().map(|(_, url)| url).collect();
            let written: Vec<String> =
                list.iter().map(|(name, _)| format!("http://host/{name}")).collect();
            prop_assert_eq!(read, written);
        }
    }
}
