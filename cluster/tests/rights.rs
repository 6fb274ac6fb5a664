//! The configuration that `ServerConfig` writes, in a real server: who may do what.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use cluster::local::{LocalServer, LocalWorker, test_server_with};
use cluster::{
    ClusterBuilder, ClusterExecutor, ConnectError, Secret, ServerConfig, Worker, WorkerBuilder,
};
use multiprocess::futures::Executor;
use multiprocess::tasks;
use testing::{Deadline, LONG};

multiprocess::test_entry!();
tasks![reversed];

/// Runs in the worker.
fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn config() -> ServerConfig {
    ServerConfig::new("localhost", "nightly").unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn client(server: &LocalServer) -> ClusterBuilder {
    ClusterExecutor::builder().server(server.address()).name("nightly")
}

fn worker(server: &LocalServer) -> WorkerBuilder {
    Worker::builder().server(server.address()).cluster("nightly").processes(1)
}

#[test]
fn clients_and_workers_have_all_the_rights_that_they_need() {
    let _deadline = Deadline::seconds(120);
    let config = config();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    let user = worker(&server).user("worker", secret(config.worker_password()));
    let _worker = LocalWorker::start(user).unwrap();
    let user = client(&server).user("client", secret(config.client_password()));
    let executor = user.connect().unwrap();
    executor.wait_for_processes(1, LONG).unwrap();
    // Small ones in the task itself, large ones in parts.
    for length in [3, 3 << 20] {
        let bytes: Vec<u8> = (0..length).map(|number| number as u8).collect();
        let future = executor.submit(reversed, bytes.clone()).unwrap();
        assert!(future.result_timeout(LONG).unwrap().iter().eq(bytes.iter().rev()));
    }
    drop(executor);
    let log = server.log().unwrap();
    assert!(!log.contains("Violation"), "{log}");
}

#[test]
fn nobody_and_a_wrong_password_are_refused() {
    let _deadline = Deadline::seconds(120);
    let config = config();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    let refused = |error: ConnectError, who: &str| {
        assert!(
            matches!(&error, ConnectError::Refused { user, .. } if user.contains(who)),
            "{error:?}"
        );
        assert!(!error.to_string().contains("wrong"), "the password isn't shown: {error}");
    };
    refused(client(&server).connect().unwrap_err(), "without a user");
    refused(worker(&server).run().unwrap_err(), "without a user");
    refused(client(&server).user("client", secret("wrong")).connect().unwrap_err(), "client");
    refused(worker(&server).user("worker", secret("wrong")).run().unwrap_err(), "worker");
    refused(client(&server).token(secret("wrong")).connect().unwrap_err(), "token");
}

#[test]
fn a_worker_can_t_act_as_a_client_nor_a_client_as_a_worker() {
    let _deadline = Deadline::seconds(120);
    let config = config();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    let as_client = client(&server).user("worker", secret(config.worker_password()));
    let error = as_client.connect().unwrap_err();
    assert!(matches!(&error, ConnectError::Right { operation, .. } if operation.contains("subs")));
    let as_worker = worker(&server).user("client", secret(config.client_password()));
    let error = as_worker.run().unwrap_err();
    assert!(matches!(&error, ConnectError::Right { operation, .. } if operation.contains("pub")));
    assert!(server.log().unwrap().contains("Violation"));
}

#[test]
fn a_client_without_one_of_its_rights_is_told_which() {
    let _deadline = Deadline::seconds(300);
    let config = config();
    let password = config.client_password();
    let text = config.to_string();
    let start = text.find("user: \"client\"").unwrap();
    for (right, subject) in [
        ("\"t.nightly.*.*\", ", "t.nightly."),
        ("\"echo.*\", ", "echo."),
        ("\"hello.nightly\", ", "hello.nightly"),
        ("\"may.*\", ", "may."),
        ("\"part.*\", ", "part."),
        ("\"done.*\", ", "done."),
        (", \"$JS.API.STREAM.CREATE.*\"", "$JS.API.STREAM.CREATE."),
        (", \"$JS.API.STREAM.INFO.*\"", "$JS.API.STREAM.INFO."),
    ] {
        let (head, users) = text.split_at(start);
        let without = format!("{head}{}", users.replacen(right, "", 1));
        assert_ne!(without, text, "{right}");
        let Some(server) = test_server_with(&without) else { return };
        let error = client(&server).user("client", secret(password)).connect().unwrap_err();
        match &error {
            ConnectError::Right { subject: said, .. } if said.starts_with(subject) => {}
            _ => panic!("{right}: {error:?}"),
        }
        assert!(error.to_string().contains("server-config"), "{error}");
    }
}
