//! A server that does what it is told, also what no server should; and runs of `downloader get`.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use common::group::Group;
use downloader::{Picture, md5_hex};
use serde_json::Value;
use tempfile::TempDir;
use testing::{Deadline, Random, until};

/// The request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// The names in small letters.
    pub(crate) headers: HashMap<String, String>,
    /// The number of requests for this path, this one included.
    pub(crate) count: usize,
    /// The folder that the client writes to, if the server knows it.
    folder: Arc<OnceLock<PathBuf>>,
}

impl Request {
    /// Returns the first byte that is asked for, if it isn't all.
    pub(crate) fn range(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    /// Waits until the client has written so many bytes of the body: a reset would take from it
    /// what it hasn't read.
    pub(crate) fn wait_until_written(&self, length: usize) {
        let folder = self.folder.get().unwrap();
        until("the client has read the body", || unfinished(folder).contains(&(length as u64)));
    }
}

/// Returns the lengths of the unfinished files in a folder that are not empty.
pub(crate) fn unfinished(folder: &Path) -> Vec<u64> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(".part"));
    // By its path: Windows tells the length of an open file late in its folder.
    let lengths = files.filter_map(|file| Some(fs::metadata(file.path()).ok()?.len()));
    lengths.filter(|length| *length > 0).collect()
}

/// An event that threads wait for.
#[derive(Clone, Default)]
pub(crate) struct Event(Arc<(Mutex<bool>, Condvar)>);

impl Event {
    pub(crate) fn set(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let guard = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(guard, |is_set| !*is_set).unwrap());
    }
}

/// The state of a connection after an answer.
#[derive(PartialEq)]
pub(crate) enum After {
    Open,
    Close,
}

/// A server on 127.0.0.1 that answers each request by this function.
pub(crate) struct Server {
    address: String,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    folder: Arc<OnceLock<PathBuf>>,
}

impl Server {
    pub(crate) fn start(
        answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let folder: Arc<OnceLock<PathBuf>> = Arc::default();
        let (answer, seen, known) = (Arc::new(answer), Arc::clone(&requests), Arc::clone(&folder));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (answer, seen, known) = (answer.clone(), seen.clone(), known.clone());
                thread::spawn(move || serve(client, &*answer, &seen, &known));
            }
        });
        Self { address, requests, folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns its address and its port.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}

fn serve(
    mut client: TcpStream,
    answer: &dyn Fn(&Request, &mut TcpStream) -> After,
    seen: &Mutex<Vec<Request>>,
    folder: &Arc<OnceLock<PathBuf>>,
) {
    client.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    loop {
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            if reader.read_until(b'\n', &mut bytes).unwrap_or(0) == 0 {
                return;
            }
            // As Latin-1, in which each byte is a letter.
            let line: String = bytes.into_iter().map(char::from).collect();
            if line.trim().is_empty() {
                break;
            }
            lines.push(line);
        }
        let path = lines[0].split(' ').nth(1).unwrap().to_owned();
        let header = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines[1..].iter().filter_map(header).collect();
        let request = {
            let mut seen = seen.lock().unwrap();
            let count = 1 + seen.iter().filter(|request| request.path == path).count();
            let request = Request { path, headers, count, folder: Arc::clone(folder) };
            seen.push(request.clone());
            request
        };
        if answer(&request, &mut client) == After::Close {
            return;
        }
    }
}

/// Sends an answer with a length.
pub(crate) fn send(client: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> After {
    head(client, status, &format!("{headers}Content-Length: {}\r\n", body.len()));
    let _ = client.write_all(body);
    After::Open
}

/// Sends the head of an answer.
pub(crate) fn head(client: &mut TcpStream, status: &str, headers: &str) {
    let _ = client.write_all(format!("HTTP/1.1 {status}\r\n{headers}\r\n").as_bytes());
}

/// Ends the connection by a reset.
pub(crate) fn reset(client: &TcpStream) -> After {
    rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO)).unwrap();
    After::Close
}

/// Says nothing any more.
pub(crate) fn hang() -> After {
    loop {
        thread::park();
    }
}

/// Gets one address from a server that answers like this.
pub(crate) fn one(
    arguments: &[&str],
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> (Ended, Server) {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(answer);
    let get = Get::of(&[server.url("/a.jpg")]).with(arguments);
    server.folder.get_or_init(|| get.out());
    (get.run(), server)
}

/// Checks that an address fails like this, after this many attempts, and nothing is stored.
pub(crate) fn fails(
    kind: &str,
    attempts: u64,
    arguments: &[&str],
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> Ended {
    let (ended, server) = one(arguments, answer);
    let url = server.url("/a.jpg");
    assert_eq!(ended.fate(&url), ("failed".to_owned(), kind.to_owned(), attempts));
    assert_eq!(ended.files, [""; 0]);
    assert!(ended.failed.ends_with(&format!("\n{url}\n")), "{}", ended.failed);
    assert!(ended.stderr.contains(&format!("failed: {url}: ")), "{}", ended.stderr);
    ended
}

/// Checks that an address is stored with these bytes, after this many attempts.
pub(crate) fn is_stored(
    file: &[u8],
    attempts: u64,
    arguments: &[&str],
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> (Ended, Server) {
    let (ended, server) = one(arguments, answer);
    let fate = ended.fate(&server.url("/a.jpg"));
    assert_eq!(fate, ("stored".to_owned(), "-".to_owned(), attempts), "{}", ended.stderr);
    let extension = if file.starts_with(b"\x89PNG") { "png" } else { "jpg" };
    assert_eq!(ended.files, [format!("{}.{extension}", md5_hex(file))]);
    assert_eq!((ended.code, &*ended.failed), (Some(0), ""));
    (ended, server)
}

/// Makes a PNG of this many pixels a side, different for each seed.
pub(crate) fn png(seed: u64, side: u32) -> Vec<u8> {
    picture(seed, side, "png")
}

/// Makes a JPEG of this many pixels a side, different for each seed.
pub(crate) fn jpg(seed: u64, side: u32) -> Vec<u8> {
    picture(seed, side, "jpg")
}

fn picture(seed: u64, side: u32, extension: &str) -> Vec<u8> {
    let mut random = Random(seed + 1);
    let pixels = (0..3 * side * side).map(|_| random.below(256) as u8).collect();
    let extension = extension.to_owned();
    Picture { width: side, height: side, channels: 3, extension, pixels }.encode().unwrap()
}

/// The traces of a run that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The lines of the report.
    pub(crate) report: Vec<Value>,
    /// The list of failures.
    pub(crate) failed: String,
    /// The names of the files in the folder.
    pub(crate) files: Vec<String>,
    pub(crate) took: Duration,
}

impl Ended {
    /// Returns the report's line for this address.
    pub(crate) fn of(&self, url: &str) -> &Value {
        let found = self.report.iter().find(|line| line["url"] == url);
        found.unwrap_or_else(|| panic!("{url} is not in the report: {:?}", self.report))
    }

    /// Returns status, error and attempts of this address.
    pub(crate) fn fate(&self, url: &str) -> (String, String, u64) {
        let line = self.of(url);
        let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        (text("status"), text("error"), line["attempts"].as_u64().unwrap())
    }
}

/// A run of `downloader get` in a folder of its own.
pub(crate) struct Get {
    pub(crate) place: TempDir,
    command: Command,
    /// The folder of the files, seen from that folder.
    out: PathBuf,
    /// Variables of the environment.
    env: Vec<(&'static str, String)>,
}

impl Get {
    /// Makes a run on a list of these lines.
    pub(crate) fn of(list: &[String]) -> Self {
        Self::on(&(list.join("\n") + "\n"))
    }

    /// Makes a run on a list with this text.
    pub(crate) fn on(list: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("list"), list).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_downloader"));
        let failed = ["--report", "report", "--failed", "failed"];
        command.args(["get", "list"]).args(failed).current_dir(place.path());
        Self { place, command, out: "out".into(), env: Vec::new() }
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Stores into another run's folder.
    pub(crate) fn into_folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.out);
        self
    }

    /// Runs it through this shell text, in which `"$@"` is the run. Windows has no shell of this
    /// kind.
    #[cfg(unix)]
    pub(crate) fn through(mut self, shell: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", shell, "sh"]).arg(self.command.get_program());
        command.args(self.command.get_args()).current_dir(self.place.path());
        self.command = command;
        self
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.place.path().join(&self.out)
    }

    pub(crate) fn run(self) -> Ended {
        self.start().end()
    }

    pub(crate) fn start(mut self) -> Running {
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            self.command.env_remove(name).env_remove(name.to_ascii_uppercase());
        }
        self.command
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .env("LC_ALL", "C")
            .envs(self.env.drain(..));
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.arg("-o").arg(&self.out);
        // A group of its own, to interrupt as a terminal does.
        let (mut child, group) = Group::spawn(&mut self.command).unwrap();
        let mut pipes = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            pipes.1.read_to_string(&mut text).unwrap();
            text
        });
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            pipes.0.read_to_string(&mut text).unwrap();
            text
        });
        let (out, pipes) = (self.out(), [stdout, stderr]);
        Running { place: self.place, out, child, group, pipes, begin: Instant::now() }
    }
}

pub(crate) struct Running {
    pub(crate) place: TempDir,
    pub(crate) out: PathBuf,
    child: Child,
    group: Group,
    pipes: [thread::JoinHandle<String>; 2],
    begin: Instant,
}

impl Running {
    /// Does what the terminal does on Ctrl-C. Windows can do it to a console's processes only.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::INT);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, and checks nothing yet.
    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
    }

    /// Tells whether none of its processes is left.
    pub(crate) fn has_gone(&self) -> bool {
        self.group.is_empty()
    }

    /// Returns the process ids of its children. Only Linux tells them of another process.
    #[cfg(target_os = "linux")]
    pub(crate) fn children(&self) -> Vec<u32> {
        let mut children = Vec::new();
        let tasks = format!("/proc/{}/task", self.child.id());
        for task in fs::read_dir(tasks).into_iter().flatten() {
            let text = fs::read_to_string(task.unwrap().path().join("children"));
            let text = text.unwrap_or_default();
            children.extend(text.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
        }
        children
    }

    /// Waits for its end, and checks what holds after every run: no process is left, no unfinished
    /// file, and each file is whole, because it has the MD5 that it is named after.
    pub(crate) fn end(mut self) -> Ended {
        let code = self.child.wait().unwrap().code();
        let took = self.begin.elapsed();
        until("no process is left", || self.has_gone());
        let files = whole_files(&self.out);
        let read = |name| fs::read_to_string(self.place.path().join(name)).unwrap_or_default();
        let report =
            read("report").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed = read("failed");
        let [stdout, stderr] = self.pipes.map(|pipe| pipe.join().unwrap());
        Ended { code, stdout, stderr, report, failed, files, took }
    }
}

/// Returns the names of the files in a folder, each of which has the MD5 that it is named after.
pub(crate) fn whole_files(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let md5 = md5_hex(&fs::read(entry.path()).unwrap());
            assert_eq!(name.split('.').next(), Some(&*md5), "{name} is not whole");
            name
        })
        .collect();
    files.sort();
    files
}
