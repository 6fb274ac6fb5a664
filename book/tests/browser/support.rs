//! A page of the book in a browser, for the tests.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use serde_json::{Value, json};
use testing::{Deadline, LONG};

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
    chromium: RefCell<Chromium>,
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
        let page = Self { chromium: RefCell::new(Chromium::start()?), _deadline: deadline };
        page.resize(1200, 900);
        page.go(path);
        Some(page)
    }

    fn call(&self, method: &str, parameters: &Value) -> Value {
        self.chromium.borrow_mut().call(method, parameters)
    }

    /// Goes to another page of the book, and waits until it is loaded.
    pub(crate) fn go(&self, path: &str) {
        let file = book().join(path.split(['?', '#']).next().unwrap_or_default());
        assert!(file.is_file(), "{} isn't built", file.display());
        let address = format!("file://{}/{path}", book().display());
        self.evaluate("window.isLeft = true");
        self.call("Page.navigate", &json!({ "url": address }));
        self.wait_for("!window.isLeft && document.readyState === 'complete'");
    }

    /// Gives the window another size, in pixels of CSS.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Returns the value of an expression of JavaScript; a promise is awaited.
    ///
    /// # Panics
    /// If it throws.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_evaluate(&self, expression: &str) -> Result<Value, Value> {
        let parameters = json!({
            "expression": format!("(async () => ({expression}))()"),
            "awaitPromise": true,
            "returnByValue": true,
        });
        // It fails if the page is left meanwhile.
        let mut result = self.chromium.borrow_mut().try_call("Runtime.evaluate", &parameters)?;
        let exception = result["exceptionDetails"].take();
        if exception.is_null() { Ok(result["result"]["value"].take()) } else { Err(exception) }
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
        let mut last = Ok(Value::Null);
        while last != Ok(Value::Bool(true)) {
            assert!(begun.elapsed() < LONG, "never: {condition}: {last:?}");
            last = self.try_evaluate(&wait);
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
        let click = format!(
            "(() => {{
                const element = document.querySelector({selector:?});
                element.scrollIntoView({{ block: 'nearest' }});
                const {{ left, top, width, height }} = element.getBoundingClientRect();
                const hit = document.elementFromPoint(left + width / 2, top + height / 2);
                if (!element.contains(hit)) throw new Error('under ' + hit?.outerHTML);
                element.click();
            }})()"
        );
        // A link may have led elsewhere before there is an answer.
        let is_left = |error: &Value| error["message"] == "Inspected target navigated or closed";
        let clicked = self.try_evaluate(&click);
        assert!(clicked.as_ref().err().is_none_or(is_left), "{selector}: {clicked:?}");
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

    /// Presses a key: one that writes a character, such as "a", or one of those below.
    ///
    /// # Panics
    /// If there is no such key.
    pub(crate) fn press(&self, key: &str) {
        let (number, text) = match key {
            "Backspace" => (8, ""),
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            "Delete" => (46, ""),
            _ if key.chars().count() == 1 => (key.to_uppercase().as_bytes()[0].into(), key),
            _ => panic!("no key {key}"),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": number });
        event["text"] = json!(text);
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Writes a text into the field that this selector finds, in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.focus(selector);
        self.evaluate(&format!("document.querySelector({selector:?}).select()"));
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Returns the errors so far: of scripts, in the console, of requests.
    pub(crate) fn errors(&self) -> Vec<String> {
        // An answer comes after what was told before.
        self.evaluate("null");
        self.chromium.borrow().errors.clone()
    }

    /// Returns the addresses that were requested so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.chromium.borrow().requests.clone()
    }
}

/// Prints a row of what was measured, also if the test passes.
pub(crate) fn row(what: &str, value: impl Display) {
    let _ = writeln!(io::stderr(), "{what}: {value}");
}
