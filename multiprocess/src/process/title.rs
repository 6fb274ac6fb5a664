//! The title of a child, its `argv[0]`: `downloader: Process-1`. It shows in `ps`.

use std::env;
use std::ffi::OsString;
use std::path::{PathBuf, is_separator};

use crate::process::current::parent_process;

/// Separator between the program and the process's name in a child's `argv[0]`, which `ps` shows
/// and which grandchildren, unlike an environment variable, don't inherit.
const MARK: &str = ": ";

/// Longest name that is shown there, in bytes.
const SHOWN: usize = 64;

/// Returns `argv[0]` of a child with this name: `downloader: Process-1`.
pub(crate) fn title(name: &str) -> OsString {
    let first = env::args_os().next().unwrap_or_default();
    let program = match parent_process() {
        Some(_) => first.to_string_lossy().split(MARK).next().map(String::from),
        None => [PathBuf::from(first), env::current_exe().unwrap_or_default()]
            .iter()
            .find_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
    };
    let program = program.unwrap_or_default();
    let program = program.strip_suffix(env::consts::EXE_SUFFIX).unwrap_or(&program);
    OsString::from(shortened(program, SHOWN) + MARK + &shortened(name, SHOWN))
}

/// Returns whether this process has the title of a child.
pub(crate) fn is_of_child() -> bool {
    let title = env::args_os().next().unwrap_or_default();
    let title = title.to_string_lossy();
    title.split_once(MARK).is_some_and(|(program, _)| !program.contains(is_separator))
}

/// Returns as much of the name as fits into `most` bytes, in whole characters, without any NUL.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    let mut text = String::new();
    for character in name.chars().filter(|character| *character != '\0') {
        if text.len() + character.len_utf8() > most {
            break;
        }
        text.push(character);
    }
    text
}
