//! Look-ups of host names: each name once for all threads, and its answer is kept for a while.
//!
//! The client's own resolver starts a thread for every request, also for a connection that is open
//! already. Here a thread is started for a name that is not known, and all requests wait for it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(60);
/// How long a failure is kept: long enough for all threads that wait for the name; another attempt
/// looks it up again.
const FAILURE_KEPT: Duration = Duration::from_millis(200);
/// The most addresses of a name that are tried.
const ADDRESSES: usize = 16;

/// The names that have been looked up.
#[derive(Debug, Default)]
pub(super) struct Names(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<HashMap<String, Name>>,
    answered: Condvar,
}

#[derive(Debug)]
enum Name {
    /// A thread is looking it up.
    Asked,
    Answered {
        answer: Result<Vec<IpAddr>, Arc<io::Error>>,
        until: Instant,
    },
}

impl Name {
    fn is_over(&self) -> bool {
        matches!(self, Name::Answered { until, .. } if *until <= Instant::now())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the system, which may take long.
    fn look_up(&self, host: String) {
        let found = (host.as_str(), 0).to_socket_addrs();
        let answer = found.map(|found| found.map(|address| address.ip()).collect());
        let kept = if answer.is_ok() { KEPT } else { FAILURE_KEPT };
        let answer = answer.map_err(Arc::new);
        self.lock().insert(host, Name::Answered { answer, until: Instant::now() + kept });
        self.answered.notify_all();
    }
}

impl Names {
    /// Returns the addresses of a host; `None` if they are not known in time.
    fn addresses(&self, host: &str, time: Duration) -> Option<io::Result<Vec<IpAddr>>> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Some(Ok(vec![address]));
        }
        let begin = Instant::now();
        let mut known = self.0.lock();
        if known.get(host).is_none_or(Name::is_over) {
            known.retain(|_, name| !name.is_over());
            known.insert(host.to_owned(), Name::Asked);
            let (shared, name) = (Arc::clone(&self.0), host.to_owned());
            if let Err(error) = thread::Builder::new().spawn(move || shared.look_up(name)) {
                known.remove(host);
                return Some(Err(error));
            }
        }
        let is_asked = |known: &mut HashMap<_, _>| matches!(known.get(host), Some(Name::Asked));
        let waited = self.0.answered.wait_timeout_while(known, time, is_asked);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match known.get(host) {
            Some(Name::Asked) => None,
            Some(Name::Answered { answer, .. }) => {
                Some(answer.clone().map_err(|error| copy(&error)))
            }
            // It was over, and removed, before this thread was awake.
            None => {
                drop(known);
                self.addresses(host, time.saturating_sub(begin.elapsed()))
            }
        }
    }
}

/// Copies an error, with all that tells that a name is not known.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let default = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => 1080,
        };
        let port = uri.port_u16().unwrap_or(default);
        let found = self.addresses(host, *timeout.after).ok_or(Error::Timeout(timeout.reason))?;
        let found = found?.into_iter().map(|address| SocketAddr::new(address, port));
        let mut addresses = self.empty();
        found.take(ADDRESSES).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

#[cfg(test)]
mod tests {
    use common::testing::Deadline;

    use super::*;

    #[test]
    fn an_address_in_digits_needs_no_look_up() {
        let names = Names::default();
        for (host, address) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
            let found = names.addresses(host, Duration::ZERO).unwrap().unwrap();
            assert_eq!(found, [address.parse::<IpAddr>().unwrap()]);
        }
        assert!(names.0.lock().is_empty());
    }

    #[test]
    fn a_name_is_looked_up_once_and_its_answer_is_kept() {
        let _deadline = Deadline::seconds(60);
        let names = Names::default();
        let time = Duration::from_secs(50);
        let found = names.addresses("localhost", time).unwrap().unwrap();
        assert!(found.iter().all(IpAddr::is_loopback));
        // What is kept is taken, whatever it is.
        let kept =
            Name::Answered { answer: Ok(vec![[10, 0, 0, 1].into()]), until: Instant::now() + KEPT };
        names.0.lock().insert("localhost".to_owned(), kept);
        let found = names.addresses("localhost", Duration::ZERO).unwrap().unwrap();
        assert_eq!(found, [IpAddr::from([10, 0, 0, 1])]);
        // And no longer than for its time.
        let old = Name::Answered { answer: Ok(vec![]), until: Instant::now() };
        names.0.lock().insert("localhost".to_owned(), old);
        assert!(!names.addresses("localhost", time).unwrap().unwrap().is_empty());
    }

    #[test]
    fn a_look_up_ends_with_its_time() {
        let _deadline = Deadline::seconds(60);
        let names = Names::default();
        names.0.lock().insert("slow".to_owned(), Name::Asked);
        assert!(names.addresses("slow", Duration::from_millis(10)).is_none());
    }
}
