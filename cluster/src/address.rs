//! Addresses of servers, and what may be said to which.

use std::fmt;
use std::net::IpAddr;

use async_nats::ServerAddr;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::ConnectError;

/// The port of a server whose address names none.
const PORT: u16 = 4222;
/// Longest name of a cluster or a machine, in characters.
const LONGEST_NAME: usize = 32;

/// The servers of one cluster, of which a connection takes any: at least one, all with encryption
/// or all without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Servers {
    list: Vec<Server>,
}

impl Servers {
    /// Parses the addresses. `insecure`: `true` lets unencrypted ones leave this machine.
    pub(crate) fn parse<S: AsRef<str>>(texts: &[S], insecure: bool) -> Result<Self, ConnectError> {
        let list: Vec<_> =
            texts.iter().map(|text| Server::parse(text.as_ref())).collect::<Result<_, _>>()?;
        let Some(first) = list.first() else {
            return Err(url_error("", "it is empty"));
        };
        // A connection asks all its servers for encryption, or none.
        if let Some(other) = list.iter().find(|other| other.is_encrypted != first.is_encrypted) {
            let reason = format!("{first} is of another kind, and all must be of one");
            return Err(url_error(&other.to_string(), &reason));
        }
        match list.iter().find(|server| !server.is_encrypted && !server.is_loopback()) {
            Some(server) if !insecure => Err(ConnectError::Insecure { server: server.to_string() }),
            _ => Ok(Self { list }),
        }
    }

    /// Returns whether all connections are encrypted.
    pub(crate) fn are_encrypted(&self) -> bool {
        self.list.iter().all(|server| server.is_encrypted)
    }

    /// Returns whether all of them are on this machine.
    pub(crate) fn are_loopback(&self) -> bool {
        self.list.iter().all(Server::is_loopback)
    }

    /// Returns the first server's host as a certificate names it: `DNS:head`, `IP:192.0.2.1`.
    pub(crate) fn certified_host(&self) -> String {
        let host = self.list.first().map_or("", |server| &server.host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let kind = if host.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        format!("{kind}:{host}")
    }

    /// Returns the first server's port.
    pub(crate) fn port(&self) -> u16 {
        self.list.first().map_or(PORT, |server| server.port)
    }

    /// Returns the addresses as the engine wants them.
    pub(crate) fn addresses(&self) -> Vec<ServerAddr> {
        let parsed = self.list.iter().map(|server| server.to_string().parse());
        parsed.collect::<Result<_, _>>().expect("it was parsed, and has a scheme of the engine's")
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.list.iter().map(Server::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

/// The address of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Server {
    is_encrypted: bool,
    /// Host name or IP address; one of IPv6 has brackets.
    host: String,
    port: u16,
}

impl Server {
    fn parse(text: &str) -> Result<Self, ConnectError> {
        let refused = |reason: &str| Err(url_error(text, reason));
        if text.is_empty() {
            return refused("it is empty");
        }
        if !text.contains("://") {
            return refused("it doesn't say how to speak to the server");
        }
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refused(&error.to_string()),
        };
        if !["nats", "tls"].contains(&url.scheme()) {
            return refused(&format!("{}:// is another kind of server", url.scheme()));
        }
        // The engine would ignore them without a word.
        if !url.username().is_empty() || url.password().is_some() {
            return refused(
                "a user and a password don't belong into it, where other programs see them, but \
                 into a file or into CLUSTER_USER and CLUSTER_SECRET",
            );
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return refused("nothing follows the port");
        }
        if url.port() == Some(0) {
            return refused("0 is no port");
        }
        match url.host() {
            Some(host) if host_is_plain(&host) => Ok(Self {
                is_encrypted: url.scheme() == "tls",
                host: host.to_string(),
                port: url.port().unwrap_or(PORT),
            }),
            _ => refused("it has no host"),
        }
    }

    /// Returns whether the host is this machine, whatever a name server says.
    fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "tls" } else { "nats" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Returns whether the host is an address, or a name without anything that stands for another
/// character: `url` leaves names of unknown schemes as they are.
fn host_is_plain(host: &Host<&str>) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match host {
        Host::Domain(name) => !name.is_empty() && name.bytes().all(is_fit),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    }
}

fn url_error(text: &str, reason: &str) -> ConnectError {
    ConnectError::Url { text: without_password(text), reason: reason.to_owned() }
}

/// Returns the text without what could be a password: all between `://` and the last `@`.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("…@{host}"),
        Some((_, host)) => format!("{scheme}://…@{host}"),
        None => text.to_owned(),
    }
}

/// Checks the name of a cluster or of a machine, which becomes a part of subjects.
pub(crate) fn check_name(text: &str) -> Result<(), ConnectError> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_fit) {
        return Ok(());
    }
    Err(ConnectError::Name { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, ConnectError> {
        Servers::parse(&[text], false).map(|servers| servers.to_string())
    }

    #[test]
    fn an_address_without_a_port_has_that_of_nats() {
        assert_eq!(parsed("nats://127.0.0.1").unwrap(), "nats://127.0.0.1:4222");
        assert_eq!(parsed("tls://head-1/").unwrap(), "tls://head-1:4222");
        assert_eq!(parsed("nats://[::1]:5").unwrap(), "nats://[::1]:5");
    }

    #[test]
    fn what_is_no_address_gets_a_sentence_that_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("127.0.0.1:4222", "doesn't say how to speak"),
            ("redis://127.0.0.1", "redis:// is another kind of server"),
            ("ws://127.0.0.1", "another kind"),
            ("nats://127.0.0.1:0", "0 is no port"),
            ("nats://127.0.0.1:65536", "invalid port"),
            ("nats://127.0.0.1:x", "invalid port"),
            ("nats://127.0.0.1/a", "nothing follows"),
            ("nats://127.0.0.1?a", "nothing follows"),
            ("nats://127.0.0.1#a", "nothing follows"),
            ("nats://", "it has no host"),
            ("nats:///a", "nothing follows"),
            ("nats://%6cocalhost", "it has no host"),
        ] {
            let said = parsed(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
            assert!(said.contains("is no address of a server"), "{text}: {said}");
        }
        assert!(matches!(Servers::parse::<&str>(&[], true), Err(ConnectError::Url { .. })));
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_shown() {
        for text in ["nats://user:secret@127.0.0.1", "tls://secret@h", "nats://a:secret@@:x"] {
            let error = parsed(text).unwrap_err();
            assert!(matches!(error, ConnectError::Url { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn without_encryption_nothing_leaves_this_machine_unless_it_is_allowed() {
        for text in ["nats://127.8.9.10", "nats://localhost", "nats://[::1]", "tls://head"] {
            assert!(parsed(text).is_ok(), "{text}");
        }
        for text in [
            "nats://head",
            "nats://localhost.example",
            "nats://127.0.0.1.example",
            "nats://[::2]",
            "nats://0.0.0.0",
            // Some resolvers take it for 127.0.0.1; this crate doesn't.
            "nats://127.1",
        ] {
            assert!(matches!(parsed(text), Err(ConnectError::Insecure { .. })), "{text}");
            assert!(Servers::parse(&[text], true).is_ok(), "{text}");
        }
    }

    #[test]
    fn servers_with_and_without_encryption_are_not_of_one_cluster() {
        let error = Servers::parse(&["tls://head", "nats://127.0.0.1"], true).unwrap_err();
        assert!(matches!(error, ConnectError::Url { .. }), "{error:?}");
        let both = Servers::parse(&["tls://head-1", "tls://head-2:7"], false).unwrap();
        assert_eq!(both.to_string(), "tls://head-1:4222, tls://head-2:7");
        assert!(both.are_encrypted() && !both.are_loopback());
        assert_eq!(both.addresses().len(), 2);
    }

    #[test]
    fn a_name_is_a_part_of_a_subject_and_nothing_else() {
        for name in ["default", "A-b_3", &"x".repeat(LONGEST_NAME)] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "a.b", "*", ">", "a b", "ä", "a\0", &"x".repeat(LONGEST_NAME + 1)] {
            assert_eq!(check_name(name), Err(ConnectError::Name { text: name.to_owned() }));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_there_is_an_address_or_a_sentence(
            text in "(nats|tls|x)?(://)?\\PC{0,20}", insecure: bool,
        ) {
            match Servers::parse(&[&text], insecure) {
                Ok(servers) => {
                    let again = Servers::parse(&[servers.to_string()], insecure);
                    prop_assert_eq!(again.unwrap(), servers.clone());
                    prop_assert_eq!(servers.addresses().len(), 1);
                    prop_assert!(insecure || servers.are_encrypted() || servers.are_loopback());
                }
                Err(error) => prop_assert!(error.to_string().contains(": ")),
            }
        }

        #[test]
        fn only_the_block_127_is_this_machine(bytes: [u8; 4]) {
            let text = format!("nats://{}", Ipv4Addr::from(bytes));
            prop_assert_eq!(parsed(&text).is_ok(), bytes[0] == 127);
        }
    }
}
