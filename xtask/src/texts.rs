//! Texts: what the lessons say is in the Chinese catalogues, and nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use common::contents::CONTENTS;
use polib::po_file;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::LitStr;
use unicode_width::UnicodeWidthChar;

use crate::words::sources;

/// The macros whose first argument is a text, and the one whose second is.
const FIRST: [&str; 4] = ["text", "say", "note", "message"];
const SECOND: &str = "check";

/// What the narrator looks up without a macro: the name of the main process.
const MAIN: &str = "main";

/// Texts, each with where it stands.
type Texts = BTreeMap<String, String>;

/// Compares the texts in the source with the catalogues; returns what is wrong.
///
/// Each text has a translation in the catalogue of its crate or in that of `common`, with the same
/// placeholders; each translation has a text; and Chinese is set as Chinese is, with full-width
/// punctuation and a space beside Latin letters and digits.
pub(crate) fn problems(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let common = catalogue(root, "common", &mut problems);
    let mut own = said_in(root, "common", &mut problems);
    own.extend(contents());
    compare("common", &own, &common, &BTreeMap::new(), &mut problems);
    let mut packages: Vec<&str> = CONTENTS.iter().map(|section| section.package).collect();
    packages.dedup();
    for package in packages {
        let translated = catalogue(root, package, &mut problems);
        let said = said_in(root, package, &mut problems);
        compare(package, &said, &translated, &common, &mut problems);
    }
    problems
}

/// Lists the texts of the table of contents, and the name of the main process.
fn contents() -> Texts {
    let titles = CONTENTS.iter().map(|section| section.title);
    let entries = CONTENTS.iter().flat_map(|section| section.lessons);
    let sentences = entries.flat_map(|entry| [entry.question, entry.remember]);
    let all = titles.chain(sentences).chain([MAIN]);
    all.map(|text| (text.to_owned(), "the table of contents".to_owned())).collect()
}

/// Lists the texts in the sources of a crate.
fn said_in(root: &Path, package: &str, problems: &mut Vec<String>) -> Texts {
    let mut texts = Texts::new();
    let folders = ["src", "examples"].map(|folder| root.join(package).join(folder));
    for path in folders.iter().flat_map(|folder| sources(folder)) {
        let place = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let tokens = fs::read_to_string(&path).map_err(|error| error.to_string());
        match tokens.and_then(|source| TokenStream::from_str(&source).map_err(|e| e.to_string())) {
            Ok(tokens) => collect(tokens, &place, &mut texts),
            Err(error) => problems.push(format!("{place}: {error}")),
        }
    }
    texts
}

/// Collects the texts of all calls of the macros.
fn collect(tokens: TokenStream, place: &str, texts: &mut Texts) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        collect(group.stream(), place, texts);
        let Some([TokenTree::Ident(name), TokenTree::Punct(mark)]) =
            index.checked_sub(2).map(|begin| &tokens[begin..index])
        else {
            continue;
        };
        let name = name.to_string();
        if mark.as_char() == '!' && (FIRST.contains(&name.as_str()) || name == SECOND) {
            let text = argument(group, if name == SECOND { 1 } else { 0 });
            texts.extend(text.map(|text| (text, place.to_owned())));
        }
    }
}

/// Returns the text that is the first of a macro's arguments, from this one on.
fn argument(group: &Group, index: usize) -> Option<String> {
    if group.delimiter() != Delimiter::Parenthesis {
        return None;
    }
    let mut tokens = group.stream().into_iter().peekable();
    let mut arguments = vec![tokens.peek().cloned()];
    while let Some(token) = tokens.next() {
        if matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ',') {
            arguments.push(tokens.peek().cloned());
        }
    }
    arguments.into_iter().skip(index).flatten().find_map(|token| match token {
        TokenTree::Literal(literal) => {
            Some(syn::parse_str::<LitStr>(&literal.to_string()).ok()?.value())
        }
        _ => None,
    })
}

/// Reads the catalogue of a crate.
fn catalogue(root: &Path, package: &str, problems: &mut Vec<String>) -> Texts {
    let path = root.join(format!("common/zh/{package}.po"));
    match po_file::parse(&path) {
        Ok(catalogue) => catalogue
            .messages()
            // The first is the catalogue's head.
            .filter(|message| message.is_translated() && !message.msgid().is_empty())
            .filter_map(|m| Some((m.msgid().to_owned(), m.msgstr().ok()?.to_owned())))
            .collect(),
        Err(error) => {
            problems.push(format!("{}: {error}", path.display()));
            Texts::new()
        }
    }
}

/// Compares the texts of a crate with its catalogue.
fn compare(package: &str, said: &Texts, own: &Texts, common: &Texts, problems: &mut Vec<String>) {
    for (text, place) in said {
        if !own.contains_key(text) && !common.contains_key(text) {
            problems.push(format!("{place}: common/zh/{package}.po has no {text:?}"));
        }
    }
    for (text, chinese) in own {
        let place = format!("common/zh/{package}.po, {text:?}");
        // A crate may have its own word for the main process.
        if !said.contains_key(text) && text != MAIN {
            problems.push(format!("{place}: nothing says this"));
        }
        if places(text) != places(chinese) {
            problems.push(format!("{place}: other placeholders in {chinese:?}"));
        }
        if let Some(problem) = typography(chinese) {
            problems.push(format!("{place}: {problem} in {chinese:?}"));
        }
    }
}

/// Returns the indices of the values in a text, sorted.
fn places(text: &str) -> Vec<usize> {
    let places = text.split('{').skip(1).filter_map(|part| part.split('}').next()).enumerate();
    let mut places: Vec<usize> =
        places.map(|(next, place)| place.parse().unwrap_or(next)).collect();
    places.sort_unstable();
    places
}

/// Returns what is not set as Chinese is, if anything.
fn typography(chinese: &str) -> Option<&'static str> {
    let is_chinese = |letter: char| letter.width() == Some(2) && letter.is_alphabetic();
    let letters: Vec<char> = chinese.chars().collect();
    letters.windows(2).find_map(|pair| {
        let (this, next) = (pair[0], pair[1]);
        let [one, other] = if is_chinese(this) { [this, next] } else { [next, this] };
        match other {
            _ if !is_chinese(one) || is_chinese(other) => None,
            // A formula keeps its parentheses.
            '(' | ')' if chinese.contains("·(") => None,
            ',' | ';' | '!' | '?' | ':' | '(' | ')' => Some("half-width punctuation"),
            _ if other.is_ascii_alphanumeric() => Some("no space beside a letter or digit"),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_in_chinese_too() {
        assert_eq!(problems(crate::root()), [""; 0]);
    }

    #[test]
    fn texts_are_found_in_whatever_stands_around_them() {
        let source = r#"fn main() { if true { say!("puts {}", text!("one \"item\"")) }
            check!(a == "b", "they are \
                alike", c); note!["not this"]; println!("nor this"); }"#;
        let mut texts = Texts::new();
        collect(source.parse().unwrap(), "here", &mut texts);
        let found: Vec<&str> = texts.keys().map(String::as_str).collect();
        assert_eq!(found, ["one \"item\"", "puts {}", "they are alike"]);
    }

    #[test]
    fn a_text_without_chinese_and_chinese_without_a_text_are_problems() {
        let texts = |pairs: &[(&str, &str)]| -> Texts {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let said = texts(&[("a", "x.rs"), ("b {}", "x.rs"), ("c", "x.rs")]);
        let own = texts(&[("b {}", "乙"), ("d", "丁")]);
        let mut problems = Vec::new();
        compare("p", &said, &own, &texts(&[("c", "丙")]), &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn values_may_change_places() {
        assert_eq!(places("{} of {}"), places("{1} 中的 {0} 个"));
        assert_ne!(places("{} of {}"), places("{0} 和 {0}"));
    }

    #[test]
    fn chinese_has_its_own_punctuation_and_space_beside_latin() {
        for good in
            ["满了就等，或者马上报错：由你选择。", "用 Queue 排队（3 个）", "{} 号进程", "90%"]
        {
            assert_eq!(typography(good), None, "{good}");
        }
        for bad in ["满了就等,", "用Queue", "3个", "对吗?", "(满)"] {
            assert!(typography(bad).is_some(), "{bad}");
        }
    }
}
