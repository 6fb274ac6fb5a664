//! A page of the book in a browser, for the tests.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use serde_json::{Value, json};
use testing::{Deadline, LONG};
use thirtyfour::error::WebDriverResult;
use thirtyfour::{By, TypingData};

use crate::chromium::Chromium;

/// Returns the folder of the built book; the first call builds it.
pub(crate) fn book() -> &'static Path {
    static BOOK: OnceLock<PathBuf> = OnceLock::new();
    BOOK.get_or_init(|| {
        let builder = Command::new(env!("CARGO_BIN_EXE_book")).output();
        let builder = builder.expect("the builder starts");
        assert!(builder.status.success(), "{}", String::from_utf8_lossy(&builder.stderr));
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository").join("target/book")
    })
}

/// A page of the book in a browser of its own, which ends with it.
pub(crate) struct Page {
    chromium: Chromium,
    _deadline: Deadline,
}

impl Page {
    /// Opens a page of the book, such as `en/index.html`, in a window of 1,200 × 900 pixels. Where
    /// there is no Chromium it says so and returns `None`, unless `BOOK_TESTS=required`.
    ///
    /// # Panics
    /// If the browser doesn't start, or the page isn't there.
    pub(crate) fn open(path: &str) -> Option<Self> {
        let deadline = Deadline::seconds(600);
        // Before there is a browser that would wait for it.
        book();
        let page = Self { chromium: Chromium::start()?, _deadline: deadline };
        page.resize(1200, 900);
        page.go(path);
        Some(page)
    }

    /// Goes to another page of the book, and waits until it is loaded.
    pub(crate) fn go(&self, path: &str) {
        let file = book().join(path.split(['?', '#']).next().unwrap_or_default());
        assert!(file.is_file(), "{} isn't built", file.display());
        let address = format!("file://{}/{path}", book().display());
        let gone = self.chromium.run(async |driver| driver.goto(&address).await);
        gone.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Gives the window another size, in pixels of CSS.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.chromium.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Returns the value of an expression of JavaScript; a promise is awaited.
    ///
    /// # Panics
    /// If it throws.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_evaluate(&self, expression: &str) -> WebDriverResult<Value> {
        let script = format!("return (async () => ({expression}))()");
        // It fails if the page is left meanwhile.
        self.chromium.run(async |driver| Ok(driver.execute(script, []).await?.json().clone()))
    }

    /// Waits until a condition of JavaScript holds, on whatever page is there by then.
    ///
    /// # Panics
    /// If it never holds.
    pub(crate) fn wait_for(&self, condition: &str) {
        let begun = Instant::now();
        // The page looks before each of its pictures, for a second at a time: it may be left.
        let wait = format!(
            "new Promise((done) => {{
                const end = performance.now() + 1000;
                const look = () => ({condition}) ? done(true)
                    : performance.now() > end ? done(false) : requestAnimationFrame(look);
                look();
            }})"
        );
        loop {
            let last = self.try_evaluate(&wait);
            if last.as_ref().is_ok_and(|holds| *holds == true) {
                return;
            }
            assert!(begun.elapsed() < LONG, "never: {condition}: {last:?}");
        }
    }

    /// Returns the text of the first element that this selector finds.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({selector:?}).innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks on the first element that this selector finds.
    ///
    /// # Panics
    /// If it isn't there, or something else lies over it.
    pub(crate) fn click(&self, selector: &str) {
        // In the middle it lies under none of the page's bars.
        self.evaluate(&format!(
            "document.querySelector({selector:?}).scrollIntoView({{ block: 'center' }})"
        ));
        let clicked =
            self.chromium.run(async |driver| driver.find(By::Css(selector)).await?.click().await);
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Returns the complaint about a field of a form, which is to be seen beside it.
    ///
    /// # Panics
    /// If it is about another field, or isn't seen there, or isn't announced.
    pub(crate) fn complaint(&self, form: &str, field: &str) -> String {
        let is_beside = format!(
            "(() => {{
                const field = document.querySelector({field:?});
                const marked = document.querySelectorAll('{form} [aria-invalid]');
                const told = document.getElementById(field.getAttribute('aria-describedby'));
                const beside = (field.closest('tr') ?? field.closest('label')).nextElementSibling;
                return marked.length === 1 && marked[0] === field && field.checkVisibility()
                    && beside.contains(told) && told.checkVisibility();
            }})()"
        );
        assert_eq!(self.evaluate(&is_beside), true, "{field}");
        let told = self.text(&format!("{form} .problem"));
        assert!(!told.is_empty());
        assert_eq!(self.text(&format!("{form} [role=status]")), told);
        told
    }

    /// Moves the focus of the keyboard to the first element that this selector finds.
    ///
    /// # Panics
    /// If it takes none.
    pub(crate) fn focus(&self, selector: &str) {
        self.evaluate(&format!("document.querySelector({selector:?}).focus()"));
        let is_focused = format!("document.activeElement.matches({selector:?})");
        assert_eq!(self.evaluate(&is_focused), true, "{selector} takes no focus");
    }

    /// Presses a key.
    pub(crate) fn press(&self, key: impl Into<TypingData>) {
        let key = key.into();
        let pressed =
            self.chromium.run(async |driver| driver.action_chain().send_keys(key).perform().await);
        pressed.unwrap_or_else(|error| panic!("a key: {error}"));
    }

    /// Writes a text into the field that this selector finds, in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.focus(selector);
        self.evaluate(&format!("document.querySelector({selector:?}).select()"));
        // At once, as from the clipboard: typed texts go through others before they are whole.
        self.chromium.call("Input.insertText", json!({ "text": text }));
    }

    /// Returns the errors since the last call: of scripts, in the console, of requests.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.chromium.errors()
    }

    /// Returns the addresses that were requested since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.chromium.requests()
    }
}

/// Prints a row of what was measured, also if the test passes.
pub(crate) fn row(what: &str, value: impl Display) {
    let _ = writeln!(io::stderr(), "{what}: {value}");
}
