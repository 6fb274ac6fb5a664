//! The texts of the course in the reader's language. In the source they are English; the
//! catalogues in `common/zh`, one for each crate, have them in Chinese.
//!
//! ```text
//! say!("my number is {}", 3)  ──▶  text!("my number is {}", 3)
//!                                    │ the catalogue of the crate, then that of `common`
//!                                    ▼
//!                                  "我的编号是 {}"  ──▶  "我的编号是 3"
//! ```
//!
//! A catalogue is a PO file of [gettext](https://www.gnu.org/software/gettext/manual/), in which
//! the English text is the key. Tests in `xtask` check that they are complete.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display, Write};
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use polib::po_file;

/// A language that the course speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `--lang en`
    English,
    /// `--lang zh`
    Chinese,
}

/// Parses what `--lang` takes, `zh` or `en`.
impl FromStr for Language {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::named(name).ok_or_else(|| crate::text!("the languages are zh and en"))
    }
}

impl Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Chinese { "zh" } else { "en" })
    }
}

impl Language {
    /// Returns the language of this name, `zh` or `en`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::English, Self::Chinese].into_iter().find(|language| language.to_string() == name)
    }
}

thread_local! {
    /// The language that [`speak`] was told.
    static TOLD: Cell<Option<Language>> = const { Cell::new(None) };
}

/// Has this thread say all further texts in a language, whatever `--lang` or the system says: a
/// page in a browser has no command line.
///
/// ```
/// use common::text::{Language, speak};
///
/// speak(Language::Chinese);
/// assert_eq!(common::text!("ok"), "成立");
/// ```
pub fn speak(language: Language) {
    TOLD.set(Some(language));
}

/// Returns the reader's language: what [`speak`] was told, or `--lang` says, or else the system's.
/// A child process speaks its parent's, whose arguments and environment it has.
#[must_use]
pub fn language() -> Language {
    TOLD.get().unwrap_or_else(usual_language)
}

#[cfg(feature = "processes")]
fn usual_language() -> Language {
    crate::settings::settings().language
}

/// Returns the language of the sources: there is no command line, and no system to ask.
#[cfg(not(feature = "processes"))]
fn usual_language() -> Language {
    Language::English
}

/// Returns a text in the reader's language. Python: `gettext.gettext(…).format(…)`.
///
/// The text is a literal in English, the key of the catalogue. Its `{}` take the values that
/// follow, in their order; a translation may number them, `{0}` and `{1}`.
///
/// ```
/// let name = "child_1";
/// assert_eq!(common::text!("{} is alive", name), "child_1 is alive");
/// ```
///
/// A placeholder can't name or format its value, and each has one:
///
/// ```compile_fail,E0080
/// let name = "child_1";
/// common::text!("{name} is alive");
/// ```
///
/// ```compile_fail,E0080
/// common::text!("{} is alive");
/// ```
#[macro_export]
macro_rules! text {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        const {
            let places = $crate::text::placeholders($text);
            let values: &[&str] = &[$(::std::stringify!($value)),*];
            assert!(places == values.len(), "a text has one {{}} for each value after it");
        };
        $crate::text::translated(
            ::std::env!("CARGO_PKG_NAME"),
            $text,
            &[$(&$value as &dyn ::std::fmt::Display),*],
        )
    }};
}

/// Returns the number of `{}` in a text.
///
/// # Panics
/// If something stands between the two.
#[doc(hidden)]
#[must_use]
pub const fn placeholders(text: &str) -> usize {
    let (bytes, mut index, mut places) = (text.as_bytes(), 0, 0);
    while index < bytes.len() {
        if bytes[index] == b'{' {
            assert!(
                index + 1 < bytes.len() && bytes[index + 1] == b'}',
                "write {{}}, and the value after the text"
            );
            places += 1;
        }
        index += 1;
    }
    places
}

/// Returns this text of this package, in the reader's language and with these values.
#[doc(hidden)]
#[must_use]
pub fn translated(package: &str, text: &str, values: &[&dyn Display]) -> String {
    let template = match language() {
        Language::English => text,
        Language::Chinese => chinese(package, text).unwrap_or(text),
    };
    filled(template, values)
}

/// Returns a template with `{}` and `{0}` replaced by these values.
fn filled(template: &str, values: &[&dyn Display]) -> String {
    let (mut filled, mut rest, mut next) = (String::new(), template, 0);
    while let Some((before, (place, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let index = place.parse().unwrap_or(next);
        next += 1;
        filled += before;
        if let Some(value) = values.get(index) {
            write!(filled, "{value}").expect("a value is written into a string");
        }
        rest = after;
    }
    filled + rest
}

/// The Chinese texts of a crate, by their English ones.
type Catalogue = HashMap<String, String>;

/// A package, its catalogue as it is written, and as it is read.
type Source = (&'static str, &'static str, OnceLock<Catalogue>);

/// The catalogues; that of `common`, the first, has also what all crates say.
static CATALOGUES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let always =
        [("common", include_str!("../zh/common.po")), ("amdahl", include_str!("../zh/amdahl.po"))];
    let all = always.iter().chain(OF_PROCESSES);
    all.map(|(name, source)| (*name, *source, OnceLock::new())).collect()
});

/// The catalogues of the crates that are nothing without processes.
#[cfg(feature = "processes")]
const OF_PROCESSES: &[(&str, &str)] = &[
    ("process-basics", include_str!("../zh/process-basics.po")),
    ("ipc-pipe", include_str!("../zh/ipc-pipe.po")),
    ("ipc-shared", include_str!("../zh/ipc-shared.po")),
    ("ipc-queue", include_str!("../zh/ipc-queue.po")),
    ("pools", include_str!("../zh/pools.po")),
    ("executors", include_str!("../zh/executors.po")),
    ("cluster", include_str!("../zh/cluster.po")),
    ("downloader", include_str!("../zh/downloader.po")),
];
#[cfg(not(feature = "processes"))]
const OF_PROCESSES: &[(&str, &str)] = &[];

/// Returns the Chinese text for an English one of this package; `None` if no catalogue has it.
fn chinese(package: &str, text: &str) -> Option<&'static str> {
    let own = CATALOGUES.iter().filter(|(name, ..)| *name == package);
    own.chain(&CATALOGUES[..1]).find_map(|(_, source, read)| {
        read.get_or_init(|| parsed(source)).get(text).map(String::as_str)
    })
}

/// Parses a catalogue.
fn parsed(source: &str) -> Catalogue {
    let catalogue = po_file::parse_from_reader(source.as_bytes()).expect("tests read each of them");
    let pairs = catalogue.messages().filter(|message| message.is_translated());
    let pairs = pairs.filter_map(|message| Some((message.msgid(), message.msgstr().ok()?)));
    pairs.map(|(text, chinese)| (text.to_owned(), chinese.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_their_order_or_where_their_number_is() {
        assert_eq!(filled("{} of {} are done", &[&4, &5]), "4 of 5 are done");
        assert_eq!(filled("{1} 中的 {0} 个", &[&4, &5]), "5 中的 4 个");
        assert_eq!(filled("nothing to {", &[]), "nothing to {");
        assert_eq!(filled("a value may have {}", &[&"{}"]), "a value may have {}");
    }

    #[test]
    fn placeholders_are_counted() {
        assert_eq!([placeholders("{} of {}"), placeholders("none")], [2, 0]);
    }

    #[test]
    fn each_crate_with_lessons_has_a_catalogue() {
        for section in crate::contents::CONTENTS {
            let is_there = CATALOGUES.iter().any(|(name, ..)| *name == section.package);
            assert!(is_there, "{}", section.package);
        }
    }

    #[test]
    fn a_crate_that_lacks_a_text_has_it_from_common() {
        assert_eq!(chinese("ipc-queue", "ok"), Some("成立"));
        assert_eq!(chinese("common", "ok"), Some("成立"));
        assert_eq!(chinese("stranger", "this is in no catalogue"), None);
    }
}
