//! Cargo projects outside of the workspace that use this crate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// Writes a project of these files; all projects share what they are built of.
pub(crate) fn project(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages").join(name);
    for (file, text) in files {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    // The same versions of all crates, and none has to be fetched.
    fs::copy(Path::new(CRATE).join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

/// Runs cargo in this folder.
pub(crate) fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.env_remove("CARGO_TERM_COLOR").env_remove("RUSTFLAGS");
    cargo.args(arguments).args([
        "--quiet",
        "--color=never",
        "--offline",
        "--target-dir",
        "../target",
    ]);
    cargo.current_dir(folder).output().unwrap()
}
