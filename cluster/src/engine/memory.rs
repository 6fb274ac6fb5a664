//! A message queue in this process's memory, which counts its messages: for simulations.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::engine::{Acknowledgement, Delivery, Engine, Error, Message, Subscription};

/// The queue; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    broker: Arc<Mutex<Broker>>,
    /// Wakes one that waits for a task.
    offered: Arc<Notify>,
    /// True if the next offer panics.
    is_broken: Arc<AtomicBool>,
}

#[derive(Default)]
struct Broker {
    tasks: VecDeque<Offered>,
    /// Number of tasks that were fetched and not acknowledged, by their client.
    fetched: HashMap<String, usize>,
    subscriptions: HashMap<String, Vec<mpsc::UnboundedSender<Message>>>,
    /// Questions without an answer, by the subject for it.
    asked: HashMap<String, oneshot::Sender<Bytes>>,
    next: u64,
    /// Number of messages by the first token of their subject, each counted as often as it was
    /// received.
    counts: HashMap<&'static str, u64>,
}

/// A task in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    client: String,
    task: Bytes,
}

impl Memory {
    fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().expect("nothing panics while it is locked")
    }

    /// Returns the number of messages that were received for tasks: all but signs of life.
    pub(crate) fn messages(&self) -> u64 {
        let broker = self.broker();
        broker
            .counts
            .iter()
            .filter(|(kind, _)| !["hello", "echo"].contains(kind))
            .map(|it| it.1)
            .sum()
    }

    /// Returns the number of messages of this kind that were received.
    pub(crate) fn messages_of(&self, kind: &str) -> u64 {
        self.broker().counts.get(kind).copied().unwrap_or(0)
    }

    /// Loses all tasks of a client, as a server that is killed does.
    pub(crate) fn forget(&self, client: &str) {
        self.broker().tasks.retain(|offered| offered.client != client);
    }

    /// Lets the next offer panic.
    pub(crate) fn break_down(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    fn take(&self, most: usize) -> Vec<Delivery<Offered>> {
        let mut broker = self.broker();
        let most = most.min(broker.tasks.len());
        let taken: Vec<_> = broker.tasks.drain(..most).collect();
        broker.count("fetched", taken.len());
        for Offered { client, .. } in &taken {
            *broker.fetched.entry(client.clone()).or_default() += 1;
        }
        let delivery =
            |offered: Offered| Delivery { payload: offered.task.clone(), ticket: offered };
        taken.into_iter().map(delivery).collect()
    }
}

impl Broker {
    fn count(&mut self, kind: &'static str, messages: usize) {
        *self.counts.entry(kind).or_default() += messages as u64;
    }

    /// Delivers to all that listen; returns their number.
    fn deliver(&mut self, subject: &str, message: &Message) -> usize {
        if let Some(asked) = self.asked.remove(subject) {
            self.count("answer", 1);
            return usize::from(asked.send(message.payload.clone()).is_ok());
        }
        let Some(listeners) = self.subscriptions.get_mut(subject) else { return 0 };
        listeners.retain(|listener| listener.send(message.clone()).is_ok());
        let heard = listeners.len();
        let kind = ["may", "part", "done", "hello", "echo"]
            .into_iter()
            .find(|kind| subject.split('.').next() == Some(kind));
        self.count(kind.unwrap_or("other"), heard);
        heard
    }
}

impl Engine for Memory {
    type Ticket = Offered;

    fn max_payload(&self) -> usize {
        1 << 20
    }

    async fn offer(&self, client: &str, task: Bytes) -> Result<(), Error> {
        assert!(!self.is_broken.load(Ordering::Relaxed), "the engine has broken down");
        let mut broker = self.broker();
        broker.tasks.push_back(Offered { client: client.to_owned(), task });
        broker.count("offer", 1);
        drop(broker);
        self.offered.notify_one();
        Ok(())
    }

    async fn kept(&self, client: &str) -> Result<usize, Error> {
        let broker = self.broker();
        let waiting = broker.tasks.iter().filter(|offered| offered.client == client).count();
        Ok(waiting + broker.fetched.get(client).copied().unwrap_or(0))
    }

    async fn fetch(&self, most: usize, wait: Duration) -> Result<Vec<Delivery<Offered>>, Error> {
        let fetched = async {
            loop {
                let offered = self.offered.notified();
                let taken = self.take(most);
                if !taken.is_empty() {
                    return taken;
                }
                offered.await;
            }
        };
        Ok(timeout(wait, fetched).await.unwrap_or_default())
    }

    async fn acknowledge(&self, ticket: Offered, how: Acknowledgement) -> Result<(), Error> {
        let mut broker = self.broker();
        broker.count("acknowledgement", 1);
        if let Some(fetched) = broker.fetched.get_mut(&ticket.client) {
            *fetched -= 1;
        }
        match how {
            Acknowledgement::Taken => {}
            Acknowledgement::GivenBack => broker.tasks.push_front(ticket),
            Acknowledgement::GivenBackForLater => broker.tasks.push_back(ticket),
        }
        Ok(())
    }

    async fn ask(&self, subject: String, question: Bytes) -> Result<Bytes, Error> {
        let answer = {
            let mut broker = self.broker();
            broker.next += 1;
            let reply = format!("answer.{}", broker.next);
            let (sender, answer) = oneshot::channel();
            broker.asked.insert(reply.clone(), sender);
            let message = Message { payload: question, reply: Some(reply.clone()) };
            if broker.deliver(&subject, &message) == 0 {
                broker.asked.remove(&reply);
                return Err(Error::NobodyThere);
            }
            answer
        };
        let answer = timeout(Duration::from_secs(60), answer).await;
        answer.ok().and_then(Result::ok).ok_or_else(|| Error::Failed(String::from("no answer")))
    }

    async fn tell(&self, subject: String, message: Bytes) -> Result<(), Error> {
        self.broker().deliver(&subject, &Message { payload: message, reply: None });
        Ok(())
    }

    async fn tell_for_answers(
        &self,
        subject: String,
        message: Bytes,
        reply: String,
    ) -> Result<(), Error> {
        self.broker().deliver(&subject, &Message { payload: message, reply: Some(reply) });
        Ok(())
    }

    async fn flush(&self) {}

    async fn subscribe(&self, subject: String) -> Result<Subscription, Error> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.broker().subscriptions.entry(subject).or_default().push(sender);
        let next = |mut receiver: mpsc::UnboundedReceiver<Message>| async {
            receiver.recv().await.map(|message| (message, receiver))
        };
        Ok(Box::pin(stream::unfold(receiver, next)))
    }
}
