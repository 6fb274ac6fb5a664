//! Chromium without a window, driven by ChromeDriver.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};
use tokio::runtime::{Builder, Runtime};

/// Runs ChromeDriver until the standard input ends, which it does however the test ends. Chromium
/// ends with it, for they are joined by a pipe.
const UNTIL_INPUT_ENDS: &str = r#"
TMPDIR=$(mktemp -d) || exit
export TMPDIR
chromedriver --port=0 </dev/null &
# ChromeDriver alone holds the output: if it dies at its start, its reader sees the end.
exec >/dev/null
read -r _
kill $!
wait $!
# Until its last process has ended, Chromium writes there.
while pgrep -f "$TMPDIR"; do sleep 0.1; done
rm -rf "$TMPDIR"
"#;

/// A running Chromium with one tab.
pub(crate) struct Chromium {
    runtime: Runtime,
    driver: WebDriver,
    process: Child,
}

impl Chromium {
    /// Starts it. Where there is none it says so and returns `None`, unless
    /// `BOOK_TESTS=required`.
    ///
    /// # Panics
    /// If it doesn't start.
    pub(crate) fn start() -> Option<Self> {
        if Command::new("chromedriver").arg("--version").output().is_err() {
            let is_required = env::var("BOOK_TESTS").is_ok_and(|value| value == "required");
            assert!(!is_required, "a test needs Chromium and ChromeDriver");
            // Not by a macro: the test harness would keep it to itself.
            let _ = writeln!(io::stderr(), "SKIPPED: ChromeDriver isn't installed");
            return None;
        }
        let mut process = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let output = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let port = line.split_once("started successfully on port ")?.1;
            Some(port.trim_end_matches('.').to_owned())
        });
        // The rest has to be read, or it would wait for a reader.
        thread::spawn(move || lines.for_each(drop));
        let address = format!("http://127.0.0.1:{}", port.expect("it listens"));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let driver = runtime.block_on(open(&address)).expect("a browser");
        Some(Self { runtime, driver, process })
    }

    /// Runs what ChromeDriver is to do, to its end.
    pub(crate) fn run<T>(
        &self,
        steps: impl AsyncFnOnce(&WebDriver) -> WebDriverResult<T>,
    ) -> WebDriverResult<T> {
        self.runtime.block_on(steps(&self.driver))
    }

    /// Calls a method of Chromium's own protocol, for what WebDriver has no word for.
    ///
    /// # Panics
    /// If the method fails.
    pub(crate) fn call(&self, method: &str, parameters: Value) {
        let called = self.run(async |driver| driver.cdp().send_raw(method, parameters).await);
        called.unwrap_or_else(|error| panic!("{method}: {error}"));
    }

    /// Returns the errors since the last call: of scripts, in the console, of requests.
    pub(crate) fn errors(&self) -> Vec<String> {
        let entries = self.run(async |driver| driver.browser_log().await).expect("a log");
        let errors = entries.into_iter().filter(|entry| entry.level == "SEVERE");
        errors.map(|entry| entry.message).collect()
    }

    /// Returns the addresses that were requested since the last call, but for pieces of the pages
    /// themselves.
    pub(crate) fn requests(&self) -> Vec<String> {
        let entries = self.run(async |driver| driver.get_log("performance").await).expect("a log");
        let address = |entry: &str| -> Option<String> {
            let event = &serde_json::from_str::<Value>(entry).ok()?["message"];
            let address = event["params"]["request"]["url"].as_str()?;
            (event["method"] == "Network.requestWillBeSent" && !address.starts_with("data:"))
                .then(|| address.to_owned())
        };
        entries.iter().filter_map(|entry| address(&entry.message)).collect()
    }
}

/// Opens a browser at a ChromeDriver.
async fn open(address: &str) -> WebDriverResult<WebDriver> {
    let mut wanted = DesiredCapabilities::chrome();
    for argument in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--lang=en",
        // Chromium ends when the other end of the pipe closes.
        "--remote-debugging-pipe",
    ] {
        wanted.add_arg(argument)?;
    }
    wanted.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
    wanted.set_logging_prefs("performance", LoggingPrefsLogLevel::All)?;
    WebDriver::new(address, wanted).await
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.driver.clone().quit());
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
