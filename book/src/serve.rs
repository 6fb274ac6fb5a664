//! The site, shown by a server on this machine alone.

use std::fs;
use std::path::{Component, Path};

use anyhow::{Result, anyhow};
use tiny_http::{Header, Response, Server};

/// The address of the server.
const ADDRESS: &str = "127.0.0.1:3000";

/// Serves the files of a folder until the program is ended.
pub(crate) fn serve(folder: &Path) -> Result<()> {
    let server = Server::http(ADDRESS).map_err(|error| anyhow!("{ADDRESS}: {error}"))?;
    println!("http://{ADDRESS}");
    for request in server.incoming_requests() {
        let path = request.url().split(['?', '#']).next().unwrap_or_default();
        let mut file = folder.join(path.trim_start_matches('/'));
        if file.is_dir() {
            file.push("index.html");
        }
        let is_inside = !file.components().any(|part| part == Component::ParentDir);
        // A browser that has gone is no concern of the server.
        let _ = match fs::read(&file).ok().filter(|_| is_inside && file.starts_with(folder)) {
            Some(bytes) => request.respond(Response::from_data(bytes).with_header(kind(&file))),
            None => request.respond(Response::from_string("404").with_status_code(404)),
        };
    }
    Ok(())
}

/// Returns the header that says what kind of file this is.
fn kind(file: &Path) -> Header {
    let kind = match file.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    Header::from_bytes("Content-Type", kind).expect("it is a header")
}
