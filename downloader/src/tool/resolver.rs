//! Look-ups of host names: each name once for all threads, and its answer is kept for a while.
//!
//! The client's own resolver starts a thread for every request, also for a connection that is open
//! already. Here a thread is started for a name that is not known, and all requests wait for it.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{LookupError, LookupErrorKind, lookup_host};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The time for which an answer is kept, also the answer that there is no such name.
const KEPT: Duration = Duration::from_secs(60);
/// The time for which a failure that may pass is kept: long enough for all threads that wait for
/// the name; another attempt looks it up again.
const FAILURE_KEPT: Duration = Duration::from_millis(200);
/// The most addresses of a name that are tried.
const ADDRESSES: usize = 16;

/// The names that have been looked up.
#[derive(Debug, Default)]
pub(super) struct CachingResolver(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<HashMap<String, Entry>>,
    answered: Condvar,
}

#[derive(Debug)]
enum Entry {
    /// A thread is looking it up.
    Pending,
    Answered {
        answer: Result<Vec<IpAddr>, LookupFailure>,
        until: Instant,
    },
}

/// The reason why a name has no addresses.
#[derive(Clone, Debug)]
pub(super) struct LookupFailure {
    message: String,
    /// True if the resolver may know more another time.
    pub(super) is_temporary: bool,
}

impl fmt::Display for LookupFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LookupFailure {}

impl From<LookupError> for LookupFailure {
    /// Tells the answer that there is no such name, or no address of it, from the failure to get
    /// an answer. The standard library hides which of them it was.
    fn from(error: LookupError) -> Self {
        let is_answer = matches!(error.kind(), LookupErrorKind::NoName | LookupErrorKind::NoData);
        Self { message: error.to_string(), is_temporary: !is_answer }
    }
}

impl Entry {
    fn is_over(&self) -> bool {
        matches!(self, Entry::Answered { until, .. } if *until <= Instant::now())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the system, which may take long.
    fn look_up(&self, host: String) {
        let answer = lookup_host(&host).map(Iterator::collect).map_err(LookupFailure::from);
        let is_temporary = answer.as_ref().is_err_and(|error| error.is_temporary);
        let kept = if is_temporary { FAILURE_KEPT } else { KEPT };
        self.lock().insert(host, Entry::Answered { answer, until: Instant::now() + kept });
        self.answered.notify_all();
    }
}

impl CachingResolver {
    /// Returns the addresses of a host; `None` if they are not known in time.
    fn addresses(&self, host: &str, time: Duration) -> Option<Result<Vec<IpAddr>, LookupFailure>> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Some(Ok(vec![address]));
        }
        let begin = Instant::now();
        let mut known = self.0.lock();
        if known.get(host).is_none_or(Entry::is_over) {
            known.retain(|_, entry| !entry.is_over());
            known.insert(host.to_owned(), Entry::Pending);
            let (shared, name) = (Arc::clone(&self.0), host.to_owned());
            if let Err(error) = thread::Builder::new().spawn(move || shared.look_up(name)) {
                known.remove(host);
                let message = error.to_string();
                return Some(Err(LookupFailure { message, is_temporary: true }));
            }
        }
        let is_pending =
            |known: &mut HashMap<_, _>| matches!(known.get(host), Some(Entry::Pending));
        let waited = self.0.answered.wait_timeout_while(known, time, is_pending);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match known.get(host) {
            Some(Entry::Pending) => None,
            Some(Entry::Answered { answer, .. }) => Some(answer.clone()),
            // It was over, and removed, before this thread was awake.
            None => {
                drop(known);
                self.addresses(host, time.saturating_sub(begin.elapsed()))
            }
        }
    }
}

impl Resolver for CachingResolver {
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
        let found = found.map_err(|error| Error::Other(Box::new(error)))?;
        let found = found.into_iter().map(|address| SocketAddr::new(address, port));
        let mut addresses = self.empty();
        found.take(ADDRESSES).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

#[cfg(test)]
mod tests {
    use testing::Deadline;

    use super::*;

    #[test]
    fn an_address_in_digits_needs_no_look_up() {
        let resolver = CachingResolver::default();
        for (host, address) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
            let found = resolver.addresses(host, Duration::ZERO).unwrap().unwrap();
            assert_eq!(found, [address.parse::<IpAddr>().unwrap()]);
        }
        assert!(resolver.0.lock().is_empty());
    }

    #[test]
    fn a_name_is_looked_up_once_and_its_answer_is_kept() {
        let _deadline = Deadline::seconds(60);
        let resolver = CachingResolver::default();
        let time = Duration::from_secs(50);
        let found = resolver.addresses("localhost", time).unwrap().unwrap();
        assert!(found.iter().all(IpAddr::is_loopback));
        // What is kept is taken, whatever it is.
        let kept = Entry::Answered {
            answer: Ok(vec![[10, 0, 0, 1].into()]),
            until: Instant::now() + KEPT,
        };
        resolver.0.lock().insert("localhost".to_owned(), kept);
        let found = resolver.addresses("localhost", Duration::ZERO).unwrap().unwrap();
        assert_eq!(found, [IpAddr::from([10, 0, 0, 1])]);
        // And no longer than for its time.
        let old = Entry::Answered { answer: Ok(vec![]), until: Instant::now() };
        resolver.0.lock().insert("localhost".to_owned(), old);
        assert!(!resolver.addresses("localhost", time).unwrap().unwrap().is_empty());
    }

    #[test]
    fn only_an_answer_that_there_is_no_such_name_lasts() {
        let _deadline = Deadline::seconds(60);
        let resolver = CachingResolver::default();
        // No resolver is asked for a label that is this long.
        let host = format!("{}.invalid", "x".repeat(64));
        let error = resolver.addresses(&host, Duration::from_secs(50)).unwrap().unwrap_err();
        assert!(!error.is_temporary, "{error}");
        let is_kept = |entry: &Entry| {
            let later = Instant::now() + 2 * FAILURE_KEPT;
            matches!(entry, Entry::Answered { until, .. } if *until > later)
        };
        assert!(is_kept(&resolver.0.lock()[&host]));
        let other = LookupFailure::from(LookupError::from(std::io::Error::other("later")));
        assert!(other.is_temporary);
    }

    #[test]
    fn a_look_up_ends_with_its_time() {
        let _deadline = Deadline::seconds(60);
        let resolver = CachingResolver::default();
        resolver.0.lock().insert("slow".to_owned(), Entry::Pending);
        assert!(resolver.addresses("slow", Duration::from_millis(10)).is_none());
    }
}
