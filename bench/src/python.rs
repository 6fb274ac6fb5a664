//! CPython: finding the interpreters, and running a small program of this crate in one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::{env, fs, io, thread};

use common::interrupt;
use common::measure::{Budget, Program, Report, Workload};
use multiprocess::Failure;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The programs, by the names under which they import each other.
const PROGRAMS: [(&str, &str); 4] = [
    ("roles.py", include_str!("roles.py")),
    ("calls.py", include_str!("calls.py")),
    ("shared.py", include_str!("shared.py")),
    ("with_dask.py", include_str!("with_dask.py")),
];

/// An interpreter.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    path: PathBuf,
    /// `CPython 3.12.1`.
    pub(crate) name: String,
    programs: Rc<TempDir>,
}

/// The program with which Python 3 tells its version: `CPython 3.12.1`.
const ASK: &str = "import multiprocessing.context, platform; \
                   print(platform.python_implementation(), platform.python_version())";

/// Returns the given Pythons, or else `python3` and `python3.N` on the search path, without the
/// same version twice. A given one that doesn't run is an error; a found one is passed over, for it
/// may be a stand-in of a version manager with nothing behind it.
pub(crate) fn find(given: &[PathBuf]) -> Result<Vec<Python>, Failure> {
    let versions = if given.is_empty() {
        let found = |names: Vec<String>| -> Vec<(PathBuf, String)> {
            on_search_path(&names).into_iter().flat_map(with_version).collect()
        };
        // `python3` first, then the others by version; on Windows it is called `python`.
        let names = (8..30).map(|minor| format!("python3.{minor}"));
        match found(["python3".to_owned()].into_iter().chain(names).collect()) {
            none if none.is_empty() => found(vec!["python".to_owned()]),
            some => some,
        }
    } else {
        given.iter().cloned().map(with_version).collect::<Result<Vec<_>, _>>()?
    };
    distinct(versions)
}

fn distinct(versions: Vec<(PathBuf, String)>) -> Result<Vec<Python>, Failure> {
    let programs = Rc::new(write_programs()?);
    let mut known = BTreeSet::new();
    let new = versions.into_iter().filter(|(_, name)| known.insert(name.clone()));
    Ok(new.map(|(path, name)| Python { path, name, programs: Rc::clone(&programs) }).collect())
}

fn write_programs() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
    for (name, text) in PROGRAMS {
        fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

/// Asks an interpreter for its name and version.
fn with_version(path: PathBuf) -> Result<(PathBuf, String), Failure> {
    let output = Command::new(&path).args(["-c", ASK]).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok((path, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        }
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            Err(Failure::new(format!("{} does not run: {}", path.display(), reason.trim())))
        }
        Err(error) => Err(Failure::new(format!("{} does not run: {error}", path.display()))),
    }
}

/// Finds the programs of these names, in the order of the names first.
fn on_search_path(names: &[String]) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> =
        env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let file = |name| format!("{name}{}", env::consts::EXE_SUFFIX);
    let paths = |name| folders.iter().map(move |folder| folder.join(file(name)));
    names.iter().flat_map(paths).filter(|path| path.is_file()).collect()
}

impl Python {
    /// Runs a workload over one of Python's transports: `queue`, `pipe` or `threads`.
    pub(crate) fn work(
        &self,
        transport: &str,
        workload: &Workload,
        budget: &Budget,
    ) -> Result<Vec<Report>, Failure> {
        let mut wanted = as_json(workload, budget)?;
        wanted["transport"] = json!(transport);
        Ok(serde_json::from_value(self.run("roles.py", &wanted, budget)?)?)
    }

    /// Runs one of the programs that print a figure.
    pub(crate) fn figure(
        &self,
        program: &str,
        argument: &Value,
        budget: &Budget,
    ) -> Result<f64, Failure> {
        Ok(serde_json::from_value(self.run(program, argument, budget)?)?)
    }

    /// Runs one of the programs with this argument; returns what it prints. It and what it has
    /// started are killed when it isn't done in time.
    pub(crate) fn run(
        &self,
        program: &str,
        argument: &Value,
        budget: &Budget,
    ) -> Result<Value, Failure> {
        let is_line = |bytes: &[u8]| bytes.ends_with(b"\n");
        let answer = self.start(program, argument)?.output(budget, is_line)?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Starts one of the programs with this argument.
    pub(crate) fn start(&self, program: &str, argument: &Value) -> Result<Program, Failure> {
        let mut command = Command::new(&self.path);
        command.arg("-B").arg(self.programs.path().join(program)).arg(argument.to_string());
        Program::start(&mut command)
    }

    /// Returns the version of a package that this Python has.
    pub(crate) fn version_of(&self, package: &str) -> Option<String> {
        let ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
        let mut command = Command::new(&self.path);
        let output = command.args(["-c", ask, package]).stdin(Stdio::null()).output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !version.is_empty()).then_some(version)
    }
}

/// Writes a workload as `roles.py` wants it.
pub(crate) fn as_json(workload: &Workload, budget: &Budget) -> Result<Value, Failure> {
    let channels: Vec<_> = (0..workload.roles.len()).map(|w| workload.channels(w)).collect();
    Ok(json!({
        "workers": workload.workers(budget)?,
        "channels": channels,
        "capacity": workload.capacity,
        "is_bytes": workload.size.is_some(),
    }))
}

/// Removes the programs when a signal ends this process. Everything that measures ends by itself
/// when the driver has ended.
pub(crate) fn clean_up_at_signals(pythons: &[Python]) -> Result<(), Failure> {
    let folder = pythons.first().map(|python| python.programs.path().to_owned());
    let signals = interrupt::listen(&Arc::default())?;
    thread::spawn(move || {
        if let Ok(signal) = signals.recv() {
            // It may be gone already.
            let _ = folder.map(fs::remove_dir_all);
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::measure::HANGS;
    use std::time::{Duration, Instant};

    #[test]
    fn a_given_python_that_does_not_run_is_an_error_that_names_it() {
        for path in ["/bin/false", "/no/such/python3"] {
            let error = find(&[path.into()]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{path} does not run:")), "{error}");
        }
    }

    // Windows has no such program.
    #[cfg(unix)]
    #[test]
    fn the_same_version_is_compared_with_once() {
        // It says of itself whatever it is asked.
        let echo = PathBuf::from("/bin/echo");
        assert_eq!(find(&[echo.clone(), echo]).unwrap().len(), 1);
    }

    #[test]
    fn a_program_that_fails_or_hangs_is_a_reason_and_leaves_nothing_behind() {
        for python in find(&[]).unwrap().into_iter().take(1) {
            let folder = python.programs.path();
            fs::write(folder.join("fails.py"), "raise ValueError('no queue')").unwrap();
            let hangs =
                "import os, time\nprint(os.getpid(), file=open('pid', 'w'))\ntime.sleep(99)";
            let hangs = hangs.replace("'pid'", &format!("{:?}", folder.join("pid")));
            fs::write(folder.join("hangs.py"), hangs).unwrap();

            let failure = python.run("fails.py", &json!({}), &Budget::of(0.1)).unwrap_err();
            assert_eq!(failure.to_string(), "ValueError: no queue");
            let deadline = Instant::now() + Duration::from_secs(4);
            let budget = Budget { deadline, ..Budget::of(0.1) };
            assert_eq!(python.run("hangs.py", &json!({}), &budget).unwrap_err().to_string(), HANGS);
            let pid = fs::read_to_string(folder.join("pid")).unwrap();
            assert!(testing::Other::of(pid.trim().parse().unwrap()).is_none());
        }
    }
}
