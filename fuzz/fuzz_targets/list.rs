//! The lists that users write: addresses for the downloader, and measurements for `amdahl fit`.
#![no_main]

#[path = "../../amdahl/src/tool/decimal.rs"]
mod decimal;
#[path = "../../downloader/src/tool/list.rs"]
mod list;
#[path = "../../amdahl/src/tool/points_file.rs"]
mod points_file;
#[path = "support/refusal.rs"]
mod refusal;

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use refusal::Refusal;

fuzz_target!(|bytes: &[u8]| {
    let mut last = 0;
    // A small buffer, so that lines lie across its end.
    for entry in list::List::new(BufReader::with_capacity(7, bytes)) {
        let Ok(entry) = entry else { break };
        assert!(entry.line > last);
        last = entry.line;
        match entry.address {
            Ok(address) => assert!(matches!(address.scheme(), "http" | "https")),
            // A character that can't be shown is written as several.
            Err(bad) => {
                assert!(bad.text.len() <= 200 * "\\u{fffd}".len() && !bad.reason.is_empty());
            }
        }
    }

    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let points = match points_file::parse("points.csv", text) {
        Ok(lines) => lines.into_iter().map(|(_, point)| point).collect::<Vec<_>>(),
        Err(Refusal(what)) => return assert!(what.starts_with("points.csv:"), "{what}"),
    };
    if let Ok(fit) = amdahl::fit(&points) {
        assert!(fit.law.alpha >= 0.0 && fit.law.beta >= 0.0 && fit.law.gamma >= 0.0, "{fit:?}");
        assert_eq!(fit.fitted.len(), points.len());
    }
});
