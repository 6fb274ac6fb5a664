//! A page in a browser, for the tests.

use std::env;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Input, Log, Network, Page as PageDomain, Runtime};
use headless_chrome::{Browser, Tab};
use serde_json::Value;
use testing::{Deadline, LONG};

/// The names that Chromium has on different systems.
const CHROMIUM: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The longest that a test takes, on a machine that does much else.
const LONGEST: Duration = Duration::from_secs(600);

/// Runs Chromium until its standard input ends, which it does however the tests end.
const UNTIL_INPUT_ENDS: &str = r#"
profile=$(mktemp -d) || exit
"$@" --user-data-dir="$profile" </dev/null &
read -r _
kill $!
wait $!
rm -rf "$profile"
"#;

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
    tab: Arc<Tab>,
    seen: Arc<Mutex<Seen>>,
    _browser: Browser,
    _chromium: Chromium,
    _deadline: Deadline,
}

/// What the browser has told so far.
#[derive(Default)]
struct Seen {
    errors: Vec<String>,
    requests: Vec<String>,
}

impl Page {
    /// Opens a page of the book, such as `en/index.html`, in a window of 1,200 × 900 pixels. Where
    /// there is no Chromium it says so and returns `None`, unless `BOOK_TESTS=required`.
    ///
    /// # Panics
    /// If the browser doesn't start, or the page isn't there.
    pub(crate) fn open(path: &str) -> Option<Self> {
        let deadline = Deadline::seconds(LONGEST.as_secs());
        // Before there is a browser that would wait for it.
        book();
        let (chromium, address) = Chromium::start()?;
        let browser = Browser::connect_with_timeout(address, LONGEST).expect("it listens");
        let tab = browser.new_tab().expect("a tab");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let told = Arc::clone(&seen);
        tab.add_event_listener(Arc::new(move |event: &Event| {
            told.lock().expect("no listener panics").hear(event);
        }))
        .expect("a listener");
        tab.call_method(Log::Enable(None)).expect("a log");
        tab.call_method(Runtime::Enable(None)).expect("exceptions");
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .expect("requests");
        let page = Self { tab, seen, _browser: browser, _chromium: chromium, _deadline: deadline };
        page.resize(1200, 900);
        page.go(path);
        Some(page)
    }

    /// Goes to another page of the book, and waits until it is loaded.
    pub(crate) fn go(&self, path: &str) {
        let file = book().join(path.split(['?', '#']).next().unwrap_or_default());
        assert!(file.is_file(), "{} isn't built", file.display());
        let address = format!("file://{}/{path}", book().display());
        self.evaluate("window.isLeft = true");
        self.tab
            .call_method(PageDomain::Navigate {
                url: address,
                referrer: None,
                transition_Type: None,
                frame_id: None,
                referrer_policy: None,
            })
            .expect("a browser");
        self.wait_for("!window.isLeft && document.readyState === 'complete'");
    }

    /// Gives the window another size, in pixels of CSS.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        self.tab
            .call_method(Emulation::SetDeviceMetricsOverride {
                width,
                height,
                device_scale_factor: 1.0,
                mobile: false,
                scale: None,
                screen_width: None,
                screen_height: None,
                position_x: None,
                position_y: None,
                dont_set_visible_size: None,
                screen_orientation: None,
                viewport: None,
                display_feature: None,
                device_posture: None,
            })
            .expect("a window");
    }

    /// Returns the value of an expression of JavaScript; a promise is awaited.
    ///
    /// # Panics
    /// If it throws.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        // As text: otherwise only plain values would come.
        let expression = format!("(async () => JSON.stringify(await ({expression})) ?? 'null')()");
        let value = self.tab.evaluate(&expression, true).map_err(|error| error.to_string())?;
        let text = value.value.as_ref().and_then(Value::as_str);
        let text = text.ok_or_else(|| value.description.clone().unwrap_or_default())?;
        serde_json::from_str(text).map_err(|error| error.to_string())
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
        self.evaluate(&click);
    }

    /// Moves the focus of the keyboard to the first element that this selector finds.
    pub(crate) fn focus(&self, selector: &str) {
        self.evaluate(&format!("document.querySelector({selector:?}).focus()"));
        let is_focused = format!("document.activeElement.matches({selector:?})");
        assert_eq!(self.evaluate(&is_focused), true, "{selector} takes no focus");
    }

    /// Presses a key, such as "Tab", "Enter" or "a".
    pub(crate) fn press(&self, key: &str) {
        self.tab.press_key(key).expect("a key");
    }

    /// Writes a text into the field that this selector finds, in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.focus(selector);
        self.evaluate(&format!("document.querySelector({selector:?}).select()"));
        self.tab.call_method(Input::InsertText { text: text.to_owned() }).expect("text");
    }

    /// Returns the errors so far: of scripts, in the console, of requests.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.seen.lock().expect("no listener panics").errors.clone()
    }

    /// Returns the addresses that were requested so far, but for pieces of the pages themselves.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no listener panics").requests.clone()
    }
}

impl Seen {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::LogEntryAdded(event) => {
                let entry = &event.params.entry;
                if entry.level == Log::LogEntryLevel::Error {
                    let address = entry.url.as_deref().unwrap_or_default();
                    self.errors.push(format!("{} {address}", entry.text));
                }
            }
            Event::RuntimeExceptionThrown(event) => {
                let details = &event.params.exception_details;
                let exception = details.exception.as_ref().and_then(|it| it.description.clone());
                self.errors.push(exception.unwrap_or_else(|| details.text.clone()));
            }
            Event::RuntimeConsoleAPICalled(event) => {
                let call = &event.params;
                if call.Type == Runtime::ConsoleAPICalledEventTypeOption::Error {
                    self.errors.push(format!("{:?}", call.args));
                }
            }
            Event::NetworkRequestWillBeSent(event) => {
                let address = &event.params.request.url;
                self.requests.extend(Some(address.clone()).filter(|it| !it.starts_with("data:")));
            }
            Event::NetworkLoadingFailed(event) if event.params.canceled != Some(true) => {
                self.errors.push(format!("request: {}", event.params.error_text));
            }
            _ => {}
        }
    }
}

/// A running Chromium. Its end is the end of a pipe, so it comes even if the test is killed.
struct Chromium(Child);

impl Chromium {
    /// Starts it; returns the address at which it is to be told what to do, too.
    fn start() -> Option<(Self, String)> {
        let Some(program) = CHROMIUM.into_iter().find(|program| is_there(program)) else {
            let is_required = env::var("BOOK_TESTS").is_ok_and(|value| value == "required");
            assert!(!is_required, "a test needs Chromium");
            // Not by a macro: the test harness would keep it to itself.
            let _ = writeln!(io::stderr(), "SKIPPED: Chromium isn't installed");
            return None;
        };
        let mut chromium = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh", program])
            .args(["--headless", "--no-sandbox", "--remote-debugging-port=0"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--lang=en"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let output = chromium.stderr.take().expect("it is piped");
        let chromium = Self(chromium);
        let mut told = String::new();
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            told += &format!("{line}\n");
            line.strip_prefix("DevTools listening on ").map(str::to_owned)
        });
        // The rest has to be read, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap_or_else(|| panic!("{program} doesn't start:\n{told}"));
        Some((chromium, address))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Returns whether a program is in one of the folders of `PATH`.
fn is_there(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Prints a row of what was measured, also if the test passes.
pub(crate) fn row(what: &str, value: impl Display) {
    let _ = writeln!(io::stderr(), "{what}: {value}");
}
