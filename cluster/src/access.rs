//! What a connection shows to the server, and what the server says to that.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::iter::successors;
use std::path::{Path, PathBuf};

use async_nats::{ConnectErrorKind, ConnectOptions, ServerError, rustls};
use serde::{Deserialize, Serialize};

use crate::address::Servers;
use crate::{ConnectError, Secret, secret};

/// The variables of the environment that name the user, if the program names none.
pub(crate) const USER_VARIABLE: &str = "CLUSTER_USER";
/// The variable of the environment with that user's secret.
pub(crate) const SECRET_VARIABLE: &str = "CLUSTER_SECRET";

/// What a client or a worker shows to the server, and which server it trusts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) identity: Identity,
    /// Certificates of those who may vouch for a server. `None`: those that the system trusts.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// As whom a connection comes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Identity {
    /// The user of [`USER_VARIABLE`], or nobody if there is no such variable.
    #[default]
    Environment,
    User {
        user: String,
        #[serde(with = "secret::revealed")]
        secret: Secret,
    },
    Token(#[serde(with = "secret::revealed")] Secret),
    /// File with a user's JWT and nkey, as `nsc` writes it.
    CredentialsFile(PathBuf),
}

/// The certificate that shows who the client is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Access {
    /// Returns the engine's options: identity and encryption, nothing else. Reads the files.
    pub(crate) fn options(&self, servers: &Servers) -> Result<ConnectOptions, ConnectError> {
        let mut options = ConnectOptions::new().require_tls(servers.are_encrypted());
        // What a server tells of its neighbours must not lead the unencrypted to other machines.
        if !servers.are_encrypted() && servers.are_loopback() {
            options = options.ignore_discovered_servers();
        }
        if let Some(file) = &self.ca_file {
            check_pem(file, "CERTIFICATE")?;
            options = options.add_root_certificates(file.clone());
        }
        if let Some(ClientCertificate { certificate, key }) = &self.client_certificate {
            check_pem(certificate, "CERTIFICATE")?;
            check_pem(key, "PRIVATE KEY")?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(match self.identity.resolved()? {
            Identity::Environment => options,
            Identity::User { user, secret } => {
                options.user_and_password(user, secret.reveal().to_owned())
            }
            Identity::Token(secret) => options.token(secret.reveal().to_owned()),
            Identity::CredentialsFile(path) => {
                let text = read(&path)?;
                options.credentials(&text).map_err(|error| unreadable(&path, error))?
            }
        })
    }

    /// Returns what the engine's refusal of a connection means.
    pub(crate) fn refusal(
        &self,
        servers: &Servers,
        error: &async_nats::ConnectError,
    ) -> ConnectError {
        let (server, reason) = (servers.to_string(), innermost(error));
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                ConnectError::Refused { server, user: self.identity.to_string() }
            }
            ConnectErrorKind::Tls => ConnectError::Tls { server, reason },
            ConnectErrorKind::Io if is_of_encryption(error) => ConnectError::Tls { server, reason },
            _ => ConnectError::Unreachable { server, reason },
        }
    }
}

impl Identity {
    /// Puts the user of the environment, if there is one, in the place of `Environment`.
    fn resolved(&self) -> Result<Self, ConnectError> {
        match (self, env::var(USER_VARIABLE)) {
            (Self::Environment, Ok(user)) => {
                Ok(Self::User { user, secret: Secret::env(SECRET_VARIABLE)? })
            }
            _ => Ok(self.clone()),
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => match env::var(USER_VARIABLE) {
                Ok(user) => write!(f, "the user {user:?}"),
                Err(_) => f.write_str("a connection without a user"),
            },
            Self::User { user, .. } => write!(f, "the user {user:?}"),
            Self::Token(_) => f.write_str("the token"),
            Self::CredentialsFile(path) => write!(f, "the credentials of {}", path.display()),
        }
    }
}

/// Returns the operation and the subject of a missing right, if the server complains of one:
/// `Permissions Violation for Publish to "a.b"`.
pub(crate) fn missing_right(error: &ServerError) -> Option<(String, String)> {
    let ServerError::Other(text) = error else {
        return None;
    };
    let (_, violation) = text.split_once("Permissions Violation for ")?;
    let (operation, subject) = violation.split_once('"')?;
    let (subject, _) = subject.split_once('"')?;
    Some((operation.trim().to_lowercase(), subject.to_owned()))
}

/// Returns what the last cause says: the engine's own words ("IO error") add nothing.
fn innermost(error: &async_nats::ConnectError) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// Returns whether the connection broke because of a certificate, here or at the server.
fn is_of_encryption(error: &async_nats::ConnectError) -> bool {
    causes(error).any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
    })
}

/// An error, as `source` returns it.
type Cause<'a> = &'a (dyn Error + 'static);

/// Returns the error, its cause, the cause's cause, and so on.
fn causes<'a>(error: Cause<'a>) -> impl Iterator<Item = Cause<'a>> {
    successors(Some(error), |&error| error.source())
}

/// Checks that the file can be read and has a part of this kind: the engine takes an empty one.
fn check_pem(path: &Path, kind: &str) -> Result<(), ConnectError> {
    if read(path)?.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(kind)) {
        return Ok(());
    }
    Err(unreadable(path, format!("it has no line -----BEGIN {kind}-----, as a PEM file has")))
}

fn read(path: &Path) -> Result<String, ConnectError> {
    fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, reason: impl ToString) -> ConnectError {
    ConnectError::Secret { place: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_names_its_subject() {
        for (text, operation) in [
            (r#"Permissions Violation for Publish to "a.b""#, "publish to"),
            (r#"Permissions Violation for Subscription to "a.b""#, "subscription to"),
            (
                r#"Permissions Violation for Subscription to "a.b" using queue "q""#,
                "subscription to",
            ),
        ] {
            let right = missing_right(&ServerError::Other(text.to_owned()));
            assert_eq!(right, Some((operation.to_owned(), "a.b".to_owned())));
        }
        assert_eq!(missing_right(&ServerError::AuthorizationViolation), None);
        assert_eq!(missing_right(&ServerError::Other("Stale Connection".to_owned())), None);
    }

    #[test]
    fn files_that_are_not_there_or_are_something_else_are_named() {
        let servers = Servers::parse(&["tls://head"], false).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (none, empty) = (folder.path().join("none"), folder.path().join("empty"));
        fs::write(&empty, "").unwrap();
        for file in [none, empty] {
            let name = file.display().to_string();
            let ca = Access { ca_file: Some(file.clone()), ..Access::default() };
            let identity = Identity::CredentialsFile(file);
            let credentials = Access { identity, ..Access::default() };
            for access in [ca, credentials] {
                let error = access.options(&servers).unwrap_err();
                assert!(matches!(&error, ConnectError::Secret { place, .. } if *place == name));
            }
        }
    }

    #[test]
    fn no_output_shows_the_secret_of_a_user() {
        let secret = Secret::new("correct horse".to_owned());
        let identity = Identity::User { user: "me".to_owned(), secret };
        let access = Access { identity, ..Access::default() };
        assert!(!format!("{access:?}").contains("correct"));
        assert_eq!(access.identity.to_string(), "the user \"me\"");
    }
}
