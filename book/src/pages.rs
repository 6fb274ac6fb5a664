//! The pages of the book, in the order of the contents of the first one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A language of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// English, in `en`.
    English,
    /// Chinese, in `zh`.
    Chinese,
}

impl Language {
    /// Both of them.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// Returns the name of the folder that has the pages.
    pub(crate) fn folder(self) -> &'static str {
        self.of(["en", "zh"])
    }

    /// Returns the one that is in this language.
    pub(crate) fn of<T: Copy>(self, [english, chinese]: [T; 2]) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    /// Returns the other language.
    pub(crate) fn other(self) -> Self {
        self.of([Self::Chinese, Self::English])
    }
}

/// A page, in both languages.
#[derive(Debug)]
pub(crate) struct Page {
    /// The path in the folder of a language, without an ending.
    pub(crate) path: String,
    /// The files in the repository: English, Chinese.
    pub(crate) sources: [PathBuf; 2],
    /// The titles: English, Chinese.
    titles: [String; 2],
    /// The sections of the tutorial, such as "3.1".
    sections: Vec<String>,
    /// The name, if the page computes something: that of its script.
    pub(crate) script: Option<&'static str>,
}

impl Page {
    fn read(root: &Path, path: &str, english: &str, chinese: &str) -> Result<Self> {
        let title = |source: &str| -> Result<String> {
            let text = fs::read_to_string(root.join(source)).with_context(|| source.to_owned())?;
            let line = text.lines().next().unwrap_or_default();
            let title = line.strip_prefix("# ").with_context(|| format!("{source}: no title"))?;
            Ok(title.to_owned())
        };
        Ok(Self {
            path: path.to_owned(),
            sources: [english.into(), chinese.into()],
            titles: [title(english)?, title(chinese)?],
            sections: Vec::new(),
            script: None,
        })
    }

    /// Returns the title as the contents have it, after the sections of the tutorial.
    fn title(&self, language: Language) -> String {
        let sections = self.sections.join(language.of([", ", "、"]));
        let title = language.of([&self.titles[0], &self.titles[1]]);
        format!("{sections} {title}").trim_start().to_owned()
    }
}

/// All pages.
#[derive(Debug)]
pub(crate) struct Pages {
    /// The first page.
    first: Page,
    /// The chapters, each with the pages that belong to it.
    chapters: Vec<(Page, Vec<Page>)>,
    /// What one looks up.
    references: Vec<Page>,
}

/// The pages that compute something, and the chapters to which they belong.
const SCRIPTS: [(&str, &str); 3] =
    [("queue", "ipc-queue"), ("plans", "amdahl"), ("laws", "amdahl")];

impl Pages {
    /// Reads which pages there are.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let contents = fs::read_to_string(root.join("README.md"))?;
        let mut chapters: Vec<(Page, Vec<Page>)> = Vec::new();
        for (section, package) in contents.lines().filter_map(section_and_package) {
            let path = format!("{package}/index");
            if let Some((page, _)) = chapters.iter_mut().find(|(page, _)| page.path == path) {
                page.sections.push(section.to_owned());
                continue;
            }
            let [english, chinese] =
                ["README.md", "README.zh-CN.md"].map(|name| format!("{package}/{name}"));
            let mut page = Page::read(root, &path, &english, &chinese)?;
            page.sections.push(section.to_owned());
            let belonging = SCRIPTS.into_iter().filter(|(_, chapter)| *chapter == package);
            let belonging = belonging.map(|(name, _)| {
                let [english, chinese] =
                    ["en", "zh"].map(|folder| format!("book/pages/{folder}/{name}.md"));
                Ok(Page { script: Some(name), ..Page::read(root, name, &english, &chinese)? })
            });
            let belonging = belonging.collect::<Result<_>>()?;
            chapters.push((page, belonging));
        }
        ensure!(!chapters.is_empty(), "README.md has no table of contents");
        let mut references = Vec::new();
        for path in crate::files(&root.join("docs"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(name) = name.strip_suffix(".md").filter(|name| !name.contains('.')) {
                let path = format!("docs/{name}");
                references.push(Page::read(
                    root,
                    &path,
                    &format!("{path}.md"),
                    &format!("{path}.zh-CN.md"),
                )?);
            }
        }
        Ok(Self {
            first: Page::read(root, "index", "README.md", "README.zh-CN.md")?,
            chapters,
            references,
        })
    }

    /// Iterates over all pages.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Page> {
        let chapters = self.chapters.iter().flat_map(|(page, more)| [page].into_iter().chain(more));
        [&self.first].into_iter().chain(chapters).chain(&self.references)
    }

    /// Finds the page that comes from this file, and the file's language.
    pub(crate) fn of_source(&self, source: &Path) -> Option<(&Page, Language)> {
        let of_page =
            |page: &Page| Language::ALL.into_iter().find(|l| page.sources[*l as usize] == source);
        self.all().find_map(|page| Some((page, of_page(page)?)))
    }

    /// Returns the title of the book.
    pub(crate) fn title(&self, language: Language) -> String {
        self.first.title(language)
    }

    /// Writes the contents as mdBook reads them.
    pub(crate) fn summary(&self, language: Language) -> String {
        let entry = |page: &Page| format!("[{}]({}.md)\n", page.title(language), page.path);
        let mut summary = entry(&self.first);
        summary += language.of(["\n# Lessons\n\n", "\n# 课程\n\n"]);
        for (page, more) in &self.chapters {
            summary += &format!("- {}", entry(page));
            more.iter().for_each(|page| summary += &format!("  - {}", entry(page)));
        }
        summary += language.of(["\n# Reference\n\n", "\n# 参考\n\n"]);
        self.references.iter().for_each(|page| summary += &format!("- {}", entry(page)));
        summary
    }
}

/// Takes a section of the tutorial and its crate out of a row of the table of contents.
fn section_and_package(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let section = cells.next()?;
    let (package, target) = cells.nth(1)?.strip_prefix('[')?.split_once("](")?;
    let is_chapter = target.strip_suffix("/README.md)") == Some(package);
    // Only rows of lessons begin with a number; the table of Python's names doesn't.
    (is_chapter && section.chars().count() <= 3).then_some((section, package))
}
