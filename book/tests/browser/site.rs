//! The frame of the book: pages, links, languages, search.

use std::fs;
use std::path::{Path, PathBuf};

use thirtyfour::Key;

use crate::support::{Page, book, row};

/// Lists the pages of both languages, such as `en/docs/glossary.html`.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![book().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the book is built") {
            let path = entry.expect("a name").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "html") {
                let path = path.strip_prefix(book()).expect("a part of it");
                let path = path.to_string_lossy().into_owned();
                // The contents for those who have no script.
                pages.extend(Some(path).filter(|path| !path.ends_with("toc.html")));
            }
        }
    }
    pages.sort();
    pages
}

/// Lists the values of an attribute in a page.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let parts = html.split(attribute).skip(1);
    parts.filter_map(|part| part.strip_prefix("=\"")?.split('"').next()).collect()
}

#[test]
fn both_languages_have_the_same_pages() {
    let pages = pages();
    let of = |folder: &str| -> Vec<_> {
        pages.iter().filter_map(|page| page.strip_prefix(folder)).collect()
    };
    assert_eq!(of("en/"), of("zh/"));
    assert!(of("en/").len() > 15, "{pages:?}");
}

#[test]
fn every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere() {
    let mut problems = Vec::new();
    for page in pages() {
        let path = book().join(&page);
        let html = fs::read_to_string(&path).unwrap();
        for loaded in
            values(&html, " src").into_iter().chain(values(&html, "<link rel=\"stylesheet\" href"))
        {
            if loaded.contains("//") {
                problems.push(format!("{page} loads {loaded}"));
            }
        }
        for link in values(&html, " href").into_iter().chain(values(&html, " src")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            if !target.exists() {
                problems.push(format!("{page}: {link} leads nowhere"));
            } else if !anchor.is_empty() && !has_anchor(&target, anchor) {
                problems.push(format!("{page}: {link} has no such place"));
            }
        }
    }
    assert_eq!(problems, [""; 0]);
}

/// Returns whether a page of the book has this place; what others have is no concern of the book.
fn has_anchor(page: &Path, anchor: &str) -> bool {
    if page.extension().is_none_or(|ending| ending != "html") {
        return true;
    }
    let html = fs::read_to_string(page).unwrap_or_default();
    values(&html, " id").contains(&anchor)
}

#[test]
fn every_page_loads_without_an_error_and_fits_on_a_phone() {
    let Some(page) = Page::open("en/index.html") else { return };
    let mut problems = Vec::new();
    for path in pages().iter().filter(|path| path.contains('/')) {
        for (width, height) in [(1200, 900), (360, 740)] {
            page.resize(width, height);
            page.go(path);
            // The text can scroll by itself; tables and code may, in their own boxes.
            let hidden = page.evaluate(
                "Math.max(...[document.documentElement, document.querySelector('#mdbook-content')]
                    .map((part) => part.scrollWidth - part.clientWidth))",
            );
            if hidden != 0 {
                problems.push(format!("{path} hides {hidden} pixels at a width of {width}"));
            }
        }
    }
    problems.extend(page.errors());
    let elsewhere = page.requests().into_iter().filter(|address| !address.starts_with("file://"));
    problems.extend(elsewhere);
    assert_eq!(problems, [""; 0]);
}

#[test]
fn the_first_view_comes() {
    let Some(page) = Page::open("en/index.html") else { return };
    for path in
        ["en/index.html", "zh/index.html", "en/docs/python-conformance.html", "en/plans.html"]
    {
        page.go(path);
        page.wait_for("performance.getEntriesByName('first-contentful-paint').length");
        let painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime";
        let milliseconds = page.evaluate(painted).as_f64().unwrap();
        row(&format!("first view of {path}"), format!("{milliseconds:.0} ms"));
    }
}

#[test]
fn the_switch_by_keyboard_leads_to_the_same_page_and_back() {
    let Some(page) = Page::open("en/ipc-pipe/index.html") else { return };
    assert!(page.text("main h1").contains("messages between processes"));
    for language in ["zh-CN", "en"] {
        let is_reached = "document.activeElement.id === 'language'";
        let reached = (0..200).find(|_| {
            page.press(Key::Tab);
            page.evaluate(is_reached) == true
        });
        assert!(reached.is_some(), "Tab doesn't reach the switch");
        page.press(Key::Enter);
        let is_there = format!(
            "document.documentElement.lang === {language:?} && document.readyState === 'complete'"
        );
        page.wait_for(&is_there);
        assert_eq!(page.evaluate("location.pathname.endsWith('/ipc-pipe/index.html')"), true);
    }
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn the_switch_leads_to_the_same_place_of_the_page() {
    let Some(page) = Page::open("zh/ipc-pipe/index.html#two-ends") else { return };
    page.click("#language");
    page.wait_for("location.href.endsWith('en/ipc-pipe/index.html#two-ends')");
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn next_and_previous_lead_through_the_whole_book() {
    let Some(page) = Page::open("zh/index.html") else { return };
    let mut read = vec!["index.html".to_owned()];
    let is_there =
        |selector: &str| page.evaluate(&format!("!!document.querySelector({selector:?})")) == true;
    let turn = |selector: &str| {
        let address = page.evaluate(&format!("document.querySelector({selector:?}).href"));
        page.click(selector);
        page.wait_for(&format!(
            "location.href === {address} && document.readyState === 'complete'"
        ));
        let (_, path) = address.as_str().unwrap().split_once("/zh/").unwrap();
        path.to_owned()
    };
    while is_there(".mobile-nav-chapters.next") {
        read.push(turn(".mobile-nav-chapters.next"));
    }
    let all: Vec<String> =
        pages().iter().filter_map(|path| Some(path.strip_prefix("zh/")?.to_owned())).collect();
    let mut sorted = read.clone();
    sorted.sort();
    assert_eq!(sorted, all);
    read.pop();
    // A wide window has its arrows beside the text.
    page.resize(1600, 900);
    assert_eq!(Some(turn(".nav-chapters.previous")), read.pop());
}

#[test]
fn a_word_is_found_in_both_languages() {
    let Some(page) = Page::open("en/index.html") else { return };
    for (start, word, found) in [
        ("en/index.html", "put_nowait", "ipc-queue/index.html"),
        ("en/docs/glossary.html", "back-pressure", "docs/glossary.html"),
        ("en/index.html", "killed consumer", "ipc-queue/index.html"),
        ("zh/index.html", "进程池", "docs/porting.html"),
        ("zh/pools/index.html", "关键路径", "amdahl/index.html"),
    ] {
        page.go(start);
        page.press("/");
        page.wait_for("document.activeElement.id === 'mdbook-searchbar'");
        page.fill("#mdbook-searchbar", word);
        page.press(" ");
        page.wait_for("document.querySelector('#mdbook-searchresults a')");
        let links = "[...document.querySelectorAll('#mdbook-searchresults a')].map((a) => a.href)";
        let links = page.evaluate(links).to_string();
        assert!(links.contains(found), "{word}: {links}");
        let teaser = page.text("#mdbook-searchresults .teaser");
        assert!(teaser.chars().count() < 400, "{teaser}");
        // The pieces of English pages are mdBook's own.
        if start.starts_with("zh/") {
            assert_eq!(page.text("#mdbook-searchresults .teaser em"), word);
        }
        page.press(Key::Enter);
        page.wait_for(
            "location.search.includes('highlight') && document.readyState === 'complete'",
        );
        page.wait_for("document.querySelector('main mark')");
    }
    page.go("zh/index.html");
    page.press("/");
    page.wait_for("document.activeElement.id === 'mdbook-searchbar'");
    page.fill("#mdbook-searchbar", "进木");
    page.press(" ");
    page.wait_for(
        "document.querySelector('#mdbook-searchresults-header').innerText.includes('没有找到')",
    );
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
fn links_out_of_the_book_lead_to_the_repository() {
    let html = fs::read_to_string(book().join("en/index.html")).unwrap();
    let links = values(&html, " href");
    let library = links.iter().find(|link| link.ends_with("multiprocess/README.md")).unwrap();
    let target: PathBuf = book().join("en").join(library);
    assert!(target.exists(), "{library}");
}
