//! The index of the search.
//!
//! mdBook's index drops every word that isn't of Latin letters. This one has the same texts, split
//! in the way of `theme/search.js`, which splits what readers search for: words of letters and
//! digits, and of Chinese, which has no spaces, each character and each pair of neighbours.

use anyhow::{Context, Result};
use elasticlunr::lang::English;
use elasticlunr::{IndexBuilder, Language, Pipeline};
use serde_json::Value;

/// What stands before and after mdBook's index; a few letters in it have a backslash.
const AROUND: [&str; 2] = ["window.search = Object.assign(window.search, JSON.parse('", "'));"];

/// Returns mdBook's index, made again, after the script that splits what is searched for.
pub(crate) fn index(text: &str, splitting: &str) -> Result<String> {
    let text = text.strip_prefix(AROUND[0]).and_then(|text| text.strip_suffix(AROUND[1]));
    let text = text.context("mdBook's index has another form")?;
    let mut search: Value = serde_json::from_str(&text.replace(r"\'", "'").replace(r"\\", r"\"))?;

    let fields = ["title", "body", "breadcrumbs"];
    let mut index = IndexBuilder::with_language(Box::new(Words)).add_fields(fields).build();
    let documents = search["index"]["documentStore"]["docs"].take();
    for (number, document) in documents.as_object().context("the index has no documents")? {
        let [title, body, breadcrumbs] =
            fields.map(|field| document[field].as_str().unwrap_or_default());
        // All words of a search have to be in one field: so there is one that has everything.
        index.add_doc(number, [title, &format!("{breadcrumbs} {body}"), breadcrumbs]);
    }
    search["index"] = serde_json::to_value(index)?;
    search["index"]["documentStore"]["docs"] = documents;
    let text = search.to_string().replace('\\', r"\\").replace('\'', r"\'");
    Ok(format!("{splitting}\n{}{text}{}", AROUND[0], AROUND[1]))
}

/// Words of English or Chinese.
struct Words;

impl Language for Words {
    fn name(&self) -> String {
        "English".to_owned()
    }

    fn code(&self) -> String {
        "en".to_owned()
    }

    fn tokenize(&self, text: &str) -> Vec<String> {
        words(text)
    }

    /// Returns that of English, without the step that drops Chinese.
    fn make_pipeline(&self) -> Pipeline {
        let mut pipeline = English::new().make_pipeline();
        pipeline.queue.retain(|step| step.name() != "trimmer");
        pipeline
    }
}

/// Splits a text into what can be found.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = None;
    for letter in text.chars().chain([' ']) {
        let is_chinese = ('\u{3400}'..='\u{9fff}').contains(&letter);
        if letter.is_alphanumeric() && !is_chinese {
            word.push(letter);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if is_chinese {
            words.extend(before.map(|before| String::from_iter([before, letter])));
            words.push(letter.to_string());
        }
        before = is_chinese.then_some(letter);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_text_is_split_into_words_and_pairs_of_characters() {
        assert_eq!(words("Queue::put_nowait(7)"), ["queue", "put", "nowait", "7"]);
        assert_eq!(words("一个进程 id"), ["一", "一个", "个", "个进", "进", "进程", "程", "id"]);
        assert_eq!(words("用Rust写"), ["用", "rust", "写"]);
    }
}
