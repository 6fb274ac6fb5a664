//! Standard output, as every program of the course writes to it: see [`multiprocess::output`], and
//! without colours where they aren't shown.

#[cfg(feature = "processes")]
use std::process::ExitCode;

#[cfg(feature = "processes")]
pub use multiprocess::output::{checked, complain, is_heard, is_lost};

/// Prints a text to standard output, see [`multiprocess::output::print`]; without its colours, if
/// it goes to no terminal.
///
/// ```
/// common::output::print("4 of 5 are done\n");
/// ```
#[cfg(feature = "processes")]
pub fn print(text: &str) {
    use anstream::ColorChoice;
    use anstream::adapter::strip_str;

    match anstream::stdout().current_choice() {
        ColorChoice::AlwaysAnsi => multiprocess::output::print(text),
        _ => multiprocess::output::print(&strip_str(text).to_string()),
    }
}

/// Returns a text from outside, such as a name in a file, with every character that controls a
/// terminal, turns the order of a line, can't be seen, or is none, as an escape sequence of JSON
/// and TOML.
///
/// ```
/// assert_eq!(common::output::escaped("walls\u{1b}[2K\n"), "walls\\u001b[2K\\u000a");
/// assert_eq!(common::output::escaped("wa\u{200b}lls\u{202e}"), "wa\\u200blls\\u202e");
/// ```
#[must_use]
pub fn escaped(text: &str) -> String {
    let is_control = |c: char| {
        c.is_control()
            // Of no width.
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200d}')
            || matches!(c, '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
            || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match is_control(c) {
            true => safe += &format!("\\u{:04x}", u32::from(c)),
            false => safe.push(c),
        }
    }
    safe
}

/// Prints what clap says, help or what is wrong with the command line, and returns the exit code.
/// An argument in it can't control the terminal.
///
/// ```
/// let told = clap::Command::new("tool").try_get_matches_from(["tool", "--fast"]);
/// let code = common::output::print_clap(&told.unwrap_err());
/// assert_eq!(code, std::process::ExitCode::from(2));
/// ```
#[cfg(feature = "processes")]
#[must_use]
pub fn print_clap(said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        let lines: Vec<String> = said.render().to_string().lines().map(escaped).collect();
        complain(lines.join("\n"));
    } else {
        print(&said.render().to_string());
    }
    ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2))
}
