//! The course in a browser: builds `target/book` from the chapters where they lie.
//!
//! ```text
//!  README, chapters, docs ──▶ pages, links ─┐
//!  pages of `book`        ──▶               ├▶ site: mdBook, once for each language ──▶ search
//!  theme                  ────────────────▶ ┘
//!  browser ──▶ module: WebAssembly, as one script
//! ```
//!
//! | module | what it does |
//! | --- | --- |
//! | `pages` | lists the pages, by the contents of the first one |
//! | `links` | turns the links of a chapter into those of the book |
//! | `site` | has mdBook write the pages of one language |
//! | `words` | translates what mdBook says |
//! | `search` | indexes words of both languages |
//! | `module` | compiles `browser`, and makes a script of it |
//! | `serve` | shows the site |

#![forbid(unsafe_code)]

mod links;
mod module;
mod pages;
mod search;
mod serve;
mod site;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;

use links::Links;
use pages::{Language, Pages};

/// Builds the course as a book to be read in a browser: `target/book/index.html`.
#[derive(Parser)]
#[command(name = "cargo xtask book")]
struct Options {
    /// Shows the book at http://127.0.0.1:3000
    #[arg(long)]
    serve: bool,
    /// The web address of the repository, for links to sources; without it they lead to the files
    #[arg(long, value_name = "ADDRESS")]
    repository: Option<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let book = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = book.parent().context("the book is a folder of the repository")?;
    let output = root.join("target/book");
    // Bound before the work, in case the address is in use.
    let server = options.serve.then(serve::bind).transpose()?;
    build(root, book, &output, options.repository)?;
    println!("{}", output.join("index.html").display());
    server.map_or(Ok(()), |server| serve::serve(&server, &output))
}

/// Builds the whole site.
fn build(root: &Path, book: &Path, output: &Path, repository: Option<String>) -> Result<()> {
    let module = module::script(book)?;
    let pages = Pages::read(root)?;
    // Beside the last site, which stays if this one can't be made.
    let made = &output.with_extension("new");
    remove(made)?;
    let links = Links { root, pages: &pages, repository };
    for language in Language::ALL {
        let staged = book.join("target/pages").join(language.folder());
        site::write(&links, language, book, &staged, &made.join(language.folder()))?;
    }
    fs::write(made.join("browser.js"), module)?;
    let theme = book.join("theme");
    let of_pages = pages.all().filter_map(|page| page.script);
    let of_pages = of_pages.flat_map(|name| [format!("{name}.js"), format!("{name}.css")]);
    for name in of_pages.chain(["index.html", "report.css", "report.js"].map(str::to_owned)) {
        let path = theme.join(&name);
        if path.exists() {
            fs::copy(path, made.join(name))?;
        }
    }
    remove(output)?;
    fs::rename(made, output).with_context(|| output.display().to_string())
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> Result<()> {
    let removed = if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) };
    removed.with_context(|| format!("{} can't be removed", folder.display()))
}

/// Lists the files in a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
