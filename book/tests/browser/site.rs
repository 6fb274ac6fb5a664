//! The frame of the book: pages, links, languages, search.

use crate::support::Page;

#[test]
fn the_first_page_loads() {
    let Some(page) = Page::open("en/index.html") else { return };
    assert_eq!(page.text("main h1"), "Processes in Rust");
    assert_eq!(page.errors(), [""; 0]);
    assert!(page.requests().iter().all(|address| address.starts_with("file://")));
}
