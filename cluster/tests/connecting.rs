//! What a client and a worker are told when there is no connection: a sentence that says what is
//! wrong, where, and what to do.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use cluster::local::{test_server, test_server_with};
use cluster::{ClusterBuilder, ClusterExecutor, ConnectError, Worker, WorkerBuilder};
use testing::Deadline;

multiprocess::test_entry!();

fn client(address: &str) -> ClusterBuilder {
    ClusterExecutor::builder().server(address)
}

fn worker(address: &str) -> WorkerBuilder {
    Worker::builder().server(address).processes(1)
}

/// Returns what a client and a worker are told.
fn both(address: &str) -> [ConnectError; 2] {
    [client(address).connect().unwrap_err(), worker(address).run().unwrap_err()]
}

/// Returns a port on which nothing listens.
fn dead_port() -> u16 {
    // Systems don't give a port again at once.
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server that says these lines to each visitor, after its greeting; returns its address.
fn pretended(greeting: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("nats://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                stream.write_all(greeting.as_bytes())?;
                let mut lines = BufReader::new(stream.try_clone()?).lines();
                while let Some(line) = lines.next().transpose()? {
                    if line == "PING" {
                        stream.write_all(b"PONG\r\n")?;
                    }
                }
                std::io::Result::Ok(())
            });
        }
    });
    address
}

#[test]
fn without_a_server_a_client_is_told_how_to_get_one() {
    let _deadline = Deadline::seconds(120);
    let error = client(&format!("nats://127.0.0.1:{}", dead_port())).connect().unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let said = error.to_string();
    for part in ["127.0.0.1", "apt install nats-server", "nats-server -js"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_client_waits_a_moment_for_a_server_that_starts_after_it() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    server.kill().unwrap();
    let visited = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    thread::scope(|scope| {
        let connects = scope.spawn(|| client(&server.address()).connect());
        // The first try meets no server.
        drop(visited.accept().unwrap());
        drop(visited);
        server.restart().unwrap();
        connects.join().unwrap().unwrap();
    });
}

#[test]
fn a_server_without_jetstream_is_told_what_to_write() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server_with("") else { return };
    for error in both(&server.address()) {
        assert!(matches!(error, ConnectError::NoJetStream { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(&server.address()) && said.contains("jetstream {}"), "{said}");
    }
}

#[test]
fn a_server_with_too_small_messages_or_too_old_does_not_fit() {
    let _deadline = Deadline::seconds(120);
    let old = "INFO {\"server_id\":\"a\",\"version\":\"2.8.4\",\"max_payload\":1048576,\
               \"jetstream\":true,\"headers\":true,\"proto\":1}\r\n";
    for error in both(&pretended(old)) {
        let said = error.to_string();
        assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
        assert!(said.contains("2.8.4") && said.contains("2.9"), "{said}");
    }
    let Some(server) = test_server_with("jetstream {}\nmax_payload: 32KB\n") else { return };
    for error in both(&server.address()) {
        let said = error.to_string();
        assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
        assert!(said.contains("max_payload") && said.contains("65536"), "{said}");
    }
}

#[test]
fn what_is_no_server_of_this_kind_is_an_error_and_not_a_hang() {
    let _deadline = Deadline::seconds(120);
    for greeting in ["", "HTTP/1.1 400 Bad Request\r\n\r\n", "INFO {\r\n", "\0\0\0\0\r\n"] {
        let error = client(&pretended(greeting)).connect().unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{greeting:?}: {error:?}");
    }
}

#[test]
fn addresses_and_names_that_are_none_get_a_sentence_each() {
    let _deadline = Deadline::seconds(120);
    for address in ["", "redis://127.0.0.1", "nats://user:secret@127.0.0.1", "nats://a/b"] {
        for error in both(address) {
            assert!(matches!(error, ConnectError::Url { .. }), "{address}: {error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
    for error in both("nats://192.0.2.1") {
        assert!(matches!(error, ConnectError::Insecure { .. }), "{error:?}");
    }
    let here = "nats://127.0.0.1";
    let names = |error| assert!(matches!(error, ConnectError::Name { .. }), "{error:?}");
    for name in ["", "a.b", "*", "a b"] {
        names(client(here).name(name).connect().unwrap_err());
        names(worker(here).cluster(name).run().unwrap_err());
        names(worker(here).name(name).run().unwrap_err());
    }
    let error = client(here).lost_after(Duration::from_millis(1)).connect().unwrap_err();
    assert!(matches!(error, ConnectError::Setting { setting: "lost_after", .. }), "{error:?}");
}
