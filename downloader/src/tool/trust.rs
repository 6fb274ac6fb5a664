//! The certificates that are trusted: those of the system, or those that the environment names.

use std::env;
use std::path::PathBuf;

use common::text;
use rustls::RootCertStore;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use ureq::tls::{Certificate, RootCerts};

/// Returns what is trusted: the files of `SSL_CERT_FILE` and `SSL_CERT_DIR`, if they are set; else
/// what the system trusts; and Mozilla's list only where the system has none. An error names the
/// variable that can't be used.
pub(super) fn root_certs() -> Result<RootCerts, String> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty());
    let mut certs = Vec::new();
    let mut take = |name: &str, loaded: CertificateResult, is_strict: bool| {
        let (usable, _) = RootCertStore::empty().add_parsable_certificates(loaded.certs.clone());
        match loaded.errors.into_iter().next() {
            Some(error) if is_strict || usable == 0 => Err(format!("{name}: {error}")),
            _ if usable == 0 => Err(text!("{}: there is no certificate in it", name)),
            _ => {
                certs.extend(loaded.certs);
                Ok(())
            }
        }
    };
    let (file, folders) = (named("SSL_CERT_FILE"), named("SSL_CERT_DIR"));
    if file.is_none() && folders.is_none() {
        let has_some = !load_native_certs().certs.is_empty();
        return Ok(if has_some { RootCerts::PlatformVerifier } else { RootCerts::WebPki });
    }
    if let Some(file) = file.map(PathBuf::from) {
        take("SSL_CERT_FILE", load_certs_from_paths(Some(&file), None), true)?;
    }
    if let Some(folders) = folders {
        let mut all = CertificateResult::default();
        for folder in env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty()) {
            let loaded = load_certs_from_paths(None, Some(&folder));
            all.certs.extend(loaded.certs);
            all.errors.extend(loaded.errors);
        }
        take("SSL_CERT_DIR", all, false)?;
    }
    Ok(certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).into())
}
