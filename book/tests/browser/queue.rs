//! The page `queue`, in both languages.

use crate::support::Page;

#[test]
fn the_page_is_there() {
    for language in ["en", "zh"] {
        let Some(page) = Page::open(&format!("{language}/queue.html")) else { return };
        page.wait_for("document.getElementById('queue').textContent === 'queue'");
        assert_eq!(page.errors(), [""; 0]);
    }
}
