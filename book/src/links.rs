//! The links of a chapter, turned into those of the book.
//!
//! What is a page of the book is linked there; a drawing comes along; everything else stays in the
//! repository.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::pages::{Language, Page, Pages};

/// Stands for the repository's address until mdBook has run, which would take a relative link to a
/// Markdown file for a page.
pub(crate) const IN_REPOSITORY: &str = "repository:";

/// What is needed to know where a link leads.
pub(crate) struct Links<'a> {
    /// The repository's folder.
    pub(crate) root: &'a Path,
    /// The pages of the book.
    pub(crate) pages: &'a Pages,
    /// The web address of the repository.
    pub(crate) repository: Option<String>,
}

/// A chapter for the book, and the drawings it shows.
pub(crate) struct Chapter {
    /// The text, with the links of the book.
    pub(crate) text: String,
    /// The paths of the drawings in the repository, and in the folder of the language.
    pub(crate) drawings: Vec<PathBuf>,
}

impl Links<'_> {
    /// Turns the links of a page's text into those of the book.
    pub(crate) fn turn(&self, page: &Page, language: Language, text: &str) -> Result<Chapter> {
        let mut chapter = Chapter { text: String::new(), drawings: Vec::new() };
        let mut done = 0;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let (address, is_drawing) = match &event {
                Event::Start(Tag::Link { dest_url, .. }) => (dest_url, false),
                Event::Start(Tag::Image { dest_url, .. }) => (dest_url, true),
                _ => continue,
            };
            if address.contains("://") || address.starts_with("mailto:") || address.starts_with('#')
            {
                continue;
            }
            let source = language.of([&page.sources[0], &page.sources[1]]);
            let (file, anchor) = address.split_at(address.find('#').unwrap_or(address.len()));
            let target = normal(&source.with_file_name("").join(file));
            let leads_somewhere = self.root.join(&target).exists();
            ensure!(leads_somewhere, "{}: {address} leads nowhere", source.display());
            let turned = if is_drawing {
                chapter.drawings.push(target.clone());
                relative(Path::new(&page.path), &target)
            } else {
                self.place(page, language, &target)
            };
            let found = text[range.clone()].rfind(&**address);
            let at = range.start
                + found.with_context(|| {
                    format!(
                        "the link to {address} has to be written in its place, in {}",
                        source.display()
                    )
                })?;
            chapter.text += &text[done..at];
            chapter.text += &turned;
            chapter.text += anchor;
            done = at + address.len();
        }
        chapter.text += &text[done..];
        Ok(chapter)
    }

    /// Returns how a page links this file of the repository.
    fn place(&self, page: &Page, language: Language, target: &Path) -> String {
        let here = Path::new(language.folder()).join(&page.path);
        if let Some((page, language)) = self.pages.of_source(target) {
            return relative(
                &here,
                &Path::new(language.folder()).join(format!("{}.html", page.path)),
            );
        }
        format!("{IN_REPOSITORY}{}", slashes(target))
    }

    /// Returns what stands before a path in the repository, in links of a page.
    pub(crate) fn repository(&self, page: &Page, language: Language) -> String {
        match &self.repository {
            Some(address) => format!("{}/blob/HEAD/", address.trim_end_matches('/')),
            None => {
                let here = Path::new("target/book").join(language.folder()).join(&page.path);
                format!("{}/", relative(&here, Path::new("")))
            }
        }
    }
}

/// Returns the way from a file to another one, both given from the same folder.
pub(crate) fn relative(from: &Path, to: &Path) -> String {
    let from: Vec<Component<'_>> = from.parent().unwrap_or(from).components().collect();
    let to_parts: Vec<Component<'_>> = to.components().collect();
    let common = from.iter().zip(&to_parts).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    slashes(&up.chain(to_parts[common..].iter().copied()).collect::<PathBuf>())
}

/// Leaves out `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Writes a path as an address has it.
fn slashes(path: &Path) -> String {
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_into_the_book_or_to_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let pages = Pages::read(root).unwrap();
        let (page, language) = pages.of_source(Path::new("pools/README.md")).unwrap();
        let mut links = Links { root, pages: &pages, repository: None };
        for (link, turned) in [
            ("[a](../README.md#contents)", "[a](../index.html#contents)"),
            ("[a](README.zh-CN.md)", "[a](../../zh/pools/index.html)"),
            ("[a](../docs/porting.md)", "[a](../docs/porting.html)"),
            ("[a](../book/pages/en/plans.md)", "[a](../plans.html)"),
            ("[a](src/main.rs)", "[a](repository:pools/src/main.rs)"),
            ("| [`a`](../bench/README.md) |", "| [`a`](repository:bench/README.md) |"),
            ("![a](../docs/staircase.svg)", "![a](../docs/staircase.svg)"),
            ("[a](#b), [c](https://example.org/d.md)", "[a](#b), [c](https://example.org/d.md)"),
            ("`[a](b.md)`", "`[a](b.md)`"),
        ] {
            let chapter = links.turn(page, language, link).unwrap();
            assert_eq!(chapter.text, turned);
            assert_eq!(chapter.drawings.len(), usize::from(link.starts_with('!')));
        }
        let error = links.turn(page, language, "[a](src/no.rs)").err().expect("there is none");
        assert_eq!(error.to_string(), "pools/README.md: src/no.rs leads nowhere");
        assert_eq!(links.repository(page, language), "../../../../");
        links.repository = Some("https://example.org/course/".to_owned());
        assert_eq!(links.repository(page, language), "https://example.org/course/blob/HEAD/");
    }
}
