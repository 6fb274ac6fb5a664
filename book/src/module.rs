//! `browser`, compiled to WebAssembly and put into one script.
//!
//! A page that is opened from a folder may neither fetch files nor load modules; a classic script
//! it may. So the bytes stand in it, in base64.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

/// The most bytes that the WebAssembly may have, compressed.
const LARGEST: usize = 400 << 10;

/// Returns the script, which defines `browser`: a promise of what the crate exports.
pub(crate) fn script(book: &Path) -> Result<String> {
    let folder = book.join("target");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "-p", "browser", "--profile", "browser"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&folder)
        .current_dir(book)
        .status()
        .context("cargo doesn't start")?;
    ensure!(
        status.success(),
        "`browser` can't be compiled to WebAssembly; its target is installed by:\n    \
         rustup target add {TARGET}"
    );

    let made = folder.join("browser");
    Bindgen::new()
        .input_path(folder.join(TARGET).join("browser/browser.wasm"))
        .no_modules(true)?
        .omit_default_module_path(true)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&made)?;
    let functions = fs::read_to_string(made.join("browser.js"))?;
    let bytes = fs::read(made.join("browser_bg.wasm"))?;
    let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&bytes)?;
    let size = compressed.finish()?.len();
    println!("WebAssembly: {} bytes, compressed {size}", bytes.len());
    ensure!(size <= LARGEST, "that is more than {LARGEST}");
    Ok(format!(
        "{functions}\n\
         const browser = wasm_bindgen({{\n    \
             module_or_path: Uint8Array.from(atob(\"{}\"), (c) => c.charCodeAt(0)),\n\
         }}).then(() => {{\n    \
             for (const told of document.querySelectorAll(\".needs\")) told.remove();\n    \
             return wasm_bindgen;\n\
         }});\n",
        BASE64_STANDARD.encode(bytes)
    ))
}
