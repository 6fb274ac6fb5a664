//! `downloader get` on a server of faults: each ends as documented.

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use downloader::md5_hex;
use support::{
    After, Event, Get, Request, Server, fails, hang, head, is_stored, jpg, one, png, reset, send,
};
use testing::Deadline;

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
fn a_server_behind_another_that_does_not_answer_may_pass() {
    let file = png(27, 9);
    for status in ["520 Web Server Returned an Unknown Error", "525 SSL Handshake Failed", "529 ?"]
    {
        let image = file.clone();
        is_stored(&file, 2, &[], move |request, client| match request.count {
            1 => send(client, status, "", b"<html>"),
            _ => send(client, "200 OK", "", &image),
        });
    }
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
fn a_head_that_is_too_long_is_not_asked_for_again() {
    fails("protocol", 1, &[], |_, client| {
        let header = format!("X-Long: {}\r\n", "x".repeat(1 << 18));
        send(client, "200 OK", &header, b"")
    });
}

#[test]
fn a_head_that_cannot_be_read_is_not_asked_for_again() {
    let folded = "; a header must not go on in a line that begins with a blank";
    for (head, why) in [
        ("HTTP/1.1 200 OK\r\nX-Long: a,\r\n b\r\n\r\n", folded),
        ("HTTP/1.1 200 OK\r\nX-Blank : a\r\n\r\n", folded),
        ("HTTP/1.1 200 OK\r\nX-Bell: \u{7}\r\n\r\n", "; a header must not have control char"),
        ("HTTP/9.9 200 OK\r\n\r\n", "; an answer begins with its version"),
        ("220 Service ready\r\n", "can't be read: "),
        ("HTTP/1.1 two OK\r\n\r\n", "can't be read: "),
        (&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(1000)), "can't be read: "),
    ] {
        let begin = head.to_owned();
        let ended = fails("protocol", 1, &[], move |_, client| {
            let _ = client.write_all(begin.as_bytes());
            After::Close
        });
        assert!(ended.stderr.contains(why), "{head}\n{}", ended.stderr);
        // The server was reached.
        assert_eq!(ended.code, Some(1));
    }
}

#[test]
fn a_head_that_breaks_off_may_pass() {
    let file = png(28, 9);
    for end in [4, 12, 20, 40] {
        let image = file.clone();
        is_stored(&file, 2, &[], move |request, client| match request.count {
            1 => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n";
                client.write_all(&head[..end]).unwrap();
                After::Close
            }
            _ => send(client, "200 OK", "", &image),
        });
    }
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
    // Long enough for the head, which it holds in, too.
    fails("stall-timeout", 2, &["--stall-timeout", "3", "--retries", "1"], move |_, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        client.write_all(&image[..2000]).unwrap();
        hang()
    });
}

#[test]
fn a_server_that_sends_byte_by_byte_is_given_up() {
    let image = png(4, 9);
    // It never stops for as long as a stall is.
    let arguments = ["--timeout", "4", "--stall-timeout", "3", "--retries", "0"];
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
fn a_body_that_is_always_short_fails() {
    let image = png(7, 99);
    fails("short-body", 2, &["--retries", "1"], move |_, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        client.write_all(&image[..1000]).unwrap();
        After::Close
    });
}

#[test]
fn a_connection_that_is_always_reset_fails() {
    fails("connection", 2, &["--retries", "1"], |_, client| reset(client));
    let image = png(8, 99);
    fails("short-body", 2, &["--retries", "1"], move |request, client| {
        head(client, "200 OK", &format!("Content-Length: {}\r\n", image.len()));
        client.write_all(&image[..1000]).unwrap();
        request.wait_until_written(1000);
        reset(client)
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
    let kinds: [(&str, &[u8]); 4] = [
        ("no-image", b"hello, I am a text and nothing else"),
        ("html", page),
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
fn a_body_with_any_status_of_success_is_a_file() {
    let file = png(23, 9);
    for status in ["201 Created", "202 Accepted", "203 Non-Authoritative", "226 IM Used", "299 ?"] {
        let image = file.clone();
        is_stored(&file, 1, &[], move |_, client| send(client, status, "", &image));
    }
    for status in ["204 No Content", "205 Reset Content", "304 Not Modified", "300 Multiple"] {
        fails("http-status", 1, &[], move |_, client| send(client, status, "", b""));
    }
}

#[test]
fn an_empty_answer_may_pass() {
    let file = png(24, 9);
    let image = file.clone();
    is_stored(&file, 2, &[], move |request, client| match request.count {
        1 => send(client, "200 OK", "", b""),
        _ => send(client, "200 OK", "", &image),
    });
    fails("empty", 2, &["--retries", "1"], |_, client| send(client, "200 OK", "", b""));
    fails("empty", 2, &["--retries", "1"], |_, client| {
        head(client, "200 OK", "");
        After::Close
    });
}

#[test]
fn an_encoding_that_hides_the_image_is_named_and_another_is_no_matter() {
    for encoding in ["gzip", "br", "zstd"] {
        let header = format!("Content-Encoding: {encoding}\r\n");
        let ended = fails("no-image", 1, &[], move |_, client| {
            send(client, "200 OK", &header, b"\x1f\x8b\x08 and so on")
        });
        assert!(ended.stderr.contains(&format!("Content-Encoding: {encoding}")), "{encoding}");
    }
    let file = jpg(25, 9);
    let image = file.clone();
    let header = "Content-Encoding: utf-8\r\n";
    is_stored(&file, 1, &[], move |_, client| send(client, "200 OK", header, &image));
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
    let length = 500_u32.to_le_bytes();
    let of_500 = |head: &[&[u8]], end: u8| {
        let mut image = head.concat();
        image.resize(499, 1);
        [&image[..], &[end]].concat()
    };
    for (image, how) in [
        (png(17, 99), reset as fn(&TcpStream) -> After),
        (jpg(17, 99), reset),
        (jpg(17, 99), |_| After::Close),
        (of_500(&[b"GIF89a"], b';'), |_| After::Close),
        (of_500(&[b"RIFF", &492_u32.to_le_bytes(), b"WEBPVP8 "], 1), |_| After::Close),
        (of_500(&[b"BM", &length, &[0; 20]], 1), |_| After::Close),
    ] {
        fails("short-body", 2, &arguments, move |request, client| {
            head(client, "200 OK", "");
            client.write_all(&image[..image.len() - 20]).unwrap();
            request.wait_until_written(image.len() - 20);
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
fn a_jpeg_with_bytes_between_its_segments_is_an_image() {
    let image = jpg(26, 99);
    // Behind the first segment, as some programs leave them.
    let at = 4 + usize::from(image[5]);
    for between in [b"\0\x7f\0".as_slice(), b"\0", b"\xff\xff\xff", b"\xff\0\xff\0", &[7; 5000]] {
        let file = [&image[..at], between, &image[at..]].concat();
        for length in [true, false] {
            let body = file.clone();
            is_stored(&file, 1, &[], move |_, client| match length {
                true => send(client, "200 OK", "", &body),
                false => {
                    head(client, "200 OK", "");
                    client.write_all(&body).unwrap();
                    After::Close
                }
            });
        }
        fails("damaged", 1, &[], move |_, client| {
            send(client, "200 OK", "", &file[..file.len() - 9])
        });
    }
}

#[test]
fn a_truncated_png_is_damaged() {
    let image = png(18, 99);
    fails("damaged", 1, &[], move |_, client| {
        send(client, "200 OK", "", &image[..image.len() / 2])
    });
}

#[test]
fn an_image_that_is_damaged_inside_is_damaged() {
    let image = jpg(29, 99);
    let (begin, end) = (image.len() / 2, image.len() - 2);
    let page = b"<html><head><title>502 Bad Gateway</title></head><body>".repeat(9);
    let checksum = png(29, 99);
    for file in [
        [&image[..begin], &[0; 500], &image[begin + 500..]].concat(),
        [&image[..begin], &page, &image[begin + page.len()..]].concat(),
        [&image[..begin], &image[end..]].concat(),
        [&checksum[..checksum.len() - 1], b"x"].concat(),
    ] {
        fails("damaged", 1, &[], move |_, client| send(client, "200 OK", "", &file));
    }
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
            "/empty" => "",
            "/file" => "file:///etc/passwd",
            other => other,
        };
        send(client, "302 Found", &format!("Location: {to}\r\n"), b"")
    });
    let urls = ["/1", "/loop", "/nowhere", "/file", "/empty"].map(|path| server.url(path));
    let ended = Get::of(&urls).run();
    assert_eq!(ended.fate(&urls[0]), ("stored".to_owned(), "-".to_owned(), 1));
    for url in &urls[1..] {
        assert_eq!(ended.fate(url), ("failed".to_owned(), "redirect".to_owned(), 1));
    }
    assert_eq!((server.seen("/loop").len(), server.seen("/empty").len()), (11, 1));
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
    let _deadline = Deadline::seconds(60);
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (seen, other_is_asked) = (Arc::clone(&most), Event::default());
    let asked = other_is_asked.clone();
    // It answers only when all that may come have come: the list ends with the other server.
    let server = Server::start(move |request, client| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        asked.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        send(client, "200 OK", "", &png(request.path.len() as u64, 9))
    });
    let other = Server::start(move |_, client| {
        other_is_asked.set();
        send(client, "200 OK", "", &png(99, 9))
    });
    let urls = (1..15).map(|n| server.url(&format!("/{}", "x".repeat(n))));
    let urls: Vec<String> = urls.chain([other.url("/")]).collect();
    let ended = Get::of(&urls).with(&["--per-host", "3"]).run();
    assert_eq!(ended.code, Some(0));
    assert!(most.load(Ordering::SeqCst) <= 3);
}
