//! `downloader get` on servers that give a file in parts: the rest is asked for, and nothing is
//! appended but the rest of the same file.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::ops::Range;

use downloader::md5_hex;
use support::{After, Request, fails, hang, head, is_stored, one, png, reset, send};

const TAG: &str = "ETag: \"x\"\r\n";

/// A date of change, and an answer a second later.
const DATES: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                     Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n";

/// Sends the first 1000 bytes of a file, and no more.
fn first(client: &mut TcpStream, headers: &str, image: &[u8]) -> After {
    head(client, "200 OK", &format!("{headers}Content-Length: {}\r\n", image.len()));
    client.write_all(&image[..1000]).unwrap();
    After::Close
}

/// Sends a part of a file.
fn part(client: &mut TcpStream, headers: &str, range: Range<usize>, image: &[u8]) -> After {
    let (begin, last, total) = (range.start, range.end - 1, image.len());
    let headers = format!("{headers}Content-Range: bytes {begin}-{last}/{total}\r\n");
    send(client, "206 Partial Content", &headers, &image[range])
}

/// Sends all that is asked for.
fn rest(request: &Request, client: &mut TcpStream, headers: &str, image: &[u8]) -> After {
    match request.range() {
        Some(begin) => part(client, headers, begin..image.len(), image),
        None => send(client, "200 OK", headers, image),
    }
}

/// The first answer ends after 1000 bytes; the others are up to `then`.
fn cut(
    image: &[u8],
    headers: &'static str,
    then: impl Fn(&Request, &mut TcpStream, &[u8]) -> After + Send + Sync + 'static,
) -> impl Fn(&Request, &mut TcpStream) -> After + Send + Sync + 'static {
    let image = image.to_vec();
    move |request, client| match request.count {
        1 => first(client, headers, &image),
        _ => then(request, client, &image),
    }
}

/// Without a Range the server sends all; with one it is up to `then`, and no use.
fn falls_back(then: impl Fn(&Request, &mut TcpStream, &[u8]) -> After + Send + Sync + 'static) {
    let file = png(1, 99);
    // The third request follows at once: no retry is needed.
    let answer = cut(&file, TAG, move |request, client, image| match request.range() {
        Some(_) => then(request, client, image),
        None => send(client, "200 OK", TAG, image),
    });
    let (_, server) = is_stored(&file, 3, &["--retries", "0"], answer);
    let ranges: Vec<_> = server.seen("/a.jpg").iter().map(Request::range).collect();
    assert_eq!(ranges, [None, Some(1000), None]);
}

#[test]
fn a_short_body_is_asked_for_the_rest() {
    let file = png(6, 99);
    let answer = cut(&file, TAG, |request, client, image| rest(request, client, TAG, image));
    let (ended, server) = is_stored(&file, 2, &[], answer);
    let asked = server.seen("/a.jpg");
    assert_eq!((asked[0].range(), asked[1].range()), (None, Some(1000)));
    assert_eq!(asked[1].headers["if-range"], "\"x\"");
    assert_eq!(ended.report[0]["bytes"], file.len());
}

#[test]
fn after_a_reset_in_the_body_the_rest_is_asked_for() {
    let file = png(8, 99);
    let image = file.clone();
    let (_, server) = is_stored(&file, 2, &[], move |request, client| match request.count {
        1 => {
            first(client, TAG, &image);
            request.wait_until_written(1000);
            reset(client)
        }
        _ => rest(request, client, TAG, &image),
    });
    assert_eq!(server.seen("/a.jpg")[1].range(), Some(1000));
}

#[test]
fn a_slow_server_that_lets_one_go_on_is_read_to_the_end() {
    let file = png(5, 99);
    let image = file.clone();
    let (third, arguments) = (1 + file.len() / 3, ["--timeout", "1", "--retries", "9"]);
    // It gives a third in the time of an attempt.
    let (ended, _) = one(&arguments, move |request, client| {
        let begin = request.range().unwrap_or(0);
        let range = format!("Content-Range: bytes {begin}-{}/{}\r\n", image.len() - 1, image.len());
        let rest = format!("{TAG}Content-Length: {}\r\n", image.len() - begin);
        match begin {
            0 => head(client, "200 OK", &rest),
            _ => head(client, "206 Partial Content", &(range + &rest)),
        }
        let end = image.len().min(begin + third);
        if client.write_all(&image[begin..end]).is_err() || end == image.len() {
            return After::Close;
        }
        hang()
    });
    assert_eq!(ended.files, [format!("{}.png", md5_hex(&file))]);
    assert!(ended.report[0]["attempts"].as_u64().unwrap() >= 3);
}

#[test]
fn a_server_that_ignores_the_range_sends_all_again() {
    let file = png(9, 99);
    let answer = cut(&file, TAG, |_, client, image| send(client, "200 OK", TAG, image));
    is_stored(&file, 2, &[], answer);
}

#[test]
fn a_file_that_has_changed_meanwhile_is_fetched_from_the_beginning() {
    let (before, after) = (png(10, 99), png(11, 99));
    let now = after.clone();
    let answer =
        cut(&before, TAG, move |_, client, _| send(client, "200 OK", "ETag: \"y\"\r\n", &now));
    is_stored(&after, 2, &[], answer);
}

#[test]
fn the_rest_of_another_file_is_never_appended() {
    let date = "Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT\r\n\
                Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n";
    for (first, then, other) in [
        // A server that doesn't know If-Range.
        (TAG, "ETag: \"y\"\r\n", png(2, 99)),
        (TAG, "ETag: W/\"x\"\r\n", png(2, 99)),
        (TAG, "", png(2, 99)),
        (TAG, DATES, png(2, 99)),
        (TAG, TAG, png(2, 120)),
        (TAG, TAG, png(2, 60)),
        (DATES, date, png(2, 99)),
        (DATES, "", png(2, 99)),
    ] {
        let now = other.clone();
        let answer =
            cut(&png(1, 99), first, move |request, client, _| rest(request, client, then, &now));
        is_stored(&other, 3, &["--retries", "0"], answer);
    }
}

#[test]
fn a_date_is_enough_to_go_on_if_the_answer_is_younger() {
    let file = png(4, 99);
    let answer = cut(&file, DATES, |request, client, image| rest(request, client, DATES, image));
    let (_, server) = is_stored(&file, 2, &[], answer);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(server.seen("/a.jpg")[1].headers["if-range"], date);
}

#[test]
fn without_a_strong_tag_or_date_the_rest_is_not_asked_for() {
    for headers in [
        "",
        "ETag: W/\"weak\"\r\n",
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        // It may change again within this second.
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    ] {
        let file = png(12, 99);
        let answer = cut(&file, headers, |_, client, image| send(client, "200 OK", "", image));
        let (_, server) = is_stored(&file, 2, &[], answer);
        assert_eq!(server.seen("/a.jpg")[1].range(), None);
    }
}

#[test]
fn a_part_of_the_rest_is_asked_on_at_once() {
    let file = png(13, 99);
    let parts = 1 + (file.len() as u64 - 1000).div_ceil(9000);
    let answer = cut(&file, TAG, |request, client, image| {
        let begin = request.range().unwrap();
        part(client, TAG, begin..image.len().min(begin + 9000), image)
    });
    is_stored(&file, parts, &["--retries", "0"], answer);
}

#[test]
fn a_content_range_is_read_as_written_by_any_server() {
    for range in ["BYTES 1000-{}/{}", "bytes  1000 - {} / {}", "bytes 1000-{}/*"] {
        let file = png(14, 99);
        let answer = cut(&file, TAG, move |_, client, image| {
            let [last, total] = [image.len() - 1, image.len()].map(|number| number.to_string());
            let range = range.replacen("{}", &last, 1).replacen("{}", &total, 1);
            let headers = format!("{TAG}Content-Range: {range}\r\n");
            send(client, "206 Partial Content", &headers, &image[1000..])
        });
        is_stored(&file, 2, &[], answer);
    }
}

#[test]
fn a_refused_range_is_followed_by_a_plain_request() {
    for status in ["400 No", "403 No", "404 No", "405 No", "416 No", "501 No", "204 No", "304 No"] {
        falls_back(move |_, client, _| send(client, status, "", b""));
    }
}

#[test]
fn two_ranges_without_an_answer_are_followed_by_a_plain_request() {
    let fails: [fn(&mut TcpStream) -> After; 2] =
        [|client| send(client, "500 Internal Server Error", "", b""), |client| reset(client)];
    for fail in fails {
        let file = png(15, 99);
        let answer = cut(&file, TAG, move |request, client, image| match request.range() {
            Some(_) => fail(client),
            None => send(client, "200 OK", TAG, image),
        });
        is_stored(&file, 4, &["--retries", "2"], answer);
    }
}

#[test]
fn another_part_than_the_one_asked_for_is_not_taken() {
    for range in ["bytes 0-9/10", "bytes 999-1001/2000", "bytes 1000-900/2000", "nonsense"] {
        falls_back(move |_, client, image| {
            let headers = format!("{TAG}Content-Range: {range}\r\n");
            send(client, "206 Partial Content", &headers, &image[1000..])
        });
    }
    // Rounded down to a block.
    falls_back(|_, client, image| part(client, TAG, 512..image.len(), image));
    // More than it says.
    falls_back(|_, client, image| {
        let headers = format!("{TAG}Content-Range: bytes 1000-1099/{}\r\n", image.len());
        send(client, "206 Partial Content", &headers, &image[1000..])
    });
    // Beyond its own end.
    falls_back(|_, client, image| {
        let headers = format!("{TAG}Content-Range: bytes 1000-{}/2000\r\n", image.len() - 1);
        send(client, "206 Partial Content", &headers, &image[1000..])
    });
    // Twice, in two ways.
    falls_back(|_, client, image| {
        let (last, length) = (image.len() - 1, image.len());
        let first = format!("Content-Range: bytes 1000-{last}/{length}\r\n");
        let second = format!("Content-Range: bytes 1001-{last}/{length}\r\n");
        let headers = [TAG, &first, &second].concat();
        send(client, "206 Partial Content", &headers, &image[1001..])
    });
    // In a form for several parts, and with a range that only a single part has.
    falls_back(|_, client, image| {
        let range = format!("Content-Range: bytes 1000-{}/{}\r\n", image.len() - 1, image.len());
        let headers = format!("{TAG}{range}Content-Type: Multipart/byteranges; boundary=b\r\n");
        send(client, "206 Partial Content", &headers, &[b"--b\r\n\r\n", &image[1007..]].concat())
    });
    // In a form for several parts.
    falls_back(|_, client, image| {
        let headers = format!("{TAG}Content-Type: multipart/byteranges; boundary=b\r\n");
        let last = image.len() - 1;
        let mut body =
            format!("--b\r\nContent-Range: bytes 1000-{last}/{}\r\n\r\n", image.len()).into_bytes();
        body.extend(&image[1000..]);
        body.extend(b"\r\n--b--\r\n");
        send(client, "206 Partial Content", &headers, &body)
    });
}

#[test]
fn a_part_that_is_longer_than_it_says_is_thrown_away() {
    let file = png(16, 99);
    let answer = cut(&file, TAG, |request, client, image| match request.range() {
        Some(_) => {
            let range = format!("Content-Range: bytes 1000-1999/{}\r\n", image.len());
            head(client, "206 Partial Content", &format!("{TAG}{range}"));
            // To the end of the connection.
            client.write_all(&image[..9000]).unwrap();
            After::Close
        }
        None => send(client, "200 OK", TAG, image),
    });
    is_stored(&file, 3, &["--retries", "1"], answer);
}

#[test]
fn a_416_begins_anew_unless_all_has_come() {
    falls_back(|_, client, _| {
        send(client, "416 Range Not Satisfiable", "Content-Range: bytes */7\r\n", b"")
    });
    // A file that is by now as short as what has come of the other.
    falls_back(|_, client, _| {
        send(client, "416 Range Not Satisfiable", "Content-Range: bytes */1000\r\n", b"")
    });
    // All has come, but not that it is all.
    let file = png(17, 99);
    let image = file.clone();
    is_stored(&file, 2, &[], move |request, client| match request.count {
        1 => {
            head(client, "200 OK", &format!("{TAG}Transfer-Encoding: chunked\r\n"));
            write!(client, "{:x}\r\n", image.len() + 1).unwrap();
            client.write_all(&image).unwrap();
            After::Close
        }
        _ => {
            let all = format!("Content-Range: bytes */{}\r\n", image.len());
            send(client, "416 Range Not Satisfiable", &all, b"nothing is left")
        }
    });
}

#[test]
fn the_rest_of_a_chunked_body_is_asked_for() {
    let file = png(18, 99);
    let image = file.clone();
    let (_, server) = is_stored(&file, 2, &[], move |request, client| match request.count {
        1 => {
            head(client, "200 OK", &format!("{TAG}Transfer-Encoding: chunked\r\n"));
            write!(client, "{:x}\r\n", image.len()).unwrap();
            client.write_all(&image[..1000]).unwrap();
            After::Close
        }
        _ => rest(request, client, TAG, &image),
    });
    assert_eq!(server.seen("/a.jpg")[1].range(), Some(1000));
}

#[test]
fn a_206_without_being_asked_for_is_a_file_only_if_it_is_all_of_it() {
    let file = png(19, 99);
    let image = file.clone();
    is_stored(&file, 1, &[], move |_, client| part(client, "", 0..image.len(), &image));
    for range in ["bytes 0-8/9", "bytes 5-8/9", "nonsense"] {
        fails("http-status", 1, &[], move |_, client| {
            let headers = format!("Content-Range: {range}\r\n");
            send(client, "206 Partial Content", &headers, &png(1, 9))
        });
    }
}

#[test]
fn attempts_that_bring_something_are_no_failures() {
    let file = png(20, 99);
    let image = file.clone();
    let attempts = file.len().div_ceil(4000) as u64;
    is_stored(&file, attempts, &["--retries", "0"], move |request, client| {
        let begin = request.range().unwrap_or(0);
        let (last, total) = (image.len() - 1, image.len());
        let headers = format!("{TAG}Content-Length: {}\r\n", total - begin);
        let range = format!("Content-Range: bytes {begin}-{last}/{total}\r\n");
        match begin {
            0 => head(client, "200 OK", &headers),
            _ => head(client, "206 Partial Content", &(headers + &range)),
        }
        client.write_all(&image[begin..total.min(begin + 4000)]).unwrap();
        After::Close
    });
}

#[test]
fn what_has_come_is_kept_while_the_server_is_busy() {
    let file = png(21, 99);
    let answer = cut(&file, TAG, |request, client, image| match request.count {
        2 => send(client, "503 Service Unavailable", "", b""),
        3 => send(client, "429 Too Many Requests", "", b""),
        _ => rest(request, client, TAG, image),
    });
    let (_, server) = is_stored(&file, 4, &["--retries", "2"], answer);
    assert_eq!(server.seen("/a.jpg")[3].range(), Some(1000));
}

#[test]
fn a_server_that_gives_byte_after_byte_has_an_end() {
    let image = png(22, 99);
    // Each in a part of its own.
    let (ended, server) = one(
        &["--retries", "2"],
        cut(&image, TAG, |request, client, image| {
            let begin = request.range().unwrap();
            part(client, TAG, begin..begin + 1, image)
        }),
    );
    assert_eq!(ended.fate(&server.url("/a.jpg")), ("failed".into(), "short-body".into(), 4));
    // Each in a part that ends too early.
    let (ended, server) = one(
        &["--retries", "2"],
        cut(&image, TAG, |request, client, image| {
            let begin = request.range().unwrap();
            let (last, total) = (image.len() - 1, image.len());
            let range = format!("Content-Range: bytes {begin}-{last}/{total}\r\n");
            let length = format!("Content-Length: {}\r\n", total - begin);
            head(client, "206 Partial Content", &format!("{TAG}{range}{length}"));
            client.write_all(&image[begin..=begin]).unwrap();
            After::Close
        }),
    );
    assert_eq!(ended.fate(&server.url("/a.jpg")), ("failed".into(), "short-body".into(), 4));
}

#[test]
fn a_server_that_gives_parts_only_to_those_who_do_not_ask_has_an_end() {
    fails("short-body", 3, &["--retries", "0"], |request, client| match request.range() {
        Some(_) => send(client, "403 Forbidden", "", b""),
        None => part(client, TAG, 0..1000, &png(24, 99)),
    });
}

#[test]
fn a_file_of_parts_that_proves_damaged_is_fetched_once_more_as_a_whole() {
    // The server lies: its tag is that of the file before.
    let (file, other) = (png(30, 99), png(31, 99));
    assert_eq!(file.len(), other.len());
    let (ended, server) = is_stored(&file, 3, &["--retries", "1"], {
        let (file, other) = (file.clone(), other.clone());
        move |request, client| match request.count {
            1 => first(client, TAG, &other),
            _ => rest(request, client, TAG, &file),
        }
    });
    let ranges: Vec<_> = server.seen("/a.jpg").iter().map(Request::range).collect();
    assert_eq!(ranges, [None, Some(1000), None]);
    assert_eq!(ended.report[0]["bytes"], file.len());
    // Damaged as a whole, too, it fails.
    let damaged = [&other[..1000], &file[1000..]].concat();
    let ended = fails(
        "damaged",
        3,
        &[],
        cut(&damaged, TAG, |request, client, image| rest(request, client, TAG, image)),
    );
    assert!(ended.report[0]["md5"].is_string());
    // What breaks off then isn't continued.
    fails("short-body", 5, &["--retries", "2"], move |request, client| match request.range() {
        Some(begin) => part(client, TAG, begin..damaged.len(), &damaged),
        None => first(client, TAG, &damaged),
    });
}

#[test]
fn a_file_that_changes_all_the_time_has_an_end() {
    let image = png(23, 99);
    let (ended, server) = one(&["--retries", "2"], move |request, client| {
        let tag = format!("ETag: \"{}\"\r\n", request.count);
        match request.range() {
            Some(_) => rest(request, client, &tag, &image),
            None => first(client, &tag, &image),
        }
    });
    // The first brings something; the second asks for the rest and then for all, as do the others.
    let fate = ended.fate(&server.url("/a.jpg"));
    assert_eq!(fate, ("failed".to_owned(), "short-body".to_owned(), 5));
}
