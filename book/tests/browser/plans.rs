//! The page `plans`, in both languages.

use crate::support::Page;

#[test]
fn the_page_is_there() {
    for language in ["en", "zh"] {
        let Some(page) = Page::open(&format!("{language}/plans.html")) else { return };
        page.wait_for("document.getElementById('plans').textContent === 'plans'");
        assert_eq!(page.errors(), [""; 0]);
    }
}
