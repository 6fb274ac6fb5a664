//! Settings of a [`ClusterExecutor`](crate::ClusterExecutor).

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime;

use crate::address::check_name;
use crate::build_id::build_id;
use crate::client::{Limits, Network, Shared};
use crate::connecting::{Connecting, connection_setters};
use crate::engine::nats::{Connected, Nats, Settings};
use crate::error::ConnectError;
use crate::executor::ClusterExecutor;
use crate::protocol::{Place, client_name, echo};

/// Time for which a connection is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Settings of an executor; made by [`ClusterExecutor::builder`].
///
/// ```no_run
/// use std::time::Duration;
///
/// use cluster::{ClusterExecutor, Secret};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let executor = ClusterExecutor::builder()
///     .server("tls://head-1:4222")
///     .server("tls://head-2:4222")
///     .user("client", Secret::file("/etc/my/secret")?)
///     .ca_file("ca.pem")
///     .name("nightly")
///     .lost_after(Duration::from_secs(30))
///     .connect()?;
/// executor.wait_for_processes(8, Duration::from_secs(60))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterBuilder {
    connecting: Connecting,
    name: String,
    limits: Limits,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            connecting: Connecting::default(),
            name: String::from("default"),
            limits: Limits {
                lost_after: Duration::from_secs(10),
                give_up_after: Some(Duration::from_secs(300)),
                retries: 0,
                most_bytes: 1 << 30,
                most_waiting: 100_000,
            },
        }
    }
}

impl ClusterBuilder {
    connection_setters!();

    /// Sets the cluster's name, by default `default`: several clusters may share a server. 1 to 32
    /// letters (A-Z, a-z), digits, `-` and `_`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the silence after which a machine is taken for lost, by default 10 s, at least 1 s. An
    /// agent that dies is known at once; this is for machines that are cut off or without power.
    pub fn lost_after(mut self, silence: Duration) -> Self {
        self.limits.lost_after = silence;
        self
    }

    /// Sets the time without a server after which all futures end, by default 5 min; `None` for
    /// never.
    pub fn give_up_after(mut self, time: Option<Duration>) -> Self {
        self.limits.give_up_after = time;
        self
    }

    /// Sets how often a call whose machine was lost is given to another one, by default never. Such
    /// a call may run more than once at the same time, because the lost machine may still be at it:
    /// running it twice must do no harm. Dask: `retries`; Ray: `max_retries`.
    pub fn retries(mut self, retries: u32) -> Self {
        self.limits.retries = retries;
        self
    }

    /// Sets the largest number of bytes of the arguments of a call (or of a chunk of them), and of
    /// a result, by default 1 GiB.
    pub fn most_bytes(mut self, bytes: u64) -> Self {
        self.limits.most_bytes = bytes;
        self
    }

    /// Sets the number of waiting calls above which `submit` waits, by default 100,000.
    pub fn most_waiting(mut self, calls: usize) -> Self {
        self.limits.most_waiting = calls;
        self
    }

    /// Connects to the cluster.
    ///
    /// # Errors
    /// [`ConnectError`], with what is wrong and what to do; where no server answers, after 5 s.
    pub fn connect(self) -> Result<ClusterExecutor, ConnectError> {
        self.check()?;
        let servers = self.connecting.servers()?;
        let place = Place { cluster: self.name, build: build_id()?.to_owned() };
        let name = client_name(&place.cluster);
        let name = name.map_err(|error| ConnectError::System(error.to_string()))?;
        let texts = servers.to_string();
        let subjects = Shared::subjects(&name, &place);
        let (access, probes) = (self.connecting.access, vec![echo(&name), place.tasks(&name)]);
        let settings = Settings { servers, access, name: name.clone(), subjects, probes };
        let net = runtime::Builder::new_current_thread().enable_all().build()?;
        let connected = net.block_on(Nats::connect(&settings, place.clone(), PATIENCE))?;
        let (shared, offers) = Shared::new(name, place, texts, self.limits);
        let network = |results: mpsc::Sender<_>| {
            let Connected { engine, events, subscriptions } = connected;
            Network { shared, engine, offers, events, subscriptions, results }
        };
        Ok(ClusterExecutor::start(network, move |network| net.block_on(network.run()))?)
    }

    fn check(&self) -> Result<(), ConnectError> {
        check_name(&self.name)?;
        let wrong = |setting, reason: &str| {
            Err(ConnectError::Setting { setting, reason: reason.to_owned() })
        };
        match &self.limits {
            it if it.lost_after < Duration::from_secs(1) => {
                wrong("lost_after", "give at least 1 s")
            }
            it if it.most_bytes == 0 => wrong("most_bytes", "give at least 1"),
            it if it.most_waiting == 0 => wrong("most_waiting", "give at least 1"),
            _ => Ok(()),
        }
    }
}
