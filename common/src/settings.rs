//! How a lesson is told: the language, the pace, and whether endless loops are endless. All
//! processes of a lesson agree: a child has its parent's arguments and environment.

use std::env;
use std::sync::OnceLock;

use crate::text::Language;
use crate::time::Pace;

/// The settings of a lesson, as its command line has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) language: Language,
    pub(crate) pace: Pace,
    /// True if loops that are endless in the tutorial are endless here.
    pub(crate) is_endless: bool,
}

/// Returns the settings of this process.
pub(crate) fn settings() -> Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    *SETTINGS.get_or_init(|| {
        let arguments = env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
        Settings::read(&arguments.collect::<Vec<_>>())
    })
}

impl Settings {
    /// Reads them from the arguments of a command line. What is wrong there is left out: the
    /// parser of the command line says it.
    fn read(arguments: &[String]) -> Self {
        Self {
            language: value("--lang", arguments)
                .and_then(Language::named)
                .unwrap_or_else(language_of_system),
            pace: value("--speed", arguments).and_then(Pace::named).unwrap_or(Pace::DEFAULT),
            is_endless: options(arguments).any(|argument| argument == "--forever"),
        }
    }
}

/// Returns the language of the environment: what the first of `LC_ALL`, `LC_MESSAGES` and
/// `LANG` says that is set, or else the system's settings. All but Chinese is English.
fn language_of_system() -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(env::var_os);
    let first = set.filter(|value| !value.is_empty()).map(|v| v.to_string_lossy().into()).next();
    let locale: Option<String> = first.or_else(sys_locale::get_locale);
    let language = locale.as_deref().and_then(|locale| locale.split(['_', '-', '.', '@']).next());
    let is_chinese = language.is_some_and(|language| language.eq_ignore_ascii_case("zh"));
    if is_chinese { Language::Chinese } else { Language::English }
}

/// Returns the arguments up to `--`.
fn options(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().map(String::as_str).take_while(|argument| *argument != "--")
}

/// Returns the last value of an option, `--lang zh` or `--lang=zh`.
fn value<'a>(option: &str, arguments: &'a [String]) -> Option<&'a str> {
    let arguments: Vec<&str> = options(arguments).collect();
    let separate = arguments.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1]);
    let joined = arguments.iter().filter_map(|a| a.strip_prefix(option)?.strip_prefix('='));
    separate.chain(joined).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_anywhere_before_two_dashes() {
        let read =
            |line: &str| Settings::read(&line.split(' ').map(String::from).collect::<Vec<_>>());
        let all = read("two-ends --lang zh --speed=100 --forever");
        assert_eq!((all.language, all.pace), (Language::Chinese, "100".parse().unwrap()));
        assert!(all.is_endless);
        let none = read("--lang=en --speed none -- --forever --lang zh");
        assert_eq!((none.language, none.pace), (Language::English, Pace::DEFAULT));
        assert!(!none.is_endless);
    }
}
