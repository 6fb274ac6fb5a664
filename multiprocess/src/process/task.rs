//! The list of functions that may run in another process, and how they are found there.
//!
//! Parent and child are the same executable, so both have the same list, which the crate inventory
//! collects before `main`: the parent looks a function up by its type, and sends its index in the
//! list.

use std::any::{Any, TypeId, type_name};
use std::io;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::control::Arguments;
use crate::process::exit::Exit;
use crate::process::{Error, frame};

/// A function that may run in another process.
#[derive(Debug)]
pub struct Task {
    /// Name for messages: `my_crate::worker`.
    pub name: &'static str,
    /// Type of the function: each function of a program has its own.
    pub key: fn() -> TypeId,
    /// Calls the function and returns its exit code.
    pub call: fn(Call<'_>) -> Result<Exit, frame::Error>,
}

/// The two ways to call a listed function.
pub enum Call<'a> {
    /// As the function of a process, with these arguments; the callback runs once it has them.
    Process(Arguments, &'a mut dyn FnMut()),
    /// As a task: with the arguments in the first bytes; its result's bytes are appended to the
    /// second.
    Task(&'a [u8], &'a mut Vec<u8>),
}

// Inventory has a list for each type, so lists of the program's own, or of another version of this
// crate, are separate.
inventory::collect!(Task);

/// Returns every function that the program lists by `tasks!`.
fn tasks() -> &'static [&'static Task] {
    static TASKS: OnceLock<Vec<&'static Task>> = OnceLock::new();
    TASKS.get_or_init(|| inventory::iter::<Task>.into_iter().collect())
}

/// Lists functions that may run in another process: `tasks![worker, SubProcess::run];`
///
/// Each takes one argument (a tuple or a struct for more) that serde can serialise and deserialise,
/// and returns a value that it can serialise. For its meaning as an exit code see
/// [`Exit`] and [`Failure`](crate::process::Failure).
///
/// A function without this line can't be started:
/// [`Process::start`](crate::process::Process::start) says so. Python: pickle finds functions by
/// their names in the same way, and can't find a lambda.
///
/// ```
/// # use multiprocess::{Process, tasks};
/// tasks![greet];
///
/// fn greet(name: String) {
///     println!("hello {name}");
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
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
        $crate::__private::inventory::submit! {
            $crate::__private::Task {
                name: concat!(module_path!(), "::", stringify!($function)),
                key: || $crate::__private::key_of(&$function),
                call: |call| {
                    #[allow(unused_imports, reason = "a function's type decides which are used")]
                    use $crate::__private::{
                        ExitOfDebugResult, ExitOfResult, ExitOfSilentResult, ExitOfValue, Take,
                        TakesReference, TakesValue,
                    };
                    $crate::__private::call(
                        $function,
                        call,
                        |argument| (&&&&argument.to_be_asked()).check(),
                        |returned| (&&&&$crate::__private::Returned(returned)).exit_code(),
                    )
                },
            }
        }
    )+ };
}

/// Returns a function's key in the list.
pub fn key_of<F: Any>(_function: &F) -> TypeId {
    TypeId::of::<F>()
}

/// Finds a function in the list; returns its index and itself.
pub(crate) fn find<F: Any>() -> Result<(usize, &'static Task), Error> {
    let function = type_name::<F>();
    if size_of::<F>() != 0 || function.ends_with("{{closure}}") {
        return Err(Error::NotAFunctionItem { function });
    }
    let mut listed = tasks().iter().copied().enumerate();
    let found = listed.find(|(_, task)| (task.key)() == TypeId::of::<F>());
    found.ok_or_else(|| Error::Unlisted { function, short: short_name(function) })
}

/// Returns a function's name as written beside it: `worker`, `worker::<…>`, `SubProcess::run`.
pub(crate) fn short_name(function: &str) -> String {
    let last = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
    if let Some((owner, method)) = function.strip_prefix('<').and_then(|f| f.split_once(" as ")) {
        return format!("{}::{}", last(owner), last(method));
    }
    // Generic arguments as one character each, so that the paths in them are not met.
    let (mut path, mut depth, mut before) = (String::new(), 0_u32, ' ');
    for letter in function.chars() {
        match letter {
            '<' => {
                if depth == 0 {
                    path.push('…');
                }
                depth += 1;
            }
            // Not that of an arrow.
            '>' if before != '-' => depth = depth.saturating_sub(1),
            _ if depth == 0 => path.push(letter),
            _ => {}
        }
        before = letter;
    }
    let (owners, function) = path.rsplit_once("::").unwrap_or(("", &path));
    let owner = last(owners);
    // A type's name begins with a capital, a module's with a small letter.
    let owner = if owner.starts_with(char::is_uppercase) { owner + "::" } else { String::new() };
    (owner + function).replace('…', "::<…>")
}

/// Returns the task at this index.
pub(crate) fn task_at(index: usize) -> Option<&'static Task> {
    tasks().get(index).copied()
}

/// Arguments that a listed function may take.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be sent to another process: no function in `tasks!` or `exposed!` \
               can take it",
    label = "takes `{Self}`",
    note = "a type of your own: write `#[derive(serde::Serialize, serde::Deserialize)]` above it",
    note = "a file or a pipe: a field with `#[serde(with = \"multiprocess::process::handover\")]`"
)]
pub trait Argument: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Argument for T {}

/// Values that a listed function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be sent to another process: no function in `tasks!` or `exposed!` \
               can return it",
    label = "returns `{Self}`",
    note = "any error: return `Result<…, multiprocess::Failure>`, which `?` makes of every error",
    note = "a type of your own: write `#[derive(serde::Serialize, serde::Deserialize)]` above it"
)]
pub trait Answer: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Answer for T {}

/// The argument of a function, for the check that it is no reference, and no pair with one.
/// `(&&&&Taken).check()` finds the first implementation that fits, as with
/// [`Returned`](crate::process::exit::Returned).
#[derive(Debug)]
pub struct Taken<A>(pub A);

/// Makes `Taken` of an argument.
pub trait Take: Sized {
    /// Wraps the argument. A method makes no further error where the compiler doesn't know the
    /// argument's type, because it has found another mistake.
    fn to_be_asked(self) -> Taken<Self> {
        Taken(self)
    }
}

impl<A> Take for A {}

/// A trait that no type implements, required of a reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a reference, and in another process there is nothing it could refer to",
    label = "takes `{Self}`",
    note = "take what owns the value: `String` for `&str`, `Vec<T>` for `&[T]`, `T` for `&T`"
)]
pub trait Owned {}

/// Arguments that are a reference, or a pair with one: a compile error.
pub trait TakesReference {
    /// Type of the reference.
    type Reference;
    /// Fails to compile.
    fn check(&self)
    where
        Self::Reference: Owned,
    {
    }
}

impl<'a, T: ?Sized> TakesReference for &Taken<&'a T> {
    type Reference = &'a T;
}

impl<'a, T: ?Sized, B> TakesReference for &&Taken<(&'a T, B)> {
    type Reference = &'a T;
}

impl<'a, A, T: ?Sized> TakesReference for &&&Taken<(A, &'a T)> {
    type Reference = &'a T;
}

/// All other arguments.
pub trait TakesValue {
    /// Does nothing, but compiles.
    fn check(&self) {}
}

impl<A> TakesValue for Taken<A> {}

/// Calls the function. Only these bounds say what it may take and return, so that the compiler
/// reports a mistake once.
pub fn call<A: Argument, R: Answer>(
    function: impl Fn(A) -> R, // One argument: a tuple if there are more, `()` if there is none.
    call: Call<'_>,
    _check: fn(A),
    exit: fn(R) -> Exit,
) -> Result<Exit, frame::Error> {
    match call {
        Call::Process(arguments, attached) => {
            let arguments = arguments.unpack()?;
            attached();
            Ok(exit(function(arguments)))
        }
        Call::Task(arguments, result) => {
            let arguments = frame::decode(arguments)?;
            frame::append(&function(arguments), result)?;
            Ok(Exit::SUCCESS)
        }
    }
}

/// The id of a listed function, the same in every process of this program: what a pool sends to its
/// workers. Python: a function pickled by its name.
///
/// ```
/// use multiprocess::process::{FunctionId, frame};
/// use multiprocess::tasks;
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
/// FunctionId::of(&double)?.call(&arguments, &mut result)?;
/// assert_eq!(frame::decode::<u32>(&result)?, 8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionId(usize);

impl FunctionId {
    /// Finds this function in the list.
    ///
    /// # Errors
    /// [`Error::Unlisted`], [`Error::NotAFunctionItem`].
    pub fn of<F: Any>(_function: &F) -> Result<Self, Error> {
        find::<F>().map(|(index, _)| Self(index))
    }

    /// Returns the function's name as listed: `my_crate::double`.
    ///
    /// The id alone means the same function only in the same executable; with its name, another
    /// executable can tell that it isn't the same.
    ///
    /// ```
    /// # use multiprocess::process::FunctionId;
    /// multiprocess::tasks![double];
    ///
    /// fn double(number: u32) -> u32 {
    ///     2 * number
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(FunctionId::of(&double)?.name()?.ends_with("::double"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`frame::Error::Io`] if there is no such function.
    pub fn name(self) -> Result<&'static str, frame::Error> {
        self.task().map(|task| task.name)
    }

    /// Calls the function with the arguments in these bytes, and appends the bytes of its result.
    ///
    /// # Errors
    /// [`frame::Error::Decode`] if the bytes are not its arguments, [`frame::Error::Encode`] if its
    /// result can't be serialised, [`frame::Error::Io`] if there is no such function.
    pub fn call(self, arguments: &[u8], result: &mut Vec<u8>) -> Result<(), frame::Error> {
        (self.task()?.call)(Call::Task(arguments, result)).map(drop)
    }

    /// Calls the function with these arguments; its result becomes an exit code, as in a process.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_once(self, arguments: Arguments) -> Result<Exit, frame::Error> {
        (self.task()?.call)(Call::Process(arguments, &mut || ()))
    }

    fn task(self) -> Result<&'static Task, frame::Error> {
        let missing = || io::Error::other(format!("there is no function {} in the list", self.0));
        task_at(self.0).ok_or_else(|| frame::Error::Io(missing()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlisted_function_is_told_as_one_would_write_it() {
        assert_eq!(short_name("a::b::worker"), "worker");
        assert_eq!(short_name("a::worker<alloc::string::String>"), "worker::<…>");
        assert_eq!(short_name("a::b::Ledger::book"), "Ledger::book");
        assert_eq!(short_name("a::Ledger::book<fn(b::C) -> d::E>"), "Ledger::book::<…>");
        assert_eq!(short_name("a::Map<b::C, d::E>::get"), "Map::<…>::get");
        assert_eq!(short_name("<a::Sub as multiprocess::process::Run>::run"), "Sub::run");
    }
}
