//! The site, shown by a server on this machine alone.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::thread;

use anyhow::{Result, anyhow};
use tiny_http::{Header, Method, Request, Response, Server};

/// The address of the server.
const ADDRESS: &str = "127.0.0.1:3000";

/// Takes the address, which must be free.
pub(crate) fn bind() -> Result<Server> {
    Server::http(ADDRESS).map_err(|error| anyhow!("{ADDRESS}: {error}"))
}

/// Serves the files of a folder until the program is ended.
pub(crate) fn serve(server: &Server, folder: &Path) -> Result<()> {
    println!("http://{ADDRESS}");
    // A request that never ends holds up only its own thread.
    thread::scope(|threads| {
        for request in server.incoming_requests() {
            threads.spawn(move || answer(request, folder));
        }
    });
    Ok(())
}

fn answer(request: Request, folder: &Path) {
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let found = file(folder, path).and_then(|file| Some((kind(&file), fs::read(&file).ok()?)));
    let is_asked = matches!(request.method(), Method::Get | Method::Head);
    // A browser that has gone is no concern of the server.
    let _ = match found {
        _ if !is_asked => request.respond(Response::empty(405)),
        // The links in a folder's page need the slash behind its name.
        Some(_) if !path.ends_with('/') && !path.contains('.') => {
            let place = Header::from_bytes("Location", format!("{path}/")).expect("a header");
            request.respond(Response::empty(301).with_header(place))
        }
        Some((kind, bytes)) => request.respond(Response::from_data(bytes).with_header(kind)),
        None => request.respond(Response::from_string("404").with_status_code(404)),
    };
}

/// Returns the file in this folder that an address's path means, if it is inside.
fn file(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.trim_start_matches('/');
    let is_inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let file = folder.join(path);
    is_inside.then(|| if file.is_dir() { file.join("index.html") } else { file })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_shown() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (address, path) in [
            ("/Cargo.toml", Some("Cargo.toml")),
            ("/pages/en/laws.md", Some("pages/en/laws.md")),
            ("/theme", Some("theme/index.html")),
            ("/", Some("index.html")),
            ("/../Cargo.toml", None),
            ("/theme/../../Cargo.toml", None),
            ("//etc/passwd", Some("etc/passwd")),
        ] {
            assert_eq!(file(folder, address), path.map(|path| folder.join(path)), "{address}");
        }
    }
}
