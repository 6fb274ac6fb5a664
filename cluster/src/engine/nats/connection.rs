//! A connection to a NATS server: how it is made, and what happens to it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::access::{Access, missing_right};
use crate::address::Servers;
use crate::engine::Event;
use crate::error::ConnectError;

/// Time for an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// Time between two looks whether the server is still there: the third one without an answer ends
/// the connection.
const PING: Duration = Duration::from_secs(5);

/// Smallest and largest pause after an error.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Messages that a subscription keeps until they are read.
const CAPACITY: usize = 1 << 20;

/// Smallest `max_payload` of a server in bytes.
const SMALLEST_PAYLOAD: usize = 64 << 10;

/// Settings of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Servers to connect to.
    pub(crate) servers: Servers,
    /// Proof of identity, and certificates to trust.
    pub(crate) access: Access,
    /// Name of the connection, for the server's lists.
    pub(crate) name: String,
    /// Subjects to listen to from the start.
    pub(crate) subjects: Vec<String>,
    /// Subjects to which an empty message is sent once, which nobody keeps: whether that is
    /// allowed.
    pub(crate) probes: Vec<String>,
}

impl Settings {
    fn options(&self) -> Result<ConnectOptions, ConnectError> {
        let pause = |attempts: usize| PAUSES.1.min(PAUSES.0 * u32::try_from(attempts).unwrap_or(1));
        Ok(self
            .access
            .options(&self.servers)?
            .name(&self.name)
            .connection_timeout(ANSWER)
            .request_timeout(Some(ANSWER))
            .ping_interval(PING)
            .subscription_capacity(CAPACITY)
            .max_reconnects(None)
            .reconnect_delay_callback(pause))
    }
}

/// A connection, and what happens to it.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// Number of connections so far.
    pub(super) connections: watch::Receiver<u64>,
}

/// Connects to a server that fits. Tries again for `patience` while none answers; from then on a
/// lost connection is made anew without end.
pub(super) async fn connect(
    settings: &Settings,
    patience: Duration,
) -> Result<Connection, ConnectError> {
    let (sender, events) = mpsc::unbounded_channel();
    let (connected, connections) = watch::channel(0);
    let news = EventSenders { events: sender, connected: Arc::new(connected) };
    let client = connect_patiently(settings, patience, news).await?;
    check_server(settings, &client)?;
    Ok(Connection { client, events, connections })
}

async fn connect_patiently(
    settings: &Settings,
    patience: Duration,
    news: EventSenders,
) -> Result<Client, ConnectError> {
    let addresses = settings.servers.addresses();
    let start = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let news = news.clone();
        let options = settings.options()?.event_callback(move |event| {
            news.send(&event);
            async {}
        });
        let error = match options.connect(addresses.clone()).await {
            Ok(client) => return Ok(client),
            Err(error) => settings.access.refusal(&settings.servers, &error),
        };
        let again = matches!(error, ConnectError::Unreachable { .. });
        if !again || start.elapsed() + pause > patience {
            return Err(error);
        }
        sleep(pause).await;
        pause = PAUSES.1.min(2 * pause);
    }
}

fn check_server(settings: &Settings, client: &Client) -> Result<(), ConnectError> {
    let info = client.server_info();
    let server = settings.servers.to_string();
    if !client.is_server_compatible(2, 9, 0) {
        let reason = format!("it is nats-server {}, and 2.9.0 is needed", info.version);
        return Err(ConnectError::Server { server, reason });
    }
    if info.max_payload < SMALLEST_PAYLOAD {
        let reason = format!(
            "its max_payload is {} bytes, and {SMALLEST_PAYLOAD} are needed",
            info.max_payload
        );
        return Err(ConnectError::Server { server, reason });
    }
    if !info.jetstream {
        return Err(ConnectError::NoJetStream { server });
    }
    Ok(())
}

/// Returns the error for a server that refuses something else.
pub(super) fn failed(settings: &Settings, error: &impl std::error::Error) -> ConnectError {
    ConnectError::Server { server: settings.servers.to_string(), reason: error.to_string() }
}

/// Where the news of a connection go.
#[derive(Clone)]
struct EventSenders {
    events: mpsc::UnboundedSender<Event>,
    /// Number of connections.
    connected: Arc<watch::Sender<u64>>,
}

impl EventSenders {
    fn send(&self, event: &async_nats::Event) {
        let Some(event) = event_of(event) else { return };
        if event == Event::Connected {
            // The first one comes late, when some answers are under way.
            self.connected.send_if_modified(|connections| {
                *connections += 1;
                *connections > 1
            });
        }
        // The receiver may be gone at the end.
        let _ = self.events.send(event);
    }
}

fn event_of(event: &async_nats::Event) -> Option<Event> {
    match event {
        async_nats::Event::Connected => Some(Event::Connected),
        async_nats::Event::Disconnected => Some(Event::Disconnected),
        async_nats::Event::SlowConsumer(_) => Some(Event::Dropped),
        async_nats::Event::ServerError(error) => {
            missing_right(error).map(|(operation, subject)| Event::Refused { operation, subject })
        }
        _ => None,
    }
}
