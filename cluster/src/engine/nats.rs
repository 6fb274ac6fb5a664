//! NATS with JetStream.
//!
//! Tasks are in one stream for each cluster and build, in the server's memory: nothing of value is
//! in it, because clients keep each task until its outcome is there. Everything else is messages
//! that nothing keeps.

mod connection;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::header::{HeaderMap, NATS_EXPECTED_STREAM};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, AckKind, ErrorCode};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

pub(crate) use self::connection::Settings;
use self::connection::{ANSWER, Connection, failed};
use crate::engine::{Acknowledgement, Delivery, Engine, Error, Event, Message, Subscription};
use crate::error::ConnectError;
use crate::pause::Pauses;
use crate::protocol::Place;

/// Time after which a task is delivered again that was not acknowledged. A question for it may take
/// longer: then it is delivered twice, and begins once.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(5);

/// Time after which a task is delivered again that was given back for later.
const LATER: Duration = Duration::from_secs(5);

/// Name of the consumer that all agents share.
const CONSUMER: &str = "workers";

/// How often the stream is looked for while another client makes it: for 5 s in all.
const TRIES: u32 = 6;

/// A fetched task, for its acknowledgement.
#[derive(Debug)]
pub(crate) struct Ticket {
    message: jetstream::Message,
    /// Number of the connection over which it came. On another one, the server may have been
    /// restarted, and have given its number to another task.
    connection: u64,
}

/// A connection to NATS.
#[derive(Clone)]
pub(crate) struct Nats {
    client: Client,
    jetstream: jetstream::Context,
    place: Arc<Place>,
    /// The consumer, once it was found, and the number of the connection on which it was.
    consumer: Arc<Mutex<Option<(u64, PullConsumer)>>>,
    /// Number of connections so far.
    connections: watch::Receiver<u64>,
}

/// A connection with its news.
pub(crate) struct Connected {
    /// The connection.
    pub(crate) engine: Nats,
    /// What happens to it from now on.
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// Messages of the subjects in [`Settings::subjects`], in their order.
    pub(crate) subscriptions: Vec<Subscription>,
}

impl Nats {
    /// Connects to the server, and makes the stream for this place if it isn't there. Tries again
    /// for `patience` while no server answers; from then on a lost connection is made anew without
    /// end.
    pub(crate) async fn connect(
        settings: &Settings,
        place: Place,
        patience: Duration,
    ) -> Result<Connected, ConnectError> {
        let Connection { client, mut events, connections } =
            connection::connect(settings, patience).await?;
        let jetstream = jetstream::new(client.clone());
        let place = Arc::new(place);
        let engine = Self { client, jetstream, place, consumer: Arc::default(), connections };
        let mut subscriptions = Vec::new();
        for subject in &settings.subjects {
            let subscribed = engine.subscribe(subject.clone()).await;
            subscriptions.push(subscribed.map_err(|error| failed(settings, &error))?);
        }
        for subject in &settings.probes {
            engine.probe(subject.clone()).await.map_err(|error| failed(settings, &error))?;
        }
        let made = engine.stream().await.map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStream(error)
                if [
                    ErrorCode::JETSTREAM_NOT_ENABLED,
                    ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
                ]
                .contains(&error.error_code()) =>
            {
                ConnectError::NoJetStream { server: settings.servers.to_string() }
            }
            _ => failed(settings, &error),
        });
        // A missing right shows as an event, and here only as a missing answer. What was refused
        // before this answer is known when it is there.
        let _ = engine.jetstream.get_stream_no_info(engine.place.stream()).await;
        let _ = timeout(ANSWER, engine.client.flush()).await;
        while let Ok(event) = events.try_recv() {
            if let Event::Refused { operation, subject } = event {
                return Err(ConnectError::Right { operation, subject });
            }
        }
        made?;
        Ok(Connected { engine, events, subscriptions })
    }

    /// Sends an empty message, which no stream keeps, because it is for another one.
    async fn probe(&self, subject: String) -> Result<(), Error> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_STREAM, "none");
        let sent = self.client.publish_with_headers(subject, headers, Bytes::new());
        sent.await.map_err(other)
    }

    /// Refuses to send anything without a connection: it would be kept, with its repetitions, until
    /// there is one, and all would be delivered at once.
    fn ensure_connected(&self) -> Result<(), Error> {
        let is_connected = self.client.connection_state() == State::Connected;
        let without = || Error::Failed(String::from("there is no connection to a server"));
        is_connected.then_some(()).ok_or_else(without)
    }

    /// Does what needs an answer. If the connection is lost and made anew meanwhile, the answer
    /// won't come: then this fails at once, so that it can be repeated.
    async fn answered<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut connections = self.connections.clone();
        connections.mark_unchanged();
        tokio::select! {
            biased;
            done = work => done,
            Ok(()) = connections.changed() => {
                Err(Error::Failed(String::from("the connection was lost before the answer")))
            }
        }
    }

    /// Finds the stream, or makes it. If several make it at once, nats-server may tell some of them
    /// that there is another stream of these subjects: those find it a moment later.
    async fn stream(&self) -> Result<stream::Stream, CreateStreamError> {
        let config = stream::Config {
            name: self.place.stream(),
            subjects: vec![self.place.tasks("*")],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::Memory,
            discard: DiscardPolicy::New,
            max_age: Duration::from_secs(24 * 60 * 60),
            ..stream::Config::default()
        };
        let mut pauses = Pauses::default();
        for _ in 1..TRIES {
            match self.jetstream.get_or_create_stream(config.clone()).await {
                Err(error) if is_made_already(&error) => pauses.pause().await,
                found => return found,
            }
        }
        self.jetstream.get_or_create_stream(config).await
    }

    async fn consumer(&self) -> Result<PullConsumer, Error> {
        let connection = *self.connections.borrow();
        let mut known = self.consumer.lock().await;
        // Another connection may lead to a server that was restarted and has forgotten the
        // consumer. It doesn't answer a fetch from it at all.
        if let Some((_, consumer)) = known.as_ref().filter(|(at, _)| *at == connection) {
            return Ok(consumer.clone());
        }
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACKNOWLEDGEMENT,
            max_ack_pending: 1 << 20,
            max_waiting: 1 << 16,
            ..pull::Config::default()
        };
        let stream = self.stream().await.map_err(other)?;
        let consumer = stream.get_or_create_consumer(CONSUMER, config).await.map_err(other)?;
        Ok(known.insert((connection, consumer)).1.clone())
    }

    async fn fetch_from(
        &self,
        consumer: &PullConsumer,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery<Ticket>>, Error> {
        let mut fetched = Vec::new();
        let connection = *self.connections.borrow();
        let delivery = |message: jetstream::Message| Delivery {
            payload: message.payload.clone(),
            ticket: Ticket { message, connection },
        };
        let batch = consumer.batch().max_messages(1).expires(wait).messages();
        let mut batch = batch.await.map_err(other)?;
        // The server ends the wait; the limit is for a server that is gone.
        match timeout(wait + ANSWER, batch.next()).await {
            Ok(Some(message)) => fetched.push(delivery(message.map_err(other)?)),
            Ok(None) | Err(_) => return Ok(fetched),
        }
        if most > 1 {
            let rest = consumer.fetch().max_messages(most - 1).messages().await;
            let Ok(mut rest) = rest else { return Ok(fetched) };
            while let Ok(Some(Ok(message))) = timeout(ANSWER, rest.next()).await {
                fetched.push(delivery(message));
            }
        }
        Ok(fetched)
    }
}

impl Engine for Nats {
    type Ticket = Ticket;

    fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    async fn offer(&self, client: &str, task: Bytes) -> Result<(), Error> {
        self.ensure_connected()?;
        let kept = self.jetstream.publish(self.place.tasks(client), task).await.map_err(other)?;
        self.answered(async { kept.await.map(drop).map_err(other) }).await
    }

    async fn kept(&self, client: &str) -> Result<usize, Error> {
        let counted = async {
            let stream = self.stream().await.map_err(other)?;
            let subject = self.place.tasks(client);
            let mut counts = stream.info_with_subjects(subject).await.map_err(other)?;
            // Without a task there is no such subject.
            counts.next().await.map_or(Ok(0), |count| Ok(count.map_err(other)?.1))
        };
        self.answered(counted).await
    }

    async fn fetch(&self, most: usize, wait: Duration) -> Result<Vec<Delivery<Ticket>>, Error> {
        let fetch = async {
            let consumer = self.consumer().await?;
            self.fetch_from(&consumer, most, wait).await
        };
        let fetched = self.answered(fetch).await;
        // A server that was restarted has forgotten the consumer, and a fetch from it is just
        // empty, for ever.
        if !fetched.as_ref().is_ok_and(|fetched| !fetched.is_empty()) {
            *self.consumer.lock().await = None;
        }
        fetched
    }

    async fn acknowledge(&self, ticket: Ticket, how: Acknowledgement) -> Result<(), Error> {
        if ticket.connection != *self.connections.borrow() {
            // The task is delivered again, and its client says no.
            return Ok(());
        }
        let kind = match how {
            Acknowledgement::Taken => AckKind::Ack,
            Acknowledgement::GivenBack => AckKind::Nak(None),
            Acknowledgement::GivenBackForLater => AckKind::Nak(Some(LATER)),
        };
        ticket.message.ack_with(kind).await.map_err(other)
    }

    async fn ask(&self, subject: String, question: Bytes) -> Result<Bytes, Error> {
        let asked = async {
            match self.client.request(subject, question).await {
                Ok(answer) => Ok(answer.payload),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                    Err(Error::NobodyThere)
                }
                Err(error) => Err(other(error)),
            }
        };
        self.answered(asked).await
    }

    async fn tell(&self, subject: String, message: Bytes) -> Result<(), Error> {
        self.ensure_connected()?;
        self.client.publish(subject, message).await.map_err(other)
    }

    async fn tell_for_answers(
        &self,
        subject: String,
        message: Bytes,
        reply: String,
    ) -> Result<(), Error> {
        self.ensure_connected()?;
        self.client.publish_with_reply(subject, reply, message).await.map_err(other)
    }

    async fn flush(&self) {
        let _ = timeout(Duration::from_secs(1), self.client.flush()).await;
    }

    async fn subscribe(&self, subject: String) -> Result<Subscription, Error> {
        let messages = self.client.subscribe(subject).await.map_err(other)?;
        // The server itself answers where nobody listens, by a status.
        let messages = messages.filter(|message| ready(message.status.is_none()));
        Ok(Box::pin(messages.map(|message| Message {
            payload: message.payload,
            reply: message.reply.map(|reply| reply.to_string()),
        })))
    }
}

/// Returns true if there is a stream of this name, or of some of these subjects.
fn is_made_already(error: &CreateStreamError) -> bool {
    let CreateStreamErrorKind::JetStream(error) = error.kind() else { return false };
    [ErrorCode::STREAM_NAME_EXIST, ErrorCode::STREAM_SUBJECT_OVERLAP].contains(&error.error_code())
}

fn other(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
