//! Configuration of a server for a cluster.

use std::fmt;

use crate::ConnectError;
use crate::address::{Servers, check_name};

/// What clients do, by the subjects of [`crate::protocol`] and of the engine.
const CLIENT_PUBLISHES: &[&str] =
    &["t.CLUSTER.*.*", "echo.*", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*"];
const CLIENT_HEARS: &[&str] = &["hello.CLUSTER", "may.*", "part.*", "done.*", "echo.*", "_INBOX.>"];
/// What workers do: the other end of that.
const WORKER_PUBLISHES: &[&str] = &[
    "hello.CLUSTER",
    "may.*",
    "part.*",
    "done.*",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.CREATE.*",
    "$JS.API.CONSUMER.INFO.*.workers",
    "$JS.API.CONSUMER.CREATE.*.workers",
    "$JS.API.CONSUMER.DURABLE.CREATE.*.workers",
    "$JS.API.CONSUMER.MSG.NEXT.*.workers",
    "$JS.ACK.*.workers.>",
];
const WORKER_HEARS: &[&str] = &["_INBOX.>"];

/// A whole configuration of a nats-server for one cluster, which its `Display` writes: encryption,
/// limits, and two users with random passwords and no right that they don't need. Every line has
/// its reason beside it. Python: `Security.temporary` of `distributed`.
///
/// ```
/// use cluster::ServerConfig;
///
/// let config = ServerConfig::new("head", "nightly")?;
/// let text = config.to_string();
/// assert!(text.contains("cert_file: \"/etc/cluster/server.pem\""));
/// assert!(text.contains(config.worker_password()));
/// # Ok::<(), cluster::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct ServerConfig {
    server: Servers,
    cluster: String,
    folder: String,
    client_password: String,
    worker_password: String,
}

impl ServerConfig {
    /// Makes a configuration for the machine that others call `host`, perhaps with a port:
    /// `head`, `head:4222`. On `localhost` nothing is encrypted, and no other machine hears it.
    ///
    /// # Errors
    /// [`ConnectError::Url`], [`ConnectError::Name`]; [`ConnectError::System`] if the system has no
    /// random numbers.
    pub fn new(host: &str, cluster: &str) -> Result<Self, ConnectError> {
        check_name(cluster)?;
        let encrypted = Servers::parse(&[format!("tls://{host}")], false)?;
        let server = if encrypted.are_loopback() {
            Servers::parse(&[format!("nats://{host}")], false)?
        } else {
            encrypted
        };
        Ok(Self {
            server,
            cluster: cluster.to_owned(),
            folder: "/etc/cluster".to_owned(),
            client_password: password()?,
            worker_password: password()?,
        })
    }

    /// Replaces the folder of the certificate and its key, `/etc/cluster`, on the server.
    #[must_use]
    pub fn folder(self, folder: &str) -> Self {
        // What would end the text in the configuration.
        let folder = folder.replace('\\', "/").replace(['"', '\n'], "");
        Self { folder, ..self }
    }

    /// Returns the password of the user `client`.
    #[must_use]
    pub fn client_password(&self) -> &str {
        &self.client_password
    }

    /// Returns the password of the user `worker`.
    #[must_use]
    pub fn worker_password(&self) -> &str {
        &self.worker_password
    }

    /// Returns the subjects of a list, each in quotation marks.
    fn subjects(&self, list: &[&str]) -> String {
        let quoted = |subject: &&str| format!("\"{}\"", subject.replace("CLUSTER", &self.cluster));
        list.iter().map(quoted).collect::<Vec<_>>().join(", ")
    }

    fn write_tls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, host) = (&self.folder, self.server.certified_host());
        write!(
            f,
            r#"
# Encryption. The certificate must have the host's name, as clients and workers write it.
# They get the certificate that vouches for it as --ca-file, unless their system trusts it.
# Where there is no authority, make one that vouches for itself, and copy server.pem to all:
#   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
#     -subj /CN=cluster -addext subjectAltName={host} \
#     -addext basicConstraints=critical,CA:FALSE \
#     -keyout "{folder}/server.key" -out "{folder}/server.pem"
tls {{
  cert_file: "{folder}/server.pem"
  key_file: "{folder}/server.key"
  # With these two lines each client and worker must show a certificate of its own, too.
  # ca_file: "{folder}/ca.pem"
  # verify: true
  # Seconds for the handshake.
  timeout: 5
}}
"#
        )
    }
}

impl fmt::Display for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, cluster, .. } = self;
        let is_encrypted = server.are_encrypted();
        let (host, who) = if is_encrypted {
            ("0.0.0.0", "all of this machine's addresses")
        } else {
            ("127.0.0.1", "this machine alone can connect")
        };
        let port = server.port();
        write!(
            f,
            r#"# nats-server for the cluster {cluster:?}. Start it with: nats-server -c THIS-FILE
# It has passwords: only the server's user may read it (chmod 600 THIS-FILE).
# Clients and workers connect to {server}

# Where it listens: {who}.
listen: "{host}:{port}"

# The longest message. Larger arguments and results travel in parts.
max_payload: 1MB

# A connection is over when it doesn't answer twice: a cut is noticed after half a minute.
ping_interval: "10s"
ping_max: 2
"#
        )?;
        if is_encrypted {
            self.write_tls(f)?;
        }
        write!(
            f,
            r#"
# JetStream keeps the tasks that wait, in memory: clients have them, too, and send them again.
jetstream {{
  # All waiting tasks together; what is above makes the clients wait.
  max_memory_store: 256MB
  # A cluster writes nothing to the disk.
  max_file_store: 1MB
}}

# Who may connect, and do what. A star stands for one part of a subject, > for all that follow.
# All clients share one user, and so could hear each other; give different names to clusters (and
# servers) whose users don't trust each other. Passwords are 128 random bits.
authorization {{
  # Seconds to say who one is.
  timeout: 5
  users: [
    {{
      # Programs that submit tasks.
      user: "client", password: "{client}"
      permissions: {{
        # Tasks, a voice to itself, and the stream of the tasks.
        publish: [{client_publishes}]
        # Workers' greetings, questions and outcomes; answers to its own questions.
        subscribe: [{client_hears}]
        # One answer to each question of a worker.
        allow_responses: {{ max: 1, expires: "1m" }}
      }}
    }}
    {{
      # Programs that run tasks: cluster-worker.
      user: "worker", password: "{worker}"
      permissions: {{
        # Greetings, questions and outcomes; fetching tasks, and saying that they have come.
        publish: [{worker_publishes}]
        # Answers to its own questions, nothing else.
        subscribe: [{worker_hears}]
      }}
    }}
  ]
}}
"#,
            client = self.client_password,
            worker = self.worker_password,
            client_publishes = self.subjects(CLIENT_PUBLISHES),
            client_hears = self.subjects(CLIENT_HEARS),
            worker_publishes = self.subjects(WORKER_PUBLISHES),
            worker_hears = self.subjects(WORKER_HEARS),
        )
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, cluster, .. } = self;
        f.debug_struct("ServerConfig")
            .field("server", server)
            .field("cluster", cluster)
            .finish_non_exhaustive()
    }
}

fn password() -> Result<String, ConnectError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| ConnectError::System(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_le_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configuration_has_passwords_of_its_own_and_debug_shows_none() {
        let [one, other] = [(); 2].map(|()| ServerConfig::new("head", "default").unwrap());
        let passwords = [&one, &other].map(|it| [it.client_password(), it.worker_password()]);
        let [[a, b], [c, d]] = passwords;
        assert!(a != b && a != c && b != d && a.len() == 32);
        assert!(!format!("{one:?}").contains(a) && one.to_string().contains(a));
    }

    #[test]
    fn a_server_that_others_reach_is_encrypted_and_one_for_this_machine_is_not_reached() {
        for (host, name) in
            [("head", "DNS:head"), ("192.0.2.1", "IP:192.0.2.1"), ("[::2]", "IP:::2")]
        {
            let text = ServerConfig::new(host, "default").unwrap().to_string();
            assert!(text.contains(&format!("subjectAltName={name} ")), "{text}");
        }
        for (host, listens, is_encrypted) in [
            ("head", "listen: \"0.0.0.0:4222\"", true),
            ("head:5000", "listen: \"0.0.0.0:5000\"", true),
            ("localhost", "listen: \"127.0.0.1:4222\"", false),
            ("127.0.0.1:7", "listen: \"127.0.0.1:7\"", false),
        ] {
            let text = ServerConfig::new(host, "default").unwrap().to_string();
            assert!(text.contains(listens), "{text}");
            assert_eq!(text.contains("tls {"), is_encrypted, "{text}");
        }
    }

    #[test]
    fn nothing_else_than_a_host_and_a_name_comes_into_it() {
        for (host, name) in [("head\"\n", "a"), ("a b", "a"), ("", "a"), ("a/b", "a"), ("h", "*")] {
            assert!(ServerConfig::new(host, name).is_err(), "{host:?} {name:?}");
        }
        let config = ServerConfig::new("head", "a").unwrap().folder("C:\\x\"\ny");
        assert!(config.to_string().contains("cert_file: \"C:/xy/server.pem\""));
    }
}
