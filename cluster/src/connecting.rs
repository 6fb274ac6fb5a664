//! Settings of a connection, which clients and workers have in common.

use crate::ConnectError;
use crate::access::Access;
use crate::address::Servers;

/// To which servers to connect, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connecting {
    pub(crate) servers: Vec<String>,
    /// True if `nats://` may lead to another machine.
    pub(crate) is_insecure: bool,
    pub(crate) access: Access,
}

impl Connecting {
    /// Checks the addresses.
    pub(crate) fn servers(&self) -> Result<Servers, ConnectError> {
        Servers::parse(&self.servers, self.is_insecure)
    }
}

/// Makes the methods of a builder that set its field `connecting`.
macro_rules! connection_setters {
    () => {
        /// Adds a server: `nats://127.0.0.1:4222`, `tls://head:4222`. At least one is needed, and
        /// one is enough for a cluster of servers: the others are learnt from it.
        pub fn server(mut self, address: impl Into<String>) -> Self {
            self.connecting.servers.push(address.into());
            self
        }

        /// Sets whether `nats://` may lead to another machine; by default that is an error. Then
        /// passwords, arguments and results are sent in the clear: everybody on the way can read
        /// and change them.
        pub fn insecure(mut self, insecure: bool) -> Self {
            self.connecting.is_insecure = insecure;
            self
        }

        /// Sets the user that the server knows, and its password; by default those of the
        /// environment's `CLUSTER_USER` and `CLUSTER_SECRET`, if they are there.
        pub fn user(mut self, user: impl Into<String>, secret: $crate::Secret) -> Self {
            self.connecting.access.identity =
                $crate::access::Identity::User { user: user.into(), secret };
            self
        }

        /// Sets a token that the server knows, in place of a user.
        pub fn token(mut self, token: $crate::Secret) -> Self {
            self.connecting.access.identity = $crate::access::Identity::Token(token);
            self
        }

        /// Sets a file with a JWT and an nkey in place of a user, as `nsc` writes it.
        pub fn credentials_file(mut self, file: impl Into<std::path::PathBuf>) -> Self {
            self.connecting.access.identity =
                $crate::access::Identity::CredentialsFile(file.into());
            self
        }

        /// Sets a file (PEM) with the certificates that the server's is checked with; by default
        /// the system's.
        pub fn ca_file(mut self, file: impl Into<std::path::PathBuf>) -> Self {
            self.connecting.access.ca_file = Some(file.into());
            self
        }

        /// Sets the files (PEM) with this machine's certificate and its key, for a server that asks
        /// for one.
        pub fn client_certificate(
            mut self,
            certificate: impl Into<std::path::PathBuf>,
            key: impl Into<std::path::PathBuf>,
        ) -> Self {
            let (certificate, key) = (certificate.into(), key.into());
            let certificate = $crate::access::ClientCertificate { certificate, key };
            self.connecting.access.client_certificate = Some(certificate);
            self
        }
    };
}
pub(crate) use connection_setters;
