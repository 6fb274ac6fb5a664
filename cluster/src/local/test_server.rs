//! A server for a test, or a word that there is none.

use std::env;
use std::io::{self, Write};

use super::{LocalError, LocalServer};

/// Starts a server for a test. Where nats-server isn't installed it says so and returns `None`,
/// unless `CLUSTER_TESTS=required`.
///
/// # Panics
/// If the server doesn't start, or isn't there and required.
#[must_use]
pub fn test_server() -> Option<LocalServer> {
    present(LocalServer::start())
}

/// Starts a server with this configuration, as [`test_server`].
///
/// # Panics
/// As [`test_server`].
#[must_use]
pub fn test_server_with(configuration: &str) -> Option<LocalServer> {
    present(LocalServer::with_configuration(configuration))
}

fn present(started: Result<LocalServer, LocalError>) -> Option<LocalServer> {
    let is_required = env::var("CLUSTER_TESTS").is_ok_and(|value| value == "required");
    match started {
        Err(LocalError::NotInstalled) if !is_required => {
            // Not by a macro: the test harness would keep it to itself.
            let _ = writeln!(io::stderr(), "SKIPPED: nats-server isn't installed");
            None
        }
        started => Some(started.expect("a test needs a server")),
    }
}
