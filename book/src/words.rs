//! What mdBook says by itself, in Chinese.

use anyhow::{Context, Result};

use crate::pages::Language;

/// A text of mdBook's, and the same in Chinese.
type Words<'a> = &'a [(&'a str, &'a str)];

/// Those of the template of all pages.
pub(crate) const TEMPLATE: Words<'_> = &[
    ("Keyboard shortcuts", "快捷键"),
    (
        "Press <kbd>←</kbd> or <kbd>→</kbd> to navigate between chapters",
        "按 <kbd>←</kbd>、<kbd>→</kbd> 翻到上一页、下一页",
    ),
    (
        "Press <kbd>S</kbd> or <kbd>/</kbd> to search in the book",
        "按 <kbd>S</kbd> 或 <kbd>/</kbd> 搜索",
    ),
    ("Press <kbd>?</kbd> to show this help", "按 <kbd>?</kbd> 显示本帮助"),
    ("Press <kbd>Esc</kbd> to hide this help", "按 <kbd>Esc</kbd> 关闭本帮助"),
    ("Toggle Table of Contents", "显示或隐藏目录"),
    ("Table of contents", "目录"),
    ("Change theme", "更换配色"),
    ("\"Themes\"", "\"配色\""),
    (">Auto<", ">跟随系统<"),
    (">Light<", ">浅色<"),
    (">Rust<", ">铁锈<"),
    (">Coal<", ">炭黑<"),
    (">Navy<", ">深蓝<"),
    ("Search (`/`)", "搜索（/）"),
    ("Toggle Searchbar", "显示或隐藏搜索栏"),
    ("Search this book ...", "搜索本书……"),
    ("Git repository", "源代码仓库"),
    ("Page navigation", "翻页"),
    ("Previous chapter", "上一页"),
    ("Next chapter", "下一页"),
];

/// Those of the script of all pages.
pub(crate) const SCRIPT: Words<'_> = &[("Copy to clipboard", "复制"), ("Copied!", "已复制")];

/// Those of the search.
pub(crate) const SEARCH: Words<'_> = &[
    (r"count + ' search result for \'' + searchterm + '\':'", "'“' + searchterm + '”：1 个结果'"),
    (r"'No search results for \'' + searchterm + '\'.'", "'没有找到“' + searchterm + '”。'"),
    (
        r"count + ' search results for \'' + searchterm + '\':'",
        "'“' + searchterm + '”：' + count + ' 个结果'",
    ),
    ("Search Result Teaser", "摘要"),
    ("makeTeaser(escapeHTML(", "elasticlunr.teaser(escapeHTML("),
];

/// Returns a text of mdBook's in this language.
pub(crate) fn translate(text: &str, words: Words<'_>, language: Language) -> Result<String> {
    let mut text = text.to_owned();
    if language == Language::Chinese {
        for (english, chinese) in words {
            text = replace(&text, english, chinese)?;
        }
    }
    Ok(text)
}

/// Replaces a part of a text, which has to be there.
pub(crate) fn replace(text: &str, from: &str, to: &str) -> Result<String> {
    let replaced = text.contains(from).then(|| text.replace(from, to));
    replaced.with_context(|| format!("mdBook no longer has {from:?}"))
}
