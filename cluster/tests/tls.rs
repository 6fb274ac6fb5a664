//! Encrypted connections: whom a client trusts, and whom a server.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cluster::local::{LocalServer, LocalWorker, test_server, test_server_with};
use cluster::{ClusterBuilder, ClusterExecutor, ConnectError, Secret, ServerConfig, Worker};
use multiprocess::futures::Executor;
use multiprocess::tasks;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use testing::Deadline;

multiprocess::test_entry!();
tasks![twice];

/// Runs in the worker.
fn twice(number: u32) -> u32 {
    2 * number
}

/// A folder with certificates: `ca.pem` for `server.pem` of localhost and `client.pem`, each with
/// its key, and `stranger.pem`, which vouches for nothing.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        let ca = issuer();
        certificates.write("ca.pem", &ca.pem());
        certificates.write("stranger.pem", &issuer().pem());
        for (file, name) in [("server", "localhost"), ("client", "client")] {
            let key = KeyPair::generate().unwrap();
            let parameters = CertificateParams::new([name.to_owned()]).unwrap();
            let certificate = parameters.signed_by(&key, &ca).unwrap();
            certificates.write(&format!("{file}.pem"), &certificate.pem());
            certificates.write(&format!("{file}.key"), &key.serialize_pem());
        }
        certificates
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns a configuration for a server with these certificates.
    fn config(&self) -> ServerConfig {
        let config = ServerConfig::new("head", "default").unwrap();
        config.folder(self.0.path().to_str().unwrap())
    }
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn address(server: &LocalServer) -> String {
    format!("tls://localhost:{}", server.port())
}

fn client(server: &LocalServer, config: &ServerConfig) -> ClusterBuilder {
    let secret = Secret::new(config.client_password().to_owned());
    ClusterExecutor::builder().server(address(server)).user("client", secret)
}

/// Returns the reason why there is no encrypted connection.
fn reason(builder: ClusterBuilder) -> String {
    match builder.connect() {
        Err(ConnectError::Tls { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_and_a_worker_that_trust_the_server_work_together() {
    let _deadline = Deadline::seconds(120);
    let certificates = Certificates::new();
    let config = certificates.config();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    let secret = Secret::new(config.worker_password().to_owned());
    let worker = Worker::builder().server(address(&server)).user("worker", secret).processes(1);
    let _worker = LocalWorker::start(worker.ca_file(certificates.path("ca.pem"))).unwrap();
    let client = client(&server, &config).ca_file(certificates.path("ca.pem"));
    let executor = client.connect().unwrap();
    executor.wait_for_processes(1, Duration::from_secs(60)).unwrap();
    assert_eq!(executor.submit(twice, 21).unwrap().into_result(), Ok(42));
}

#[test]
fn a_certificate_that_vouches_for_itself_is_enough() {
    let _deadline = Deadline::seconds(120);
    let certificates = Certificates::new();
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate().unwrap();
    certificates.write("server.pem", &parameters.self_signed(&key).unwrap().pem());
    certificates.write("server.key", &key.serialize_pem());
    let config = certificates.config();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    client(&server, &config).ca_file(certificates.path("server.pem")).connect().unwrap();
}

#[test]
fn a_server_that_is_not_vouched_for_is_refused_and_gets_no_password() {
    let _deadline = Deadline::seconds(120);
    let certificates = Certificates::new();
    let config = certificates.config();
    let Some(server) = test_server_with(&config.to_string()) else { return };
    let stranger = client(&server, &config).ca_file(certificates.path("stranger.pem"));
    let said = reason(stranger);
    assert!(said.contains("invalid peer certificate"), "{said}");
    reason(client(&server, &config));
    // The certificate is localhost's alone.
    let address = format!("tls://127.0.0.1:{}", server.port());
    let other_name = ClusterExecutor::builder().server(address);
    let said = reason(other_name.ca_file(certificates.path("ca.pem")));
    assert!(said.contains("127.0.0.1") || said.contains("name"), "{said}");
    let worker = Worker::builder().server(self::address(&server));
    let error = worker.ca_file(certificates.path("stranger.pem")).run().unwrap_err();
    assert!(matches!(&error, ConnectError::Tls { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("ca_file") && said.contains(&self::address(&server)), "{said}");
}

#[test]
fn a_server_may_ask_clients_for_certificates() {
    let _deadline = Deadline::seconds(120);
    let certificates = Certificates::new();
    let config = certificates.config();
    let text = config.to_string();
    let asking = text.replace("  # ca_file:", "  ca_file:").replace("  # verify:", "  verify:");
    assert_ne!(asking, text);
    let Some(server) = test_server_with(&asking) else { return };
    let client = || client(&server, &config).ca_file(certificates.path("ca.pem"));
    let said = reason(client());
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    let pair = ["client.pem", "client.key"].map(|name| certificates.path(name));
    let [certificate, key] = pair.clone();
    client().client_certificate(certificate, key).connect().unwrap();
    // The files are each other's.
    let [certificate, key] = pair;
    let error = client().client_certificate(key, certificate).connect().unwrap_err();
    assert!(matches!(error, ConnectError::Secret { .. }), "{error:?}");
}

#[test]
fn encryption_is_never_left_out() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let certificates = Certificates::new();
    let client = ClusterExecutor::builder().server(address(&server));
    let error = client.ca_file(certificates.path("ca.pem")).connect().unwrap_err();
    assert!(
        matches!(error, ConnectError::Tls { .. } | ConnectError::Unreachable { .. }),
        "{error:?}"
    );
}
