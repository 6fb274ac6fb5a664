//! `downloader get` on a server of faults: each ends as documented.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, SystemTime};

use common::testing::Deadline;
use downloader::md5_hex;
use support::{After, Ended, Get, Request, Server, hang, head, jpg, png, reset, send};

/// Gets one address from a server that answers like this.
fn one(
    arguments: &[&str],
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> (Ended, Server) {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(answer);
    let ended = Get::of(&[server.url("/a.jpg")]).with(arguments).run();
    (ended, server)
}

/// One address fails like this, after so many attempts, and nothing is stored.
fn fails(
    kind: &str,
    attempts: u64,
    arguments: &[&str],
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> Ended {
    let (ended, server) = one(arguments, answer);
    let url = server.url("/a.jpg");
    assert_eq!(ended.fate(&url), ("failed".to_owned(), kind.to_owned(), attempts));
    assert_eq!(ended.files, [""; 0]);
    assert!(ended.failed.ends_with(&format!("\n{url}\n")), "{}", ended.failed);
    assert!(ended.stderr.contains(&format!("failed: {url}: ")), "{}", ended.stderr);
    ended
}

/// One address is stored with these bytes, after so many attempts.
fn is_stored(
    file: &[u8],
    attempts: u64,
    arguments: &[&str],
    answer: impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static,
) -> (Ended, Server) {
    let (ended, server) = one(arguments, answer);
    let fate = ended.fate(&server.url("/a.jpg"));
    assert_eq!(fate, ("stored".to_owned(), "-".to_owned(), attempts), "{}", ended.stderr);
    let extension = if file.starts_with(b"\x89PNG") { "png" } else { "jpg" };
    assert_eq!(ended.files, [format!("{}.{extension}", md5_hex(file))]);
    assert_eq!((ended.code, &*ended.failed), (Some(0), ""));
    (ended, server)
}

#[test]
fn a_404_fails_at_once() {
    let ended = fails("http-status", 1, &[], |_, client| send(client, "404 Not Found", "", b""));
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.report[0]["http_status"], 404);
}

#[test]
fn a_500_is_tried_again_and_fails() {
    let answer = |_: &Request, client: &mut _| send(client, "500 Internal Server Error", "", b"no");
    fails("http-status", 3, &["--retries", "2"], answer);
    fails("http-status", 1, &["--retries", "0"], answer);
}

#[test]
fn a_503_twice_and_then_an_image_is_stored() {
    let file = png(1, 9);
    let image = file.clone();
    is_stored(&file, 3, &[], move |request, client| match request.count {
        1 | 2 => send(client, "503 Service Unavailable", "", b"later"),
        _ => send(client, "200 OK", "", &image),
    });
}

#[test]
fn a_429_waits_as_long_as_the_server_asks() {
    let file = jpg(2, 9);
    for date in [false, true] {
        let image = file.clone();
        let (ended, _) = is_stored(&file, 2, &[], move |request, client| match request.count {
            1 => {
                // A date has whole seconds: two from now is at least one.
                let then = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
                let after = if date { then } else { "1".to_owned() };
                let header = format!("Retry-After: {after}\r\n");
                send(client, "429 Too Many Requests", &header, b"")
            }
            _ => send(client, "200 OK", "", &image),
        });
        assert!(ended.took >= Duration::from_secs(1), "{:?}", ended.took);
    }
}

#[test]
fn a_server_that_wants_too_long_a_pause_is_not_waited_for() {
    let header = "Retry-After: 3600\r\n";
    let answer = move |_: &Request, client: &mut _| send(client, "503 Later", header, b"");
    let ended = fails("http-status", 1, &[], answer);
    assert!(ended.stderr.contains("3600 s"), "{}", ended.stderr);
}

#[test]
fn a_server_that_hangs_before_its_answer_is_given_up() {
    let arguments = ["--first-byte-timeout", "0.3", "--retries", "1"];
    let ended = fails("first-byte-timeout", 2, &arguments, |_, _| hang());
    assert_eq!(ended.code, Some(4));
}

#[test]
fn a_server_that_hangs_in_the_body_is_given_up() {
    let image = png(3, 99);
    fails("stall-timeout", 2, &["--stall-timeout", "0.3", "--retries", "1"], move |_, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        client.write_all(&image[..2000]).unwrap();
        hang()
    });
}

#[test]
fn a_server_that_sends_byte_by_byte_is_given_up() {
    let image = png(4, 9);
    let arguments = ["--timeout", "0.7", "--stall-timeout", "0.5", "--retries", "0"];
    fails("total-timeout", 1, &arguments, move |_, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        for byte in &image {
            if client.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        After::Close
    });
}

#[test]
fn a_slow_server_that_lets_one_go_on_is_read_to_the_end() {
    let file = png(5, 9);
    let image = file.clone();
    let arguments = ["--timeout", "0.5", "--retries", "9"];
    let (ended, _) = one(&arguments, move |request, client| {
        let begin = request.range().unwrap_or(0);
        let range = format!("Content-Range: bytes {begin}-{0}/{0}\r\n", image.len());
        let rest = format!("ETag: \"x\"\r\nContent-Length: {}\r\n", image.len() - begin);
        match begin {
            0 => head(client, "200 OK", &rest),
            _ => head(client, "206 Partial Content", &(range + &rest)),
        }
        for bytes in image[begin..].chunks(1 + image.len() / 10) {
            if client.write_all(bytes).is_err() {
                return After::Close;
            }
            thread::sleep(Duration::from_millis(100));
        }
        After::Open
    });
    assert_eq!(ended.files, [format!("{}.png", md5_hex(&file))]);
    assert!(ended.report[0]["attempts"].as_u64().unwrap() > 1);
}

/// A body that ends after 1000 bytes at the first attempt; what comes of the second is up to `then`.
fn cut(
    image: Vec<u8>,
    tag: &'static str,
    how: fn(&TcpStream) -> After,
    then: impl Fn(&Request, &mut TcpStream, &[u8]) -> After + Send + Sync + 'static,
) -> impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static {
    move |request, client| match request.count {
        1 => {
            head(client, "200 OK", &format!("{tag}Content-Length: {}\r\n", image.len()));
            client.write_all(&image[..1000]).unwrap();
            // So that what was sent is read before the end is seen.
            thread::sleep(Duration::from_millis(100));
            how(client)
        }
        _ => then(request, client, &image),
    }
}

fn part(request: &Request, client: &mut TcpStream, image: &[u8]) -> After {
    let begin = request.range().unwrap();
    let range = format!("Content-Range: bytes {begin}-{}/{}\r\n", image.len() - 1, image.len());
    send(client, "206 Partial Content", &range, &image[begin..])
}

const TAG: &str = "ETag: \"x\"\r\n";

#[test]
fn a_short_body_is_asked_for_the_rest() {
    let file = png(6, 99);
    let (ended, server) = is_stored(&file, 2, &[], cut(file.clone(), TAG, |_| After::Close, part));
    let asked = server.seen("/a.jpg");
    assert_eq!(asked[0].range(), None);
    assert_eq!(asked[1].range(), Some(1000));
    assert_eq!(asked[1].headers["if-range"], "\"x\"");
    assert_eq!(ended.report[0]["bytes"], file.len());
}

#[test]
fn a_body_that_is_always_short_fails() {
    let image = png(7, 99);
    fails("short-body", 2, &["--retries", "1"], move |_, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        client.write_all(&image[..1000]).unwrap();
        After::Close
    });
}

#[test]
fn after_a_reset_in_the_body_the_rest_is_asked_for() {
    let file = png(8, 99);
    let (_, server) = is_stored(&file, 2, &[], cut(file.clone(), TAG, reset, part));
    assert_eq!(server.seen("/a.jpg")[1].range(), Some(1000));
}

#[test]
fn a_connection_that_is_always_reset_fails() {
    fails("connection", 2, &["--retries", "1"], |_, client| reset(client));
    let image = png(8, 99);
    fails("short-body", 2, &["--retries", "1"], move |_, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        client.write_all(&image[..1000]).unwrap();
        thread::sleep(Duration::from_millis(100));
        reset(client)
    });
}

#[test]
fn a_server_that_ignores_the_range_sends_all_again() {
    let file = png(9, 99);
    is_stored(
        &file,
        2,
        &[],
        cut(
            file.clone(),
            TAG,
            |_| After::Close,
            |_, client, image| send(client, "200 OK", TAG, image),
        ),
    );
}

#[test]
fn a_file_that_has_changed_meanwhile_is_fetched_from_the_beginning() {
    let (before, after) = (png(10, 99), png(11, 99));
    let now = after.clone();
    let answer = cut(
        before,
        TAG,
        |_| After::Close,
        move |_, client, _| send(client, "200 OK", "ETag: \"y\"\r\n", &now),
    );
    is_stored(&after, 2, &[], answer);
}

#[test]
fn without_a_tag_or_date_the_rest_is_not_asked_for() {
    for tag in ["", "ETag: W/\"weak\"\r\n"] {
        let file = png(12, 99);
        let (_, server) = is_stored(
            &file,
            2,
            &[],
            cut(
                file.clone(),
                tag,
                |_| After::Close,
                |_, client, image| send(client, "200 OK", "", image),
            ),
        );
        assert_eq!(server.seen("/a.jpg")[1].range(), None);
    }
}

#[test]
fn a_416_begins_anew_unless_all_has_come() {
    let file = png(13, 99);
    let answer = cut(
        file.clone(),
        TAG,
        |_| After::Close,
        |request, client, image| match request.range() {
            Some(_) => {
                send(client, "416 Range Not Satisfiable", "Content-Range: bytes */7\r\n", b"")
            }
            None => send(client, "200 OK", "", image),
        },
    );
    is_stored(&file, 3, &[], answer);
    // All has come, but the server said that there is more.
    let image = file.clone();
    is_stored(&file, 2, &[], move |request, client| match request.count {
        1 => {
            head(client, "200 OK", &format!("{TAG}Content-Length: {}\r\n", image.len() + 5));
            client.write_all(&image).unwrap();
            After::Close
        }
        _ => {
            let all = format!("Content-Range: bytes */{}\r\n", image.len());
            send(client, "416 Range Not Satisfiable", &all, b"")
        }
    });
}

#[test]
fn another_part_than_the_one_asked_for_is_not_taken() {
    let file = png(14, 99);
    for range in ["bytes 0-9/10", "bytes 999-1001/2000", "nonsense"] {
        let image = file.clone();
        let answer = cut(
            image,
            TAG,
            |_| After::Close,
            move |request, client, image| match request.range() {
                Some(_) => {
                    let range = format!("Content-Range: {range}\r\n");
                    send(client, "206 Partial Content", &range, &image[1000..])
                }
                None => send(client, "200 OK", "", image),
            },
        );
        is_stored(&file, 3, &[], answer);
    }
}

#[test]
fn a_206_that_nobody_has_asked_for_is_no_file() {
    fails("http-status", 1, &[], |_, client| {
        send(client, "206 Partial Content", "Content-Range: bytes 0-8/9\r\n", &png(1, 9))
    });
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let file = jpg(15, 99);
    let image = file.clone();
    is_stored(&file, 1, &[], move |_, client| {
        head(client, "200 OK", "");
        client.write_all(&image).unwrap();
        After::Close
    });
}

#[test]
fn a_chunked_body_is_put_together() {
    let file = jpg(16, 99);
    let image = file.clone();
    is_stored(&file, 1, &[], move |_, client| {
        head(client, "200 OK", "Transfer-Encoding: chunked\r\n");
        for chunk in image.chunks(700) {
            write!(client, "{:x}\r\n", chunk.len()).unwrap();
            client.write_all(chunk).unwrap();
            client.write_all(b"\r\n").unwrap();
        }
        client.write_all(b"0\r\n\r\n").unwrap();
        After::Open
    });
}

#[test]
fn a_chunked_body_that_ends_too_early_is_no_file() {
    let image = jpg(17, 99);
    let (ended, _) = one(&["--retries", "1"], move |_, client| {
        head(client, "200 OK", "Transfer-Encoding: chunked\r\n");
        write!(client, "{:x}\r\n", image.len()).unwrap();
        client.write_all(&image).unwrap();
        client.write_all(b"\r\n").unwrap();
        After::Close
    });
    assert_eq!((ended.code, ended.report[0]["attempts"].as_u64()), (Some(1), Some(2)));
    assert_eq!(ended.files, [""; 0]);
}

#[test]
fn what_is_no_image_is_refused_by_its_content() {
    let page = b"<!DOCTYPE html><title>no picture here</title>";
    let kinds: [(&str, &[u8]); 5] = [
        ("no-image", b"hello, I am a text and nothing else"),
        ("html", page),
        ("empty", b""),
        ("unsupported", b"GIF89a and so on"),
        ("no-image", b"\x1f\x8b\x08 a gzip bomb that nobody unpacks"),
    ];
    for (kind, body) in kinds {
        fails(kind, 1, &[], move |_, client| {
            send(client, "200 OK", "Content-Type: image/jpeg\r\n", body)
        });
    }
}

#[test]
fn images_of_other_kinds_are_stored_if_nothing_is_decoded() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(|_, client| send(client, "200 OK", "", b"GIF89a and so on"));
    let ended = Get::of(&[server.url("/x")]).with(&["--download-only"]).run();
    assert_eq!(ended.files, [format!("{}.gif", md5_hex(b"GIF89a and so on"))]);
    assert_eq!(ended.report[0]["convolved_md5"], serde_json::Value::Null);
}

#[test]
fn a_body_without_a_length_that_is_cut_is_no_image() {
    // Nothing but the image itself shows that there is more.
    let arguments = ["--download-only", "--retries", "1"];
    for (image, how) in [
        (png(17, 99), reset as fn(&TcpStream) -> After),
        (jpg(17, 99), reset),
        (jpg(17, 99), |_| After::Close),
    ] {
        fails("short-body", 2, &arguments, move |_, client| {
            head(client, "200 OK", "");
            client.write_all(&image[..image.len() - 20]).unwrap();
            thread::sleep(Duration::from_millis(100));
            how(client)
        });
    }
}

#[test]
fn a_truncated_jpeg_is_damaged() {
    let image = jpg(18, 99);
    fails("damaged", 1, &[], move |_, client| {
        send(client, "200 OK", "", &image[..image.len() / 2])
    });
}

#[test]
fn a_truncated_png_is_damaged() {
    let image = png(18, 99);
    fails("damaged", 1, &[], move |_, client| {
        send(client, "200 OK", "", &image[..image.len() / 2])
    });
}

#[test]
fn too_many_bytes_are_refused_with_and_without_a_length() {
    let image = png(19, 99);
    let long = image.clone();
    fails("too-large", 1, &["--max-size", "10k"], move |_, client| {
        send(client, "200 OK", "", &long)
    });
    fails("too-large", 1, &["--max-size", "10k"], move |_, client| {
        head(client, "200 OK", "");
        let _ = client.write_all(&image);
        After::Close
    });
}

#[test]
fn too_many_pixels_are_refused() {
    fails("too-many-pixels", 1, &["--max-pixels", "80"], |_, client| {
        send(client, "200 OK", "", &png(20, 9))
    });
}

#[test]
fn a_chain_of_redirects_is_followed_and_a_loop_is_not() {
    let _deadline = Deadline::seconds(60);
    let file = png(21, 9);
    let image = file.clone();
    let server = Server::start(move |request, client| {
        let to = match &*request.path {
            "/1" => "/deeper/2",
            "/deeper/2" => "3",
            "/deeper/3" => "../4?x",
            "/4?x" => return send(client, "200 OK", "", &image),
            "/nowhere" => return send(client, "302 Found", "", b""),
            "/file" => "file:///etc/passwd",
            other => other,
        };
        send(client, "302 Found", &format!("Location: {to}\r\n"), b"")
    });
    let urls = ["/1", "/loop", "/nowhere", "/file"].map(|path| server.url(path));
    let ended = Get::of(&urls).run();
    assert_eq!(ended.fate(&urls[0]), ("stored".to_owned(), "-".to_owned(), 1));
    for url in &urls[1..] {
        assert_eq!(ended.fate(url), ("failed".to_owned(), "redirect".to_owned(), 1));
    }
    assert_eq!(server.seen("/loop").len(), 11);
    assert_eq!(ended.files, [format!("{}.png", md5_hex(&file))]);
}

#[test]
fn the_same_bytes_under_two_addresses_are_stored_once() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(|_, client| send(client, "200 OK", "", &png(22, 9)));
    let urls: Vec<String> = (0..20).map(|n| server.url(&format!("/{n}"))).collect();
    let ended = Get::of(&urls).run();
    assert_eq!((ended.code, ended.files.len()), (Some(0), 1));
    let duplicates = ended.report.iter().filter(|line| line["status"] == "duplicate").count();
    assert_eq!(duplicates, 19);
    assert!(ended.stdout.contains("there already"), "{}", ended.stdout);
}

#[test]
fn a_server_that_closes_connections_that_were_to_stay_loses_nothing() {
    let _deadline = Deadline::seconds(60);
    let server = Server::start(|request, client| {
        send(client, "200 OK", "", &png(request.path.len() as u64, 9));
        After::Close
    });
    let urls: Vec<String> = (1..40).map(|n| server.url(&format!("/{}", "x".repeat(n)))).collect();
    let ended = Get::of(&urls).run();
    assert_eq!((ended.code, ended.files.len()), (Some(0), urls.len()), "{}", ended.stderr);
}

#[test]
fn a_host_is_asked_for_no_more_at_once_than_allowed() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let _deadline = Deadline::seconds(60);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = Server::start(move |request, client| {
        let active = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(active, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(10));
        now.fetch_sub(1, Ordering::SeqCst);
        send(client, "200 OK", "", &png(request.path.len() as u64, 9))
    });
    let urls: Vec<String> = (1..30).map(|n| server.url(&format!("/{}", "x".repeat(n)))).collect();
    let ended = Get::of(&urls).with(&["--per-host", "3"]).run();
    assert_eq!(ended.code, Some(0));
    assert!(seen.load(Ordering::SeqCst) <= 3);
}
