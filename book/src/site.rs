//! The pages of one language, written by mdBook.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use mdbook_driver::MDBook;
use mdbook_driver::config::{Config, HtmlConfig};
use mdbook_html::theme::Theme;
use serde_json::json;

use crate::links::{IN_REPOSITORY, Links};
use crate::pages::{Language, Page};
use crate::{search, words};

/// The files of the theme that mdBook puts into every page.
const IN_EVERY_PAGE: [&str; 2] = ["course.css", "course.js"];

/// What stands for the page in its link to the other language.
const THIS_PAGE: &str = "THIS-PAGE.html";

/// Writes the pages of a language, by way of a folder that has them as mdBook reads them.
pub(crate) fn write(
    links: &Links<'_>,
    language: Language,
    book: &Path,
    staged: &Path,
    output: &Path,
) -> Result<()> {
    if staged.exists() {
        fs::remove_dir_all(staged)?;
    }
    let put = |path: &Path, text: &[u8]| -> Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(staged))?;
        fs::write(path, text).with_context(|| path.display().to_string())
    };
    let source = staged.join("src");
    for page in links.pages.all() {
        let file = language.of([&page.sources[0], &page.sources[1]]);
        let text = fs::read_to_string(links.root.join(file))?;
        let chapter = links.turn(page, language, &text)?;
        for drawing in chapter.drawings {
            let bytes = fs::read(links.root.join(&drawing));
            put(&source.join(&drawing), &bytes.with_context(|| drawing.display().to_string())?)?;
        }
        let text = without_switch(&chapter.text) + &scripts(page, book);
        put(&source.join(format!("{}.md", page.path)), text.as_bytes())?;
    }
    put(&source.join("SUMMARY.md"), links.pages.summary(language).as_bytes())?;
    for name in IN_EVERY_PAGE {
        put(&staged.join(name), &fs::read(book.join("theme").join(name))?)?;
    }
    put(&staged.join("theme/index.hbs"), template(language, &staged.join("original"))?.as_bytes())?;
    put(&staged.join("theme/fonts/fonts.css"), b"/* The fonts of the reader's system will do. */")?;

    MDBook::load_with_config(staged, config(links, language, output)?)?.build()?;

    for page in links.pages.all() {
        let name = format!("{}.html", page.path);
        let repository = links.repository(page, language);
        change(&output.join(&name), |html| {
            let html = html.replace(THIS_PAGE, &name);
            Ok(html.replace(&format!("\"{IN_REPOSITORY}"), &format!("\"{repository}")))
        })?;
    }
    for (name, words) in [("book.js", words::SCRIPT), ("searcher.js", words::SEARCH)] {
        change(&output.join(name), |text| words::translate(text, words, language))?;
    }
    let splitting = fs::read_to_string(book.join("theme/search.js"))?;
    change(&output.join("searchindex.js"), |text| search::index(text, &splitting))
}

/// Writes a file again, changed.
fn change(path: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(name)?;
    Ok(fs::write(path, change(&text).with_context(name)?)?)
}

/// Returns a text without its link to the other language, which every page of the book has anyway.
fn without_switch(text: &str) -> String {
    let is_switch = |line: &str| {
        let switch = line.strip_prefix("[中文](").or_else(|| line.strip_prefix("[English]("));
        switch.is_some_and(|rest| rest.find(')') == rest.len().checked_sub(1))
    };
    let lines = text.lines().filter(|line| !is_switch(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Returns what a page needs that computes something.
fn scripts(page: &Page, book: &Path) -> String {
    let Some(name) = page.script else { return String::new() };
    let mut text = String::from("\n");
    if book.join(format!("theme/{name}.css")).exists() {
        text += &format!("<link rel=\"stylesheet\" href=\"../{name}.css\">\n");
    }
    for script in ["browser", name] {
        text += &format!("<script defer src=\"../{script}.js\"></script>\n");
    }
    text
}

/// Describes the book to mdBook.
fn config(links: &Links<'_>, language: Language, output: &Path) -> Result<Config> {
    let mut config = Config::from_str("")?;
    config.set("book.title", links.pages.title(language))?;
    config.set("book.language", language.of(["en", "zh-CN"]))?;
    config.set("build.build-dir", output)?;
    config.set("build.create-missing", false)?;
    config.set(
        "output.html",
        json!({
            "smart-punctuation": false,
            "no-section-label": true,
            "additional-css": ["course.css"],
            "additional-js": ["course.js"],
            // Files are changed after mdBook has written them.
            "hash-files": false,
            "input-404": "",
            "print": { "enable": false },
            "search": { "use-boolean-and": true },
            // It would send the code to a server.
            "playground": { "runnable": false },
        }),
    )?;
    if let Some(address) = &links.repository {
        config.set("output.html.git-repository-url", address)?;
    }
    Ok(config)
}

/// Returns mdBook's template in this language, with a link to the page in the other one.
fn template(language: Language, original: &Path) -> Result<String> {
    Theme::copy_theme(&HtmlConfig::default(), original)?;
    let text = fs::read_to_string(original.join("theme/index.hbs"))?;
    let text = words::translate(&text, words::TEMPLATE, language)?;
    let other = language.other();
    let language = other.of(["en", "zh-CN"]);
    let name = other.of(["English", "中文"]);
    let address = format!("{{{{ path_to_root }}}}../{}/{THIS_PAGE}", other.folder());
    let attributes = format!(r#"id="language" lang="{language}" hreflang="{language}""#);
    let switch = format!(r#"<a {attributes} href="{address}">{name}</a>"#);
    let place = r#"<div class="right-buttons">"#;
    words::replace(&text, place, &format!("{place}\n{switch}"))
}
