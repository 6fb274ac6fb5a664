//! Files that a tool writes: none of them is one that it reads, and no two are the same.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use same_file::Handle;

use crate::{sys, text};

/// The reason why a file isn't written.
#[derive(Debug)]
pub enum CreateError {
    /// The file is an input, or another output.
    Taken {
        /// The path as it was given; it may be another name of the same file.
        path: PathBuf,
        /// What else the file is.
        is: String,
    },
    /// The system refuses.
    Refused {
        /// The path as it was given.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, why) = match self {
            Self::Taken { path, is } => (path, is),
            Self::Refused { path, error } => (path, &reason(error)),
        };
        f.write_str(&text!("{} can't be written: {}", path.display(), why))
    }
}

impl Error for CreateError {}

/// Returns why the system refuses something, in the reader's language, with the error's number; the
/// system's own words for what is rare.
///
/// ```
/// let error = std::fs::File::open("no-such-file").unwrap_err();
/// assert_eq!(common::files::reason(&error), "there is no such file or folder (os error 2)");
/// ```
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let why = match error.kind() {
        ErrorKind::NotFound => text!("there is no such file or folder"),
        ErrorKind::PermissionDenied => text!("permission is denied"),
        ErrorKind::IsADirectory => text!("it is a folder"),
        ErrorKind::NotADirectory => text!("a part of the path is no folder"),
        ErrorKind::StorageFull => text!("the disk is full"),
        _ => return error.to_string(),
    };
    error.raw_os_error().map_or(why.clone(), |code| text!("{} (os error {})", why, code))
}

/// Creates these files, or empties them; `None` remains `None`. Standard input is one of the
/// inputs. A file that is standard output or standard error already, as `/dev/stdout` is, continues
/// it.
///
/// Files are compared, not names: no link leads to an input. None is emptied before all have been
/// compared.
///
/// ```
/// use std::fs::File;
///
/// let folder = tempfile::tempdir()?;
/// let [plan, svg] = ["plan.toml", "plan.svg"].map(|name| folder.path().join(name));
/// std::fs::write(&plan, "[[task]]")?;
/// let input = File::open(&plan)?;
/// assert!(common::files::create([Some(&svg), None], &[&input]).is_ok());
///
/// let error = common::files::create([Some(&svg), Some(&plan)], &[&input]).unwrap_err();
/// assert!(error.to_string().ends_with("plan.toml can't be written: it is an input"));
/// assert_eq!(std::fs::read_to_string(&plan)?, "[[task]]");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If one of them can't be written, or is an input, or is there twice.
pub fn create<const N: usize>(
    paths: [Option<&PathBuf>; N],
    inputs: &[&File],
) -> Result<[Option<File>; N], CreateError> {
    let inputs = inputs.iter().filter_map(|input| Handle::from_file(input.try_clone().ok()?).ok());
    let inputs: Vec<Handle> = inputs.chain(Handle::stdin()).collect();
    let streams: Vec<Handle> = Handle::stdout().into_iter().chain(Handle::stderr()).collect();
    let mut outputs: Vec<(Handle, &PathBuf, File)> = Vec::new();
    let mut files = [const { None }; N];
    for (path, file) in paths.into_iter().zip(&mut files) {
        let Some(path) = path else { continue };
        let taken = |is| CreateError::Taken { path: path.clone(), is };
        let refused = |error| CreateError::Refused { path: path.clone(), error };
        let (opened, handle) = open(path).map_err(refused)?;
        let stream = streams.iter().find(|stream| handle.as_ref() == Some(stream));
        *file = match (handle, stream) {
            (Some(handle), _) if inputs.contains(&handle) => {
                return Err(taken(text!("it is an input")));
            }
            // Another position in the same file would be written twice.
            (_, Some(stream)) => Some(stream.as_file().try_clone().map_err(refused)?),
            (Some(handle), None) if outputs.iter().any(|(other, ..)| *other == handle) => {
                return Err(taken(text!("it is another output, too")));
            }
            (Some(handle), None) => {
                outputs.push((handle, path, opened.try_clone().map_err(refused)?));
                Some(opened)
            }
            (None, _) => Some(opened),
        };
    }
    for (_, path, file) in outputs {
        let refused = |error| CreateError::Refused { path: path.clone(), error };
        file.set_len(0).map_err(refused)?;
    }
    Ok(files)
}

/// Writes out all that is unwritten in the file's file system, and returns true if the system has
/// such a call, as Linux does. Errors are not reported: [`File::sync_data`] tells those of a file.
#[must_use]
pub fn write_out(file: &File) -> bool {
    sys::write_out(file)
}

/// Opens a file as it is. `None` for pipes, terminals and other devices, which any number of
/// programs may read and write.
fn open(path: &Path) -> io::Result<(File, Option<Handle>)> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    // Windows can't say what a device is.
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let handle = is_file.then(|| Handle::from_file(file.try_clone()?)).transpose()?;
    Ok((file, handle))
}
