//! Chromium without a window, told what to do over its DevTools protocol.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use testing::LONG;
use tungstenite::{Message, WebSocket};

/// The names that it has on different systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Runs it until the standard input ends, which it does however the test ends.
const UNTIL_INPUT_ENDS: &str = r#"
profile=$(mktemp -d) || exit
"$@" --user-data-dir="$profile" </dev/null &
read -r _
kill $!
wait $!
rm -rf "$profile"
"#;

/// A running Chromium with one tab.
pub(crate) struct Chromium {
    process: Child,
    socket: WebSocket<TcpStream>,
    /// The tab's name in the protocol.
    session: Option<String>,
    calls: u64,
    /// The errors so far: of scripts, in the console, of requests.
    pub(crate) errors: Vec<String>,
    /// The addresses that were requested so far, but for pieces of the pages themselves.
    pub(crate) requests: Vec<String>,
}

impl Chromium {
    /// Starts it. Where there is none it says so and returns `None`, unless
    /// `BOOK_TESTS=required`.
    ///
    /// # Panics
    /// If it doesn't start.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = NAMES.into_iter().find(|program| is_there(program)) else {
            let is_required = env::var("BOOK_TESTS").is_ok_and(|value| value == "required");
            assert!(!is_required, "a test needs Chromium");
            // Not by a macro: the test harness would keep it to itself.
            let _ = writeln!(io::stderr(), "SKIPPED: Chromium isn't installed");
            return None;
        };
        let mut process = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh", program])
            .args(["--headless", "--no-sandbox", "--remote-debugging-port=0"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--lang=en"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let output = process.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address =
            lines.find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned));
        // The rest has to be read, or it would wait for a reader.
        thread::spawn(move || lines.for_each(drop));
        let address = address.expect("it listens");
        let (place, _) = address.trim_start_matches("ws://").split_once('/').expect("an address");
        let stream = TcpStream::connect(place).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("not zero");
        let (socket, _) = tungstenite::client(&address, stream).expect("a socket");
        let (errors, requests) = (Vec::new(), Vec::new());
        let mut chromium = Self { process, socket, session: None, calls: 0, errors, requests };

        let tab = chromium.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let tab = json!({ "targetId": tab["targetId"], "flatten": true });
        let session = chromium.call("Target.attachToTarget", &tab)["sessionId"].take();
        chromium.session = session.as_str().map(str::to_owned);
        for told in ["Log.enable", "Runtime.enable", "Network.enable", "Page.enable"] {
            chromium.call(told, &json!({}));
        }
        Some(chromium)
    }

    /// Calls a method of the protocol, and hears what is told meanwhile.
    ///
    /// # Panics
    /// If the method fails, or doesn't answer in time.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let answer = self.try_call(method, parameters);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method that may fail, as [`Self::call`].
    pub(crate) fn try_call(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(call.to_string())).expect("it runs");
        loop {
            let message = self.socket.read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Message::Text(text) = message else { continue };
            let mut message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] == self.calls {
                let error = message["error"].take();
                return if error.is_null() { Ok(message["result"].take()) } else { Err(error) };
            }
            self.hear(&message["method"], &message["params"]);
        }
    }

    fn hear(&mut self, method: &Value, event: &Value) {
        let error = match method.as_str().unwrap_or_default() {
            "Log.entryAdded" => Some(&event["entry"]).filter(|entry| entry["level"] == "error"),
            "Runtime.exceptionThrown" => Some(&event["exceptionDetails"]),
            "Runtime.consoleAPICalled" => Some(event).filter(|call| call["type"] == "error"),
            "Network.loadingFailed" => Some(event).filter(|failed| failed["canceled"] != true),
            "Network.requestWillBeSent" => {
                let address = event["request"]["url"].as_str().unwrap_or_default();
                self.requests.extend((!address.starts_with("data:")).then(|| address.to_owned()));
                None
            }
            _ => None,
        };
        self.errors.extend(error.map(Value::to_string));
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Returns whether a program is in one of the folders of `PATH`.
fn is_there(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
