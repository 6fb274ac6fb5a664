//! `downloader get` and the hosts it asks: their pauses, slots, redirects and words.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use support::{After, Ended, Event, Get, Request, Server, head, png, reset, send};
use testing::Deadline;

const SECOND: Duration = Duration::from_secs(1);

/// Makes the image at an address that ends in this number.
fn image(path: &str) -> Vec<u8> {
    png(path.bytes().map(u64::from).sum(), 9)
}

fn image_of(request: &Request, client: &mut TcpStream) -> After {
    send(client, "200 OK", "", &image(&request.path))
}

fn redirect(client: &mut TcpStream, to: &str) -> After {
    send(client, "302 Found", &format!("Location: {to}\r\n"), b"")
}

/// Starts a server that answers like this, and notes when it was asked for what.
fn timed(
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> (Server, impl Fn(&str) -> Instant) {
    let times: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let noted = Arc::clone(&times);
    let server = Server::start(move |request, client| {
        noted.lock().unwrap().insert(request.path.clone(), Instant::now());
        answer(request, client)
    });
    (server, move |path| times.lock().unwrap()[path])
}

fn assert_stored(ended: &Ended, urls: &[String]) {
    for url in urls {
        assert_eq!(ended.fate(url), ("stored".to_owned(), "-".to_owned(), 1), "{}", ended.stderr);
    }
}

fn failure(ended: &Ended, url: &str) -> (String, u64) {
    let (_, error, attempts) = ended.fate(url);
    (error, attempts)
}

#[test]
fn a_pause_holds_for_the_host_also_after_the_last_attempt() {
    let _deadline = Deadline::seconds(60);
    let (server, time) = timed(|request, client| match request.path.as_str() {
        "/1" => send(client, "429 Too Many Requests", "Retry-After: 1\r\n", b""),
        _ => image_of(request, client),
    });
    let urls = [server.url("/1"), server.url("/2")];
    let ended = Get::of(&urls).with(&["--connections", "1", "--retries", "0"]).run();
    assert_eq!(failure(&ended, &urls[0]), ("http-status".to_owned(), 1));
    assert_stored(&ended, &urls[1..]);
    assert!(time("/2") - time("/1") >= SECOND);
}

#[test]
fn what_is_for_a_host_with_too_long_a_pause_fails_unasked() {
    let _deadline = Deadline::seconds(60);
    let busy = Server::start(|_, client| send(client, "503 Busy", "Retry-After: 3600\r\n", b""));
    let idle = Server::start(image_of);
    let urls = [busy.url("/1"), busy.url("/2"), busy.url("/3"), idle.url("/4")];
    let ended = Get::of(&urls).with(&["--connections", "1"]).run();
    assert_eq!(failure(&ended, &urls[0]), ("http-status".to_owned(), 1));
    for url in &urls[1..3] {
        assert_eq!(failure(&ended, url), ("http-status".to_owned(), 0));
        assert_eq!(ended.of(url)["message"], ended.of(&urls[0])["message"]);
        assert!(ended.of(url)["message"].as_str().unwrap().contains("3600 s"));
    }
    assert_stored(&ended, &urls[3..]);
    assert_eq!((busy.requests.lock().unwrap().len(), ended.code), (1, Some(1)));
    assert!(ended.failed.contains(&urls[2]), "{}", ended.failed);
}

#[test]
fn a_date_counts_from_the_clock_of_the_server() {
    let _deadline = Deadline::seconds(60);
    let hour = Duration::from_secs(3600);
    for clock in [SystemTime::now() + hour, SystemTime::now() - hour] {
        let (server, time) = timed(move |request, client| {
            if request.path != "/1" || request.count > 1 {
                return image_of(request, client);
            }
            let date = |seconds| httpdate::fmt_http_date(clock + seconds * SECOND);
            let headers = format!("Date: {}\r\nRetry-After: {}\r\n", date(0), date(1));
            send(client, "503 Service Unavailable", &headers, b"")
        });
        let urls = [server.url("/1"), server.url("/2")];
        let begin = Instant::now();
        let ended = Get::of(&urls).with(&["--connections", "1"]).run();
        assert_eq!(ended.fate(&urls[0]), ("stored".to_owned(), "-".to_owned(), 2));
        assert_stored(&ended, &urls[1..]);
        assert!(time("/2") - begin >= SECOND);
    }
}

#[test]
fn a_pause_is_that_of_the_host_a_redirect_leads_to() {
    let _deadline = Deadline::seconds(60);
    let (behind, time) = timed(|request, client| match request.path.as_str() {
        "/1" => send(client, "429 Too Many Requests", "Retry-After: 1\r\n", b""),
        _ => image_of(request, client),
    });
    let to = behind.url("");
    let front = Server::start(move |request, client| match request.path.as_str() {
        "/3" => image_of(request, client),
        path => redirect(client, &format!("{to}{path}")),
    });
    let urls = [front.url("/1"), front.url("/2"), front.url("/3")];
    let ended = Get::of(&urls).with(&["--connections", "1", "--retries", "0"]).run();
    assert_eq!(failure(&ended, &urls[0]), ("http-status".to_owned(), 1));
    assert_stored(&ended, &urls[1..]);
    assert!(time("/2") - time("/1") >= SECOND);
}

#[test]
fn what_a_redirect_leads_to_a_host_with_too_long_a_pause_fails_unasked() {
    let _deadline = Deadline::seconds(60);
    let behind = Server::start(|_, client| send(client, "503 Busy", "Retry-After: 999\r\n", b""));
    let to = behind.url("");
    let front = Server::start(move |request, client| match request.path.as_str() {
        "/3" => image_of(request, client),
        path => redirect(client, &format!("{to}{path}")),
    });
    let urls = [front.url("/1"), front.url("/2"), front.url("/3")];
    let ended = Get::of(&urls).with(&["--connections", "1"]).run();
    for url in &urls[..2] {
        assert_eq!(failure(&ended, url), ("http-status".to_owned(), 1));
        assert!(ended.of(url)["message"].as_str().unwrap().contains("999 s"));
    }
    // The first host has asked for nothing.
    assert_stored(&ended, &urls[2..]);
    assert_eq!(behind.requests.lock().unwrap().len(), 1);
}

#[test]
fn the_slots_of_a_host_count_for_those_a_redirect_leads_to_it() {
    let _deadline = Deadline::seconds(60);
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (seen, all_are_redirected) = (Arc::clone(&most), Event::default());
    let redirected = all_are_redirected.clone();
    // It answers only when all that may come have come.
    let behind = Server::start(move |request, client| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        redirected.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        image_of(request, client)
    });
    let to = behind.url("");
    let count = Arc::new(AtomicUsize::new(0));
    let fronts: Vec<Server> = (0..4)
        .map(|_| {
            let (to, count, all) = (to.clone(), Arc::clone(&count), all_are_redirected.clone());
            Server::start(move |request, client| {
                if count.fetch_add(1, Ordering::SeqCst) == 15 {
                    all.set();
                }
                redirect(client, &format!("{to}{}", request.path))
            })
        })
        .collect();
    let front = |number: usize| fronts[number % 4].url(&format!("/{number}"));
    let urls: Vec<String> = (0..16).map(front).chain([behind.url("/16")]).collect();
    let ended = Get::of(&urls).with(&["--connections", "9", "--per-host", "2"]).run();
    assert_stored(&ended, &urls);
    assert!(most.load(Ordering::SeqCst) <= 2);
}

#[test]
fn a_redirect_to_a_host_that_has_its_fill_holds_no_thread_up() {
    let _deadline = Deadline::seconds(60);
    let event = Event::default();
    let set = event.clone();
    let behind = Server::start(move |request, client| {
        if request.path == "/1" {
            event.wait();
        }
        image_of(request, client)
    });
    let to = behind.url("");
    let front = || {
        let to = to.clone();
        Server::start(move |request, client| redirect(client, &format!("{to}{}", request.path)))
    };
    let (front_1, front_2) = (front(), front());
    let other = Server::start(move |request, client| {
        set.set();
        image_of(request, client)
    });
    let urls = [front_1.url("/1"), front_2.url("/2"), other.url("/3")];
    let ended = Get::of(&urls).with(&["--connections", "2", "--per-host", "1"]).run();
    assert_stored(&ended, &urls);
}

#[test]
fn redirects_between_hosts_are_counted_and_end() {
    let _deadline = Deadline::seconds(60);
    let (address, set) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
    let to = Arc::clone(&address);
    let one = Server::start(move |_, client| redirect(client, &to.lock().unwrap()));
    let to = Arc::clone(&set);
    let other = Server::start(move |_, client| redirect(client, &to.lock().unwrap()));
    *address.lock().unwrap() = other.url("/");
    *set.lock().unwrap() = one.url("/");
    let urls = [one.url("/1"), other.url("/2")];
    let arguments = ["--connections", "1", "--per-host", "1", "--max-redirects", "4"];
    let ended = Get::of(&urls).with(&arguments).run();
    for url in &urls {
        assert_eq!(failure(&ended, url), ("redirect".to_owned(), 1));
    }
    let asked = [&one, &other].map(|server| server.requests.lock().unwrap().len());
    assert_eq!(asked, [5, 5]);
}

#[test]
fn what_is_kept_at_a_failure_is_continued_behind_a_redirect() {
    let _deadline = Deadline::seconds(60);
    let file = png(7, 99);
    let all = file.clone();
    let behind = Server::start(move |request, client| {
        if let Some(begin) = request.range() {
            let range = format!("Content-Range: bytes {begin}-{}/{}\r\n", all.len() - 1, all.len());
            let headers = range + "ETag: \"x\"\r\n";
            return send(client, "206 Partial Content", &headers, &all[begin..]);
        }
        head(client, "200 OK", &format!("ETag: \"x\"\r\nContent-Length: {}\r\n", all.len()));
        client.write_all(&all[..1000]).unwrap();
        After::Close
    });
    let to = behind.url("/1");
    let front = Server::start(move |_, client| redirect(client, &to));
    let urls = [front.url("/1")];
    let ended = Get::of(&urls).run();
    assert_eq!(ended.fate(&urls[0]), ("stored".to_owned(), "-".to_owned(), 2));
    assert_eq!(behind.seen("/1")[1].range(), Some(1000));
}

#[test]
fn a_kept_connection_that_the_server_has_closed_costs_no_attempt() {
    let _deadline = Deadline::seconds(60);
    let too_late = |client: &mut TcpStream| {
        send(client, "408 Request Timeout", "Connection: close\r\n", b"");
        After::Close
    };
    let no_answer = |client: &mut TcpStream| {
        client.write_all(b"the rest of something\r\n").unwrap();
        After::Close
    };
    let ways: [fn(&mut TcpStream) -> After; 4] =
        [|_| After::Close, |client| reset(client), too_late, no_answer];
    for close in ways {
        let answered: Mutex<Vec<u16>> = Mutex::default();
        let server = Server::start(move |request, client| {
            let port = client.peer_addr().unwrap().port();
            if answered.lock().unwrap().contains(&port) {
                return close(client);
            }
            answered.lock().unwrap().push(port);
            image_of(request, client)
        });
        let urls: Vec<String> = (0..5).map(|number| server.url(&format!("/{number}"))).collect();
        let ended = Get::of(&urls).with(&["--connections", "1", "--retries", "0"]).run();
        assert_stored(&ended, &urls);
    }
}

#[test]
fn a_cookie_in_other_letters_goes_back_as_it_has_come() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(move |request, client| {
        if request.headers.contains_key("cookie") {
            return image_of(request, client);
        }
        let answer = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /1\r\n\
                      Set-Cookie: name=caf\u{e9}; Path=/\r\n\r\n";
        client.write_all(answer.as_bytes()).unwrap();
        After::Open
    });
    let urls = [server.url("/1")];
    assert_stored(&Get::of(&urls).run(), &urls);
    // The server reads heads as Latin-1.
    assert_eq!(server.seen("/1")[1].headers["cookie"], "name=caf\u{c3}\u{a9}");
}

#[test]
fn a_new_connection_that_the_server_closes_costs_an_attempt() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(|_, _| After::Close);
    let urls = [server.url("/1")];
    let ended = Get::of(&urls).with(&["--retries", "1"]).run();
    assert_eq!(failure(&ended, &urls[0]), ("connection".to_owned(), 2));
    assert_eq!(server.seen("/1").len(), 2);
}

#[test]
fn a_redirect_is_followed_in_utf_8_and_in_latin_1() {
    let _deadline = Deadline::seconds(60);
    let words: [(&[u8], &str); 2] = [(b"/caf\xc3\xa9", "/caf%C3%A9"), (b"/caf\xe9", "/caf%E9")];
    for (location, path) in words {
        let server = Server::start(move |request, client| match request.path.as_str() {
            "/1" => {
                let begin: &[u8] = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ";
                client.write_all(&[begin, location, b"\r\n\r\n"].concat()).unwrap();
                After::Open
            }
            _ => image_of(request, client),
        });
        let urls = [server.url("/1")];
        assert_stored(&Get::of(&urls).run(), &urls);
        assert_eq!(server.seen(path).len(), 1);
    }
}

#[test]
fn a_tag_goes_back_in_the_bytes_it_has_come_in() {
    let _deadline = Deadline::seconds(60);
    for tag in [&b"\"caf\xc3\xa9\""[..], b"\"caf\xe9\""] {
        let file = png(8, 99);
        let server = Server::start(move |request, client| {
            let begin = request.range().unwrap_or(0);
            let (status, end) = match begin {
                0 => ("200 OK", 1000),
                _ => ("206 Partial Content", file.len()),
            };
            let range = format!("bytes {begin}-{}/{}", file.len() - 1, file.len());
            let length = file.len() - begin;
            let headers = format!("Content-Range: {range}\r\nContent-Length: {length}\r\nETag: ");
            let head = format!("HTTP/1.1 {status}\r\n{headers}").into_bytes();
            client.write_all(&[&head, tag, b"\r\n\r\n", &file[begin..end]].concat()).unwrap();
            After::Close
        });
        let urls = [server.url("/1")];
        let ended = Get::of(&urls).run();
        assert_eq!(ended.fate(&urls[0]), ("stored".to_owned(), "-".to_owned(), 2));
        let back = &server.seen("/1")[1].headers["if-range"];
        assert_eq!(back.chars().map(|letter| letter as u8).collect::<Vec<_>>(), tag);
    }
}

#[test]
fn the_images_that_are_taken_are_named() {
    let _deadline = Deadline::seconds(60);
    for (arguments, accept) in
        [(&[][..], "image/png,image/jpeg"), (&["--download-only"], "image/*")]
    {
        let server = Server::start(image_of);
        let urls = [server.url("/1")];
        assert_stored(&Get::of(&urls).with(arguments).run(), &urls);
        assert_eq!(server.seen("/1")[0].headers["accept"], accept);
    }
}

#[test]
fn a_cookie_of_a_redirect_is_shown_to_its_host_and_to_no_other() {
    let _deadline = Deadline::seconds(60);
    let other = Server::start(image_of);
    let to = other.url("/3").replace("127.0.0.1", "localhost");
    let server = Server::start(move |request, client| match request.path.as_str() {
        "/1" => {
            let cookies = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\n\
                           Set-Cookie: c=3; Path=/elsewhere\r\n";
            send(client, "302 Found", &format!("{cookies}Location: /2\r\n"), b"")
        }
        "/2" => redirect(client, &to),
        _ => image_of(request, client),
    });
    let urls = [server.url("/1"), server.url("/4")];
    let ended = Get::of(&urls).with(&["--connections", "1"]).run();
    assert_stored(&ended, &urls);
    let cookie = |server: &Server, path| server.seen(path)[0].headers.get("cookie").cloned();
    let mut seen: Vec<String> = Vec::new();
    seen.extend(cookie(&server, "/2").unwrap().split("; ").map(str::to_owned));
    seen.sort();
    assert_eq!(seen, ["a=1", "b=2"]);
    // Neither to another host, nor for another address of the list.
    assert_eq!((cookie(&other, "/3"), cookie(&server, "/4")), (None, None));
}

#[test]
fn a_password_in_an_address_is_decoded_and_stays_with_its_host() {
    let _deadline = Deadline::seconds(60);
    let other = Server::start(image_of);
    let to = other.url("/3");
    let server = Server::start(move |request, client| match request.path.as_str() {
        "/1" => redirect(client, "/2"),
        "/2" => redirect(client, &to),
        _ => send(client, "404 Not Found", "", b""),
    });
    let url = |path| format!("http://ann%40example.org:p%3Aw@{}{path}", server.host());
    let ended = Get::of(&[url("/1"), url("/4")]).run();
    assert_stored(&ended, &[url("/1")]);
    let sent = |server: &Server, path| server.seen(path)[0].headers.get("authorization").cloned();
    // ann@example.org:p:w
    let basic = Some("Basic YW5uQGV4YW1wbGUub3JnOnA6dw==".to_owned());
    assert_eq!((sent(&server, "/1"), sent(&server, "/2")), (basic.clone(), basic));
    assert_eq!(sent(&other, "/3"), None);
    // The list to try again needs it, a terminal does not.
    assert!(ended.failed.contains(&url("/4")), "{}", ended.failed);
    assert!(ended.stderr.contains("/4") && !ended.stderr.contains("p%3Aw"), "{}", ended.stderr);
}

#[test]
fn a_password_is_sent_again_to_its_server_on_the_way_back() {
    let _deadline = Deadline::seconds(60);
    let back = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&back);
    let other = Server::start(move |_, client| redirect(client, &to.lock().unwrap()));
    let to = other.url("/2");
    let server = Server::start(move |request, client| match request.path.as_str() {
        "/1" => redirect(client, &to),
        _ => image_of(request, client),
    });
    let sent =
        |server: &Server, path: &str| server.seen(path)[0].headers.get("authorization").cloned();
    // ann:pw
    let basic = Some("Basic YW5uOnB3".to_owned());
    let url = format!("http://ann:pw@{}/1", server.host());
    let elsewhere = server.url("/4").replace("127.0.0.1", "localhost");
    for (to, expected) in [(server.url("/3"), basic.clone()), (elsewhere, None)] {
        back.lock().unwrap().clone_from(&to);
        let urls = [url.clone()];
        assert_stored(&Get::of(&urls).run(), &urls);
        let path = &to[to.rfind('/').unwrap()..];
        assert_eq!((sent(&server, "/1"), sent(&server, path)), (basic.clone(), expected));
    }
    assert_eq!(sent(&other, "/2"), None);
}

#[test]
fn a_name_that_is_not_known_is_not_looked_up_again() {
    let _deadline = Deadline::seconds(60);
    // No resolver is asked for a label that is this long.
    let host = format!("http://{}.invalid", "x".repeat(64));
    let urls = [1, 2].map(|number| format!("{host}/{number}"));
    let ended = Get::of(&urls).run();
    for url in &urls {
        assert_eq!(failure(&ended, url), ("host-not-found".to_owned(), 1));
    }
    assert_eq!(ended.code, Some(4));
}

#[test]
fn many_addresses_of_one_name_are_fetched() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(image_of);
    let url = |number| server.url(&format!("/{number}")).replace("127.0.0.1", "localhost");
    let urls: Vec<String> = (0..20).map(url).collect();
    assert_stored(&Get::of(&urls).run(), &urls);
}
