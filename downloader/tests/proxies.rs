//! `downloader get` from inside a company: proxies and certificates of the environment.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::{After, Ended, Get, Request, Server, png, send};
use tempfile::TempDir;
use testing::Deadline;

/// No server has this name: what is found there has come through a proxy.
const NOWHERE: &str = "http://pictures.invalid";
/// A proxy that isn't there.
const CLOSED: &str = "http://127.0.0.1:1";
const STORED: (&str, &str, u64) = ("stored", "-", 1);

fn image_of(_: &Request, client: &mut TcpStream) -> After {
    send(client, "200 OK", "", &png(1, 9))
}

/// Gets one address with these variables.
fn one(url: &str, env: &[(&'static str, &str)]) -> Ended {
    let get = Get::of(&[url.to_owned()]).with(&["--retries", "1"]);
    env.iter().fold(get, |get, (name, value)| get.env(name, *value)).run()
}

fn assert_fate(ended: &Ended, url: &str, (status, error, attempts): (&str, &str, u64)) {
    let expected = (status.to_owned(), error.to_owned(), attempts);
    assert_eq!(ended.fate(url), expected, "{}", ended.stderr);
}

/// Copies what comes from each to the other, until both have ended.
fn connect_through(client: &TcpStream, to: &str) {
    let there = TcpStream::connect(to).unwrap();
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let back = (there.try_clone().unwrap(), client.try_clone().unwrap());
    let back = thread::spawn(move || pump(back.0, back.1));
    pump(client.try_clone().unwrap(), there);
    back.join().unwrap();
}

/// Starts a proxy that connects to any host, as `CONNECT` asks for.
fn connecting() -> Server {
    Server::start(|request, client| {
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        connect_through(client, &request.path);
        After::Close
    })
}

#[test]
fn plain_http_goes_to_the_proxy_with_its_whole_address() {
    let _deadline = Deadline::seconds(60);
    let proxy = Server::start(image_of);
    let urls = [1, 2, 3].map(|number| format!("{NOWHERE}:81/{number}?a=b"));
    let get = Get::of(&urls).with(&["--connections", "1"]);
    let ended = get.env("http_proxy", proxy.url("")).run();
    for url in &urls {
        assert!(ended.fate(url).0 != "failed", "{}", ended.stderr);
        let seen = proxy.seen(url);
        assert_eq!((seen.len(), &*seen[0].headers["host"]), (1, "pictures.invalid:81"));
        assert_eq!(seen[0].headers.get("proxy-authorization"), None);
    }
}

#[test]
fn a_proxy_may_be_named_in_all_the_ways_that_curl_reads() {
    let _deadline = Deadline::seconds(120);
    let url = format!("{NOWHERE}/1");
    let proxy = Server::start(image_of);
    let (host, full) = (proxy.host(), proxy.url("/"));
    let blanks = format!(" {host} ");
    let ways: [&[(&str, &str)]; 6] = [
        &[("http_proxy", host)],
        &[("HTTP_PROXY", &blanks)],
        &[("all_proxy", &full)],
        &[("ALL_PROXY", host), ("https_proxy", CLOSED)],
        &[("http_proxy", host), ("all_proxy", CLOSED), ("no_proxy", "invalid.org, 127.0.0.1")],
        &[("http_proxy", ""), ("all_proxy", host), ("no_proxy", "")],
    ];
    for env in ways {
        assert_fate(&one(&url, env), &url, STORED);
    }
    assert_eq!(proxy.seen(&url).len(), ways.len());
}

/// On Windows the two names are one.
#[cfg(unix)]
#[test]
fn small_letters_come_before_capital_ones() {
    let _deadline = Deadline::seconds(60);
    let url = format!("{NOWHERE}/1");
    let proxy = Server::start(image_of);
    let ended = one(&url, &[("HTTP_PROXY", CLOSED), ("http_proxy", proxy.host())]);
    assert_fate(&ended, &url, STORED);
}

#[test]
fn what_no_proxy_names_and_what_has_another_scheme_goes_directly() {
    let _deadline = Deadline::seconds(120);
    let server = Server::start(image_of);
    let url = server.url("/1");
    for no_proxy in ["*", "a, *", "127.0.0.1", "a.org, 127.0.0.0/8", ".a.org 127.0.0.1"] {
        let ended = one(&url, &[("http_proxy", CLOSED), ("NO_PROXY", no_proxy)]);
        assert_fate(&ended, &url, STORED);
    }
    assert_fate(&one(&url, &[("https_proxy", CLOSED)]), &url, STORED);
    let named = url.replace("127.0.0.1", "localhost");
    let ended = one(&named, &[("http_proxy", CLOSED), ("no_proxy", ".LOCALHOST")]);
    assert_fate(&ended, &named, STORED);
    // The proxy that isn't there is asked, and nothing else.
    let ended = one(&url, &[("http_proxy", CLOSED), ("no_proxy", "localhost,10.0.0.0/8")]);
    assert_fate(&ended, &url, ("failed", "connection", 2));
    assert_eq!(server.seen("/1").len(), 7);
}

#[test]
fn a_proxy_gets_its_name_and_password_decoded() {
    let _deadline = Deadline::seconds(60);
    let url = format!("{NOWHERE}/1");
    let proxy = Server::start(|request, client| match request.headers.get("proxy-authorization") {
        // ann@example.org:p:w
        Some(basic) if basic == "Basic YW5uQGV4YW1wbGUub3JnOnA6dw==" => image_of(request, client),
        _ => send(client, "407 Proxy Authentication Required", "", b""),
    });
    let address = format!("ann%40example.org:p%3Aw@{}", proxy.host());
    assert_fate(&one(&url, &[("http_proxy", &address)]), &url, STORED);
    let ended = one(&url, &[("http_proxy", proxy.host())]);
    assert_fate(&ended, &url, ("failed", "http-status", 1));
    // The same for CONNECT; behind this one there is nothing.
    let ended = one("https://pictures.invalid/1", &[("https_proxy", &address)]);
    assert_eq!(ended.code, Some(4));
    let basic = &proxy.seen("pictures.invalid:443")[0].headers["proxy-authorization"];
    assert_eq!(basic, "Basic YW5uQGV4YW1wbGUub3JnOnA6dw==");
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_that_names_its_variable() {
    let _deadline = Deadline::seconds(120);
    let server = Server::start(image_of);
    for (name, value) in [
        ("http_proxy", "ftp://ann:secret@proxy"),
        ("HTTPS_PROXY", "http://ann:secret@proxy:99999"),
        ("all_proxy", "http://"),
        ("ALL_PROXY", "a b"),
    ] {
        let ended = one(&server.url("/1"), &[(name, value)]);
        assert_eq!(ended.code, Some(2));
        let said = ended.stderr.to_ascii_lowercase();
        assert!(said.contains(&name.to_ascii_lowercase()), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert_eq!(server.seen("/1").len(), 0);
}

#[test]
fn a_status_that_may_be_the_proxys_names_it() {
    let _deadline = Deadline::seconds(60);
    let url = format!("{NOWHERE}/1");
    for (status, attempts, code) in
        [("403 Forbidden", 1, 1), ("502 Bad Gateway", 2, 1), ("407 Authentication", 1, 4)]
    {
        let header = "Retry-After: 0\r\n";
        let proxy = Server::start(move |_, client| send(client, status, header, b""));
        let ended = one(&url, &[("http_proxy", &proxy.url(""))]);
        assert_fate(&ended, &url, ("failed", "http-status", attempts));
        let named = format!(" (through the proxy {})", proxy.host());
        assert!(ended.stderr.contains(&named), "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("the proxy says 407"), code == 4, "{}", ended.stderr);
        assert_eq!(ended.code, Some(code));
    }
    // Behind CONNECT it is the server's.
    let (server, proxy) = (Secret::start(), connecting());
    let (url, file) = (server.url() + "/404", server.file_text());
    let ended = one(&url, &[("https_proxy", proxy.host()), ("SSL_CERT_FILE", &file)]);
    assert_fate(&ended, &url, ("failed", "http-status", 1));
    assert!(!ended.stderr.contains("through the proxy"), "{}", ended.stderr);
}

#[test]
fn a_proxy_that_refuses_to_connect_is_not_asked_again() {
    let _deadline = Deadline::seconds(60);
    let url = "https://pictures.invalid/1";
    for (status, attempts) in [("403 Forbidden", 1), ("502 Bad Gateway", 2)] {
        let proxy = Server::start(move |_, client| send(client, status, "", b""));
        let ended = one(url, &[("https_proxy", &proxy.url(""))]);
        assert_fate(&ended, url, ("failed", "connection", attempts));
        let named = format!("through the proxy {}", proxy.host());
        assert!(ended.stderr.contains(&named), "{}", ended.stderr);
        assert_eq!(proxy.seen("pictures.invalid:443").len() as u64, attempts);
    }
}

/// Starts a proxy as RFC 1928 has it, and notes the names that it is asked for.
fn socks5() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let names = Arc::clone(&asked);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let names = Arc::clone(&names);
            thread::spawn(move || {
                let mut read = |length: usize| {
                    let mut bytes = vec![0; length];
                    client.read_exact(&mut bytes).map(|()| bytes)
                };
                let methods = read(2).unwrap()[1];
                read(methods.into()).unwrap();
                client.write_all(&[5, 0]).unwrap();
                let mut read = |length: usize| {
                    let mut bytes = vec![0; length];
                    client.read_exact(&mut bytes).map(|()| bytes)
                };
                let host = match read(4).unwrap()[3] {
                    3 => {
                        let length = read(1).unwrap()[0];
                        String::from_utf8(read(length.into()).unwrap()).unwrap()
                    }
                    _ => read(4).unwrap().iter().map(u8::to_string).collect::<Vec<_>>().join("."),
                };
                let port = read(2).unwrap();
                names.lock().unwrap().push(host);
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
                let port = u16::from_be_bytes([port[0], port[1]]);
                connect_through(&client, &format!("127.0.0.1:{port}"));
            });
        }
    });
    (address, asked)
}

#[test]
fn a_socks_proxy_is_used_and_looks_names_up_if_it_is_to() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(image_of);
    let (address, asked) = socks5();
    let named = server.url("/1").replace("127.0.0.1", "pictures.invalid");
    for (scheme, url) in [("socks5h", named), ("socks5", server.url("/1"))] {
        let ended = one(&url, &[("all_proxy", &format!("{scheme}://{address}"))]);
        assert_fate(&ended, &url, STORED);
    }
    assert_eq!(*asked.lock().unwrap(), ["pictures.invalid", "127.0.0.1"]);
}

#[test]
fn a_socks_proxy_that_refuses_the_password_or_is_none_is_not_asked_again() {
    let _deadline = Deadline::seconds(60);
    for answer in [&[5, 2, 1, 1][..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("socks5h://ann:wrong@{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let _ = client.write_all(answer);
                let _ = copy(&mut client, &mut std::io::sink());
            }
        });
        let url = format!("{NOWHERE}/1");
        let ended = one(&url, &[("http_proxy", &address)]);
        assert_fate(&ended, &url, ("failed", "connection", 1));
        assert_eq!(ended.code, Some(4));
    }
}

/// A server that speaks TLS, with a certificate that no system trusts.
struct Secret {
    port: u16,
    place: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Secret {
    fn start() -> Self {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("authority.pem"), authority.pem()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (config, asked) = (Arc::new(config), Arc::<Mutex<Vec<String>>>::default());
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (config, seen) = (Arc::clone(&config), Arc::clone(&seen));
                thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    let mut client = BufReader::new(StreamOwned::new(connection, client));
                    let mut line = String::new();
                    while client.read_line(&mut line).is_ok_and(|length| length > 0) {
                        seen.lock().unwrap().extend(line.split(' ').nth(1).map(str::to_owned));
                        let is_missing = line.contains("/404 ");
                        let status = if is_missing { "404 Not Found" } else { "200 OK" };
                        while client.read_line(&mut line).unwrap_or(0) > 2 {}
                        let (image, stream) = (png(2, 9), client.get_mut());
                        let length = format!("Content-Length: {}\r\n", image.len());
                        let head = format!("HTTP/1.1 {status}\r\n{length}");
                        let _ = stream.write_all(&[head.as_bytes(), b"\r\n", &image].concat());
                        let _ = stream.flush();
                        line.clear();
                    }
                });
            }
        });
        Self { port, place, asked }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/1", self.port)
    }

    fn file(&self) -> PathBuf {
        self.place.path().join("authority.pem")
    }

    fn file_text(&self) -> String {
        self.file().to_str().unwrap().to_owned()
    }
}

#[test]
fn the_certificates_of_the_environment_are_trusted() {
    let _deadline = Deadline::seconds(60);
    let server = Secret::start();
    let (url, file) = (server.url(), server.file_text());
    let folder = server.place.path().to_str().unwrap();
    assert_fate(&one(&url, &[("SSL_CERT_FILE", &file)]), &url, STORED);
    assert_fate(&one(&url, &[("SSL_CERT_DIR", folder)]), &url, STORED);
    let both = [("SSL_CERT_FILE", &*file), ("SSL_CERT_DIR", "")];
    assert_fate(&one(&url, &both), &url, STORED);
    assert_fate(&one(&url, &[]), &url, ("failed", "tls", 1));
}

#[test]
fn certificates_that_cannot_be_read_are_an_error_that_names_their_variable() {
    let _deadline = Deadline::seconds(60);
    let server = Secret::start();
    let path = |name: &str| server.place.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("empty.pem"), "nothing").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    fs::write(path("broken.pem"), broken).unwrap();
    let no_der = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
    fs::write(path("no_der.pem"), no_der).unwrap();
    fs::create_dir(path("empty")).unwrap();
    for (name, file) in [
        ("SSL_CERT_FILE", "missing.pem"),
        ("SSL_CERT_FILE", "empty.pem"),
        ("SSL_CERT_FILE", "broken.pem"),
        ("SSL_CERT_FILE", "no_der.pem"),
        ("SSL_CERT_FILE", "empty"),
        ("SSL_CERT_DIR", "missing"),
        ("SSL_CERT_DIR", "empty"),
    ] {
        let ended = one(&server.url(), &[(name, &path(file))]);
        assert_eq!(ended.code, Some(2), "{file}: {}", ended.stderr);
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
}

#[test]
fn https_goes_through_the_proxy_by_connect() {
    let _deadline = Deadline::seconds(60);
    let (server, proxy) = (Secret::start(), connecting());
    let (url, file) = (server.url(), server.file_text());
    let env = [("https_proxy", proxy.host()), ("SSL_CERT_FILE", &file)];
    assert_fate(&one(&url, &env), &url, STORED);
    assert_eq!(proxy.seen(&format!("localhost:{}", server.port)).len(), 1);
    assert_eq!(*server.asked.lock().unwrap(), ["/1"]);
}

#[test]
fn a_proxy_may_speak_tls_itself() {
    let _deadline = Deadline::seconds(60);
    let proxy = Secret::start();
    let (url, file) = (format!("{NOWHERE}/1"), proxy.file_text());
    let address = format!("https://localhost:{}", proxy.port);
    assert_fate(&one(&url, &[("http_proxy", &address), ("SSL_CERT_FILE", &file)]), &url, STORED);
    assert_eq!(*proxy.asked.lock().unwrap(), [url]);
}

#[test]
fn a_redirect_chooses_its_proxy_anew() {
    let _deadline = Deadline::seconds(60);
    let (server, connecting) = (Secret::start(), connecting());
    let to = server.url();
    let proxy = Server::start(move |_, client| {
        send(client, "302 Found", &format!("Location: {to}\r\n"), b"")
    });
    let (url, file) = (format!("{NOWHERE}/1"), server.file_text());
    let env = [
        ("http_proxy", proxy.host()),
        ("https_proxy", connecting.host()),
        ("SSL_CERT_FILE", &file),
    ];
    assert_fate(&one(&url, &env), &url, STORED);
    assert_eq!(connecting.requests.lock().unwrap().len(), 1);
}
