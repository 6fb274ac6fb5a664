//! The crate `iceoryx2` as a transport: a message is written into shared memory, and read from it.
//! A subscriber can't sleep until a message comes, so an event goes with each.
//!
//! All that it makes in shared memory and in files has a name that begins with the sample's, and
//! stays there if its process is killed. So a process clears up when all ends are gone, in whatever
//! way.

use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use common::interrupt;
use common::measure::harness::work;
use common::measure::{Message, Role, Transport, Workload};
use iceoryx2::port::{listener, notifier, publisher, subscriber};
use iceoryx2::prelude::*;
use multiprocess::process::handover;
use multiprocess::{Failure, Process, tasks};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

tasks![work::<Iceoryx<u64>>, work::<Iceoryx<ByteBuf>>, clear_up];

type Shared = ipc_threadsafe::Service;
type Outgoing = (publisher::Publisher<Shared, [u8], ()>, notifier::Notifier<Shared>);
type Incoming = (subscriber::Subscriber<Shared, [u8], ()>, listener::Listener<Shared>);

/// The place where shared memory has names.
const MEMORY: &str = "/dev/shm";

/// An end of one channel, or of one in each direction.
#[derive(Serialize, Deserialize)]
pub(crate) struct Iceoryx<M> {
    /// Prefix of all names that are made in a sample.
    name: String,
    /// The channels that it puts into and gets from. It must not get what it puts itself.
    into: Option<usize>,
    from: Option<usize>,
    capacity: usize,
    size: usize,
    /// Closed by each end when its publisher is made. A subscriber is made when all publishers are:
    /// it would lose the samples of one that ends before it has seen it.
    publishes: Option<Writer>,
    #[serde(with = "handover")]
    all_publish: PipeReader,
    #[serde(skip)]
    ports: (Option<Outgoing>, Option<Incoming>),
    /// Open while this end lives: closed after the ports.
    #[serde(with = "handover")]
    life: PipeWriter,
    messages: PhantomData<M>,
}

#[derive(Serialize, Deserialize)]
struct Writer(#[serde(with = "handover")] PipeWriter);

/// Arguments of [`clear_up`]: the prefix of the names, and the other end of all lives.
#[derive(Serialize, Deserialize)]
struct Left {
    name: String,
    #[serde(with = "handover")]
    lives: PipeReader,
}

impl<M: Message> Transport for Iceoryx<M> {
    type Message = M;

    fn ends(workload: &Workload) -> Result<Vec<Self>, Failure> {
        static SAMPLES: AtomicU32 = AtomicU32::new(0);
        let sample = SAMPLES.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench-{}-{sample}-", process::id());
        let (lives, life) = pipe()?;
        let (all_publish, publishes) = pipe()?;
        Process::new(clear_up, Left { name: name.clone(), lives }).named(&name).start()?;
        let end = |(worker, role): (usize, &Role)| {
            let (into, from) = workload.channels(worker);
            let is_both_ways = into != from;
            Ok(Self {
                name: name.clone(),
                into: (is_both_ways || !role.gets_first()).then_some(into),
                from: (is_both_ways || role.gets_first()).then_some(from),
                capacity: workload.capacity.unwrap_or(1024),
                size: workload.size.unwrap_or(size_of::<u64>()),
                publishes: Some(Writer(publishes.try_clone()?)),
                all_publish: all_publish.try_clone()?,
                ports: (None, None),
                life: life.try_clone()?,
                messages: PhantomData,
            })
        };
        workload.roles.iter().enumerate().map(end).collect()
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let mut config = Config::default();
        config.global.prefix = FileName::new(self.name.as_bytes())?;
        let folder = folder(&self.name);
        config.global.set_root_path(&Path::new(folder.as_os_str().as_encoded_bytes())?);
        let node =
            NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
        let node = node.create::<Shared>()?;
        let services = |channel: usize| {
            let name = ServiceName::new(&channel.to_string())?;
            let messages = node.service_builder(&name).publish_subscribe::<[u8]>();
            let messages = messages.max_publishers(16).max_subscribers(1);
            let messages = messages.subscriber_max_borrowed_samples(1).enable_safe_overflow(false);
            let messages = messages.subscriber_max_buffer_size(self.capacity).open_or_create()?;
            let events = node.service_builder(&name).event().open_or_create()?;
            Ok::<_, Failure>((messages, events))
        };
        if let Some(channel) = self.into {
            let (messages, events) = services(channel)?;
            let publisher = messages.publisher_builder().initial_max_slice_len(self.size);
            let publisher = publisher.max_loaned_samples(1).create()?;
            self.ports.0 = Some((publisher, events.notifier_builder().create()?));
        }
        self.publishes = None;
        if let Some(channel) = self.from {
            self.all_publish.read_to_end(&mut Vec::new())?;
            let (messages, events) = services(channel)?;
            let subscriber = messages.subscriber_builder().create()?;
            self.ports.1 = Some((subscriber, events.listener_builder().create()?));
        }
        Ok(())
    }

    /// Waits for room inside of its `send`.
    fn put(&mut self, message: M) -> Result<(), Failure> {
        let (publisher, notifier) = self.ports.0.as_ref().ok_or_else(not_connected)?;
        message.write(Sample(publisher))?;
        notifier.notify()?;
        Ok(())
    }

    fn get(&mut self) -> Result<M, Failure> {
        let (subscriber, listener) = self.ports.1.as_ref().ok_or_else(not_connected)?;
        loop {
            if let Some(sample) = subscriber.receive()? {
                return Ok(M::read(sample.payload(), self.size)?);
            }
            listener.blocking_wait_all(|_| {})?;
        }
    }
}

/// Writer that sends each write as one sample.
struct Sample<'a>(&'a publisher::Publisher<Shared, [u8], ()>);

impl Write for Sample<'_> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let sample = self.0.loan_slice_uninit(message.len()).map_err(io::Error::other)?;
        sample.write_from_slice(message).send().map_err(io::Error::other)?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs in a process of its own, which no Ctrl-C ends: removes what is left when all ends are gone.
fn clear_up(Left { name, mut lives }: Left) -> Result<(), Failure> {
    let _signals = interrupt::listen(&Arc::default())?;
    lives.read_to_end(&mut Vec::new())?;
    for file in fs::read_dir(MEMORY)? {
        let file = file?;
        if file.file_name().as_encoded_bytes().starts_with(name.as_bytes()) {
            fs::remove_file(file.path())?;
        }
    }
    match fs::remove_dir_all(folder(&name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn folder(name: &str) -> PathBuf {
    env::temp_dir().join(name)
}

fn not_connected() -> Failure {
    Failure::new("the ports are not connected")
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::measure::Budget;
    use common::measure::harness::Harness;

    fn left(name: &str) -> bool {
        let names = fs::read_dir(MEMORY).unwrap().map(|file| file.unwrap().file_name());
        let mut names = names.filter_map(|name| name.into_string().ok());
        names.any(|each| each.starts_with(name)) || folder(name).exists()
    }

    #[test]
    fn killed_workers_leave_nothing_behind() {
        let _deadline = testing::Deadline::seconds(60);
        let workload = Workload::new(&[Role::Ask, Role::Answer]);
        let budget = Budget::of(60.0);
        let mut harness = Harness::new(&budget).unwrap();
        let ends = Iceoryx::<u64>::ends(&workload).unwrap();
        let name = ends[0].name.clone();
        for (worker, end) in workload.workers(&budget).unwrap().into_iter().zip(ends) {
            harness.add(worker, end).unwrap();
        }
        harness.begin().unwrap();
        assert!(left(&name), "they are at work");
        // Its processes are killed with it.
        drop(harness);
        let children = multiprocess::active_children().into_iter();
        children.filter(|child| child.name() == name).for_each(|child| child.join().unwrap());
        assert!(!left(&name));
    }
}
