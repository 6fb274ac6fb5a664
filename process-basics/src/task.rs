//! Which functions may run in another process, and how they are found there.
//!
//! Parent and child are the same executable, so both hold the same list, put together by the
//! linker: the parent looks a function up by its type, and its place in the list is what travels.

use std::any::{Any, TypeId, type_name};
use std::io;

use linkme::distributed_slice;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::control::Arguments;
use crate::exit::Exit;
use crate::{Error, frame};

/// A function that may run in another process.
#[doc(hidden)]
#[derive(Debug)]
pub struct Task {
    /// For messages: `my_crate::worker`.
    pub name: &'static str,
    /// The type of the function: each function of a program has its own.
    pub key: fn() -> TypeId,
    /// Calls the function with these arguments; tells when it has them.
    pub exit: fn(Arguments, &mut dyn FnMut()) -> Result<Exit, frame::Error>,
    /// Calls the function with the arguments in these bytes, and appends the bytes of its result.
    pub run: fn(&[u8], &mut Vec<u8>) -> Result<(), frame::Error>,
}

/// All that `tasks!` lists, anywhere in the program.
#[doc(hidden)]
#[distributed_slice]
pub static TASKS: [Task];

/// Lists functions that may run in another process: `tasks![worker, SubProcess::run];`
///
/// Each takes one argument (a tuple or a struct for more) that can be serialised and deserialised
/// by serde, and returns a value that can be. What the return value means as an exit code:
/// [`Exit`](crate::Exit), [`Failure`](crate::Failure).
///
/// A function without this line can't be started; [`Process::start`](crate::Process::start) says
/// so. Python: pickle finds functions by their names in the same way, and can't find a lambda.
///
/// ```
/// # use process_basics::{Process, tasks};
/// tasks![greet];
///
/// fn greet(name: String) {
///     println!("hello {name}");
/// }
///
/// fn main() -> std::process::ExitCode {
///     process_basics::main(|| -> Result<(), process_basics::Error> {
///         let mut process = Process::new(greet, "child".to_string());
///         process.start()?;
///         process.join()?;
///         assert_eq!(process.exitcode(), Some(0));
///         Ok(())
///     })
/// }
/// ```
#[macro_export]
macro_rules! tasks {
    ($($function:expr),+ $(,)?) => { $(
        const _: () = {
            use $crate::__private as private;

            #[private::distributed_slice(private::TASKS)]
            #[linkme(crate = private::linkme)]
            static TASK: private::Task = private::Task {
                name: concat!(module_path!(), "::", stringify!($function)),
                key: || private::key_of(&$function),
                exit: |arguments, attached| {
                    #[allow(unused_imports, reason = "a function's type decides which is used")]
                    use private::{ExitOfResult, ExitOfSilentResult, ExitOfValue};
                    let returned = private::call($function, arguments, attached)?;
                    Ok((&&&private::Returned(returned)).exit_code())
                },
                run: |arguments, result| private::run($function, arguments, result),
            };
            $crate::__keep!(TASK);
        };
    )+ };
}

/// The key of a function, by which it is found in the list.
#[doc(hidden)]
pub fn key_of<F: Any>(_function: &F) -> TypeId {
    TypeId::of::<F>()
}

/// The place of this function in the list.
pub(crate) fn place_of<F: Any>() -> Result<usize, Error> {
    let function = type_name::<F>();
    if size_of::<F>() != 0 || function.ends_with("{{closure}}") {
        return Err(Error::NotAFunctionItem { function });
    }
    let place = TASKS.iter().position(|task| (task.key)() == TypeId::of::<F>());
    place.ok_or_else(|| Error::Unlisted { function, short: short_name(function) })
}

/// How one would write a function's name beside it: `worker`, `worker::<…>`, `SubProcess::run`.
fn short_name(function: &str) -> String {
    let last = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
    if let Some((owner, method)) = function.strip_prefix('<').and_then(|f| f.split_once(" as ")) {
        return format!("{}::{}", last(owner), last(method));
    }
    match function.split_once('<') {
        Some((path, _)) => last(path) + "::<…>",
        None => last(function),
    }
}

/// The other direction, in the child. The name tells whether it really is the same executable.
pub(crate) fn task_at(place: usize, name: &str) -> Option<&'static Task> {
    TASKS.get(place).filter(|task| task.name == name)
}

/// Calls the function, in the child.
#[doc(hidden)]
pub fn call<A: DeserializeOwned, R: Serialize>(
    function: impl Fn(A) -> R,
    arguments: Arguments,
    attached: &mut dyn FnMut(),
) -> Result<R, frame::Error> {
    let arguments = arguments.unpack()?;
    attached();
    Ok(function(arguments))
}

/// Calls the function, as often as one likes, with and without a process of its own.
#[doc(hidden)]
pub fn run<A: DeserializeOwned, R: Serialize>(
    function: impl Fn(A) -> R,
    arguments: &[u8],
    result: &mut Vec<u8>,
) -> Result<(), frame::Error> {
    let arguments = frame::decode(arguments)?;
    frame::append(&function(arguments), result)
}

/// A listed function as every process of this program knows it: what a pool sends to its workers.
/// Python: a function pickled by its name.
///
/// ```
/// use process_basics::{Listed, frame, tasks};
///
/// tasks![double];
///
/// fn double(number: u32) -> u32 {
///     2 * number
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut arguments, mut result) = (Vec::new(), Vec::new());
/// frame::append(&4_u32, &mut arguments)?;
/// Listed::of(&double)?.call(&arguments, &mut result)?;
/// assert_eq!(frame::decode::<u32>(&result)?, 8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed(usize);

impl Listed {
    /// This function in the list.
    ///
    /// ```
    /// # use process_basics::{Error, Listed, tasks};
    /// # tasks![double];
    /// # fn double(number: u32) -> u32 { 2 * number }
    /// # fn triple(number: u32) -> u32 { 3 * number }
    /// assert!(Listed::of(&double).is_ok());
    /// assert!(matches!(Listed::of(&triple), Err(Error::Unlisted { .. })));
    /// assert!(matches!(Listed::of(&|(): ()| ()), Err(Error::NotAFunctionItem { .. })));
    /// ```
    ///
    /// # Errors
    /// [`Error::Unlisted`], [`Error::NotAFunctionItem`].
    pub fn of<F: Any>(_function: &F) -> Result<Self, Error> {
        place_of::<F>().map(Self)
    }

    /// Calls it with the arguments in these bytes, and appends the bytes of its result.
    ///
    /// ```
    /// # use process_basics::{Listed, frame, tasks};
    /// # tasks![double];
    /// # fn double(number: u32) -> u32 { 2 * number }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut result = Vec::new();
    /// Listed::of(&double)?.call(&[4], &mut result)?; // a small number is one byte
    /// assert_eq!(frame::decode::<u32>(&result)?, 8);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`frame::Error::Decode`] if these are no arguments for it, [`frame::Error::Encode`] if its
    /// result can't be serialised, [`frame::Error::Io`] if there is no such function.
    pub fn call(self, arguments: &[u8], result: &mut Vec<u8>) -> Result<(), frame::Error> {
        (self.task()?.run)(arguments, result)
    }

    /// Calls it with these arguments; its result becomes an exit code, as if it were a process.
    ///
    /// ```
    /// # use process_basics::{Arguments, Exit, Listed, tasks};
    /// # tasks![leave];
    /// fn leave(code: i32) -> Exit {
    ///     Exit(code)
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let arguments = Arguments::pack(&5)?;
    /// assert_eq!(Listed::of(&leave)?.call_once(arguments)?, Exit(5));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_once(self, arguments: Arguments) -> Result<Exit, frame::Error> {
        (self.task()?.exit)(arguments, &mut || ())
    }

    fn task(self) -> Result<&'static Task, frame::Error> {
        let missing = || io::Error::other(format!("there is no function {} in the list", self.0));
        TASKS.get(self.0).ok_or_else(|| frame::Error::Io(missing()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlisted_function_is_told_as_one_would_write_it() {
        assert_eq!(short_name("a::b::worker"), "worker");
        assert_eq!(short_name("a::worker<alloc::string::String>"), "worker::<…>");
        assert_eq!(short_name("<a::Sub as process_basics::process::Run>::run"), "Sub::run");
    }
}
