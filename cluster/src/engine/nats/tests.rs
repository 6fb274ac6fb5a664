//! A real server, which is killed and restarted.

use futures_util::future::join_all;
use testing::{Deadline, LONG};

use super::*;
use crate::access::Access;
use crate::address::Servers;
use crate::local::{LocalServer, test_server};

multiprocess::test_entry!();

const TASK: Bytes = Bytes::from_static(b"task");

async fn connect(server: &LocalServer) -> Connected {
    let settings = Settings {
        servers: Servers::parse(&[server.address()], false).unwrap(),
        access: Access::default(),
        name: String::from("test"),
        subjects: Vec::new(),
        probes: Vec::new(),
    };
    let place = Place { cluster: String::from("a"), build: String::from("b") };
    Nats::connect(&settings, place, LONG).await.unwrap()
}

#[tokio::test]
async fn a_task_is_kept_until_it_is_acknowledged() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let Connected { engine, .. } = connect(&server).await;
    assert_eq!(engine.kept("client").await, Ok(0));
    for client in ["client", "client", "client", "another"] {
        engine.offer(client, TASK).await.unwrap();
    }
    assert_eq!(engine.kept("client").await, Ok(3));
    let fetched = engine.fetch(2, ANSWER).await.unwrap();
    assert_eq!((fetched.len(), engine.kept("client").await), (2, Ok(3)));
    for Delivery { ticket, .. } in fetched {
        engine.acknowledge(ticket, Acknowledgement::Taken).await.unwrap();
    }
    // Acknowledgements have no answer, and come before the next question.
    assert_eq!(engine.kept("client").await, Ok(1));
    assert_eq!(engine.kept("another").await, Ok(1));
}

#[tokio::test]
async fn a_probe_is_not_kept() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let Connected { engine, .. } = connect(&server).await;
    engine.probe(engine.place.tasks("client")).await.unwrap();
    engine.offer("another", TASK).await.unwrap();
    assert_eq!(engine.kept("client").await, Ok(0));
    assert_eq!(engine.kept("another").await, Ok(1));
}

#[tokio::test]
async fn without_a_connection_nothing_is_kept_to_be_sent_later() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let Connected { engine, mut events, .. } = connect(&server).await;
    server.kill().unwrap();
    while events.recv().await != Some(Event::Disconnected) {}
    while engine.client.connection_state() != State::Disconnected {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        engine.offer("client", TASK).await.unwrap_err();
        engine.tell(String::from("hello.a"), TASK).await.unwrap_err();
    }
    server.restart().unwrap();
    while events.recv().await != Some(Event::Connected) {}
    engine.stream().await.unwrap();
    assert_eq!(engine.kept("client").await, Ok(0));
    engine.offer("client", TASK).await.unwrap();
    assert_eq!(engine.kept("client").await, Ok(1));
}

#[tokio::test]
async fn the_first_fetch_from_a_restarted_server_brings_a_task() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let Connected { engine, mut events, .. } = connect(&server).await;
    engine.offer("client", TASK).await.unwrap();
    assert_eq!(engine.fetch(1, ANSWER).await.unwrap().len(), 1);
    server.kill().unwrap();
    while events.recv().await != Some(Event::Disconnected) {}
    server.restart().unwrap();
    while events.recv().await != Some(Event::Connected) {}
    engine.stream().await.unwrap();
    engine.offer("client", TASK).await.unwrap();
    assert_eq!(engine.fetch(1, ANSWER).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_late_acknowledgement_takes_no_other_task_of_a_restarted_server() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let Connected { engine, mut events, .. } = connect(&server).await;
    engine.offer("client", TASK).await.unwrap();
    let late = engine.fetch(1, ANSWER).await.unwrap().pop().unwrap().ticket;
    server.kill().unwrap();
    while events.recv().await != Some(Event::Disconnected) {}
    server.restart().unwrap();
    while events.recv().await != Some(Event::Connected) {}
    engine.stream().await.unwrap();
    engine.offer("client", TASK).await.unwrap();
    assert_eq!(engine.fetch(1, ANSWER).await.unwrap().len(), 1);
    engine.acknowledge(late, Acknowledgement::Taken).await.unwrap();
    assert_eq!(engine.kept("client").await, Ok(1));
}

#[tokio::test]
async fn a_stream_that_several_make_at_the_same_time_is_there_for_all() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let mut engines = Vec::new();
    for _ in 0..8 {
        engines.push(connect(&server).await.engine);
    }
    for round in 0..200 {
        let place = Arc::new(Place { cluster: format!("c{round}"), build: String::from("b") });
        let streams = engines.iter_mut().map(|engine| {
            engine.place = Arc::clone(&place);
            engine.stream()
        });
        for stream in join_all(streams).await {
            stream.unwrap();
        }
    }
}
