//! Identity of the running executable.
//!
//! A function is known by its index in the list of functions, which is the same on two machines
//! only if both run the same bytes. So the build id is a part of the queue's name: a worker of
//! another build never sees a task. (The linker's own build id isn't always there.)

use std::env::{self, consts::OS};
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;

use md5::{Digest, Md5};

/// Linux: the running executable, also after its file was replaced by a newer one. (A program in
/// Wine sees this file, too: it is Wine.)
const RUNNING: &str = "/proc/self/exe";

/// Returns the build id of the running executable: 64 bits of its MD5 as 16 hexadecimal digits,
/// computed when it is first needed.
///
/// # Errors
/// If the executable can't be found or read.
pub(crate) fn build_id() -> io::Result<&'static str> {
    static BUILD_ID: OnceLock<String> = OnceLock::new();
    if BUILD_ID.get().is_none() {
        let running = (OS == "linux").then(|| File::open(RUNNING).ok()).flatten();
        let executable = running.map_or_else(|| File::open(env::current_exe()?), Ok)?;
        let digits = digits_of(executable)?;
        let _ = BUILD_ID.set(digits);
    }
    Ok(BUILD_ID.get().expect("it was set a line above"))
}

/// Returns 64 bits of the MD5 of these bytes as 16 hexadecimal digits.
fn digits_of(mut bytes: impl Read) -> io::Result<String> {
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_build_id_is_the_beginning_of_the_executables_md5() {
        let executable = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(build_id().unwrap(), digits_of(&*executable).unwrap());
        assert_eq!(build_id().unwrap(), build_id().unwrap());
        // As `printf abc | md5sum` says.
        assert_eq!(digits_of(&b"abc"[..]).unwrap(), "900150983cd24fb0");
    }

    #[test]
    fn one_byte_more_is_another_build() {
        let executable = fs::read(std::env::current_exe().unwrap()).unwrap();
        let other = executable.chain(&b"x"[..]);
        assert_ne!(digits_of(other).unwrap(), build_id().unwrap());
    }
}
