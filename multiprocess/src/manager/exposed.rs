//! The list of functions that a manager's clients may call, and how the server finds them.
//!
//! A client sends the function's key, which the compiler makes of the function's crate, with its
//! version and its options, and its path. Both programs are most often the same executable; if they
//! aren't, a function that the server doesn't have is refused, and no other one is called in its
//! place, not even one of the same name in another version of the crate.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::manager::CallError;
use crate::process::Arguments;
use crate::process::task::{Answer, Argument, short_name};

/// A function that a manager's clients may call, or that builds a manager's state.
#[derive(Debug)]
pub struct Exposed {
    /// Type of the function.
    pub key: fn() -> TypeId,
    /// Type of the function, as text.
    pub name: fn() -> &'static str,
    /// Calls the function.
    pub call: fn(Invocation<'_>) -> Result<(), CallError>,
}

impl Exposed {
    pub(crate) fn name(&self) -> &'static str {
        (self.name)()
    }

    pub(crate) fn wrong_state(&self) -> CallError {
        CallError::WrongState { function: self.name().to_owned() }
    }
}

/// Returns the type of a function as text.
pub fn name_of<F: Any>(_function: &F) -> &'static str {
    type_name::<F>()
}

// Inventory has a list for each type, so lists of the program's own, or of another version of this
// crate, are separate.
inventory::collect!(Exposed);

/// The two uses of a listed function, with its arguments and the place for what it returns.
pub enum Invocation<'a> {
    /// As the function that builds a state.
    Build(Arguments, &'a mut Option<Box<dyn Any + Send>>),
    /// As a call on a state. If it waits, an answer of `None` is left out.
    Call {
        /// Arguments behind the state.
        arguments: Arguments,
        /// State that the function is called on.
        state: &'a mut (dyn Any + Send),
        /// True if the call waits for an answer that is `Some`.
        waits: bool,
        /// What the function returned.
        answer: &'a mut Option<Arguments>,
    },
}

/// Lists functions that build a manager's states, and that may be called on them:
/// `exposed![Ledger::new, Ledger::book];` Python: `BaseManager.register`, with `exposed`.
///
/// A function that builds takes one argument and returns the state, which stays in the server and
/// need not be serialisable. A function that is called takes the state, by `&mut` or `&`, and one
/// argument (a tuple or a struct for more, `()` for none). Arguments and answers are values that
/// serde can serialise and deserialise; also locks, queues, ends of pipes and whatever else may be
/// an argument of a new process. For an example see [`Manager`](crate::manager::Manager).
///
/// A function without this line can't be called: [`Proxy::call`](crate::manager::Proxy::call) says
/// so. What isn't a function of these forms doesn't compile. Without an argument:
///
/// ```compile_fail,E0277
/// # struct Ledger;
/// impl Ledger {
///     fn count(&self) -> u32 { 0 } // `fn count(&self, (): ())`
/// }
/// multiprocess::exposed![Ledger::count];
/// ```
///
/// With two:
///
/// ```compile_fail,E0277
/// # struct Ledger;
/// impl Ledger {
///     fn book(&mut self, count: u32, what: String) {} // `(count, what): (u32, String)`
/// }
/// multiprocess::exposed![Ledger::book];
/// ```
///
/// With a reference, to which nothing would belong in the server:
///
/// ```compile_fail,E0277
/// # struct Ledger;
/// impl Ledger {
///     fn find(&self, what: &str) -> u32 { 0 } // `what: String`
/// }
/// multiprocess::exposed![Ledger::find];
/// ```
///
/// With an answer that can't be sent:
///
/// ```compile_fail,E0277
/// # struct Ledger;
/// impl Ledger {
///     fn at(&self, (): ()) -> std::time::Instant { std::time::Instant::now() }
/// }
/// multiprocess::exposed![Ledger::at];
/// ```
///
/// A state that can't be used by several threads, each in its turn:
///
/// ```compile_fail,E0277
/// struct Ledger(std::rc::Rc<u32>);
/// impl Ledger {
///     fn new((): ()) -> Self { Self(std::rc::Rc::new(0)) }
/// }
/// multiprocess::exposed![Ledger::new];
/// ```
#[macro_export]
macro_rules! exposed {
    ($($function:expr),+ $(,)?) => { $(
        $crate::__private::inventory::submit! {
            $crate::__private::Exposed {
                key: || $crate::__private::key_of(&$function),
                name: || $crate::__private::name_of(&$function),
                call: |invocation| {
                    #[allow(unused_imports, reason = "a function's type decides which are used")]
                    use $crate::__private::{
                        IsNothing, IsSomething, Take, TakesReference, TakesValue,
                    };
                    $crate::__private::invoke(
                        &$function,
                        invocation,
                        |argument| (&&&&argument.to_be_asked()).check(),
                        |answer| (&&$crate::__private::Answered(answer)).is_nothing(),
                    )
                },
            }
        }
    )+ };
}

/// The key of a function: different for any two functions, also of different programs, and the same
/// in all processes of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FunctionKey(u64);

impl FunctionKey {
    fn of(function: TypeId) -> Self {
        // A type id has 128 bits of the compiler's own stable hash; 64 tell functions apart.
        let mut hasher = DefaultHasher::new();
        function.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Finds the key of a listed function, to be sent to a server.
    ///
    /// # Errors
    /// [`CallError::NotAFunctionItem`], and [`CallError::Unlisted`] if this program doesn't list
    /// it: the server wouldn't either.
    pub(crate) fn find<F: Any>() -> Result<Self, CallError> {
        let id = TypeId::of::<F>();
        let key = Self::of(id);
        if find(key).is_some_and(|found| (found.key)() == id) {
            return Ok(key);
        }
        let function = type_name::<F>();
        if size_of::<F>() != 0 || function.ends_with("{{closure}}") {
            return Err(CallError::NotAFunctionItem { function: function.to_owned() });
        }
        Err(CallError::Unlisted { function: function.to_owned(), short: short_name(function) })
    }
}

/// Finds a function in the list.
pub(crate) fn find(key: FunctionKey) -> Option<&'static Exposed> {
    static LIST: OnceLock<HashMap<FunctionKey, &'static Exposed>> = OnceLock::new();
    let keyed = |exposed: &'static Exposed| (FunctionKey::of((exposed.key)()), exposed);
    let list = LIST.get_or_init(|| inventory::iter::<Exposed>.into_iter().map(keyed).collect());
    list.get(&key).copied()
}

/// A function that may be called on a manager's state of type `S`: `fn(&mut S, A) -> R` or
/// `fn(&S, A) -> R`. (`M` tells the two apart, and is always inferred.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be called on a manager's `{S}` with these arguments",
    note = "it takes the state, as `&mut {S}` or `&{S}`, and one argument: a tuple for more, `()` \
            for none"
)]
pub trait Method<S, A, M> {
    /// What the function returns.
    type Answer;
}

/// Marks a function that takes the state by `&mut`.
#[derive(Debug)]
pub struct ByMut;

/// Marks a function that takes the state by `&`.
#[derive(Debug)]
pub struct ByRef;

impl<S, A, R, F: Fn(&mut S, A) -> R> Method<S, A, ByMut> for F {
    type Answer = R;
}

impl<S, A, R, F: Fn(&S, A) -> R> Method<S, A, ByRef> for F {
    type Answer = R;
}

/// A function that [`exposed!`](crate::exposed) may list: `fn(A) -> S`, which builds a state, and
/// `fn(&mut S, A) -> R` or `fn(&S, A) -> R`, which is called on one. (`M` tells them apart, and is
/// always inferred.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be listed by `exposed!`",
    label = "not the form of a function that a manager calls",
    note = "a function that builds a state takes one argument: a tuple for more, `()` for none",
    note = "a function that is called on a state takes that, by `&mut` or `&`, and one argument"
)]
pub trait Exposable<M> {
    /// Type of the state.
    type State;
    /// Type of the argument.
    type Argument;
    /// Type of the answer: none of a function that builds.
    type Answer;

    /// Calls the function.
    ///
    /// # Errors
    /// If the arguments or the state are others, or the answer can't be serialised.
    fn invoke(
        &self,
        invocation: Invocation<'_>,
        is_nothing: fn(&Self::Answer) -> bool,
    ) -> Result<(), CallError>
    where
        Self::State: Any + Send,
        Self::Argument: Argument,
        Self::Answer: Answer;
}

/// Marks a function that builds a state.
#[derive(Debug)]
pub struct Build;

impl<F: Fn(A) -> S, A, S> Exposable<(Build, S, A)> for F {
    type State = S;
    type Argument = A;
    type Answer = ();

    fn invoke(
        &self,
        invocation: Invocation<'_>,
        _is_nothing: fn(&()) -> bool,
    ) -> Result<(), CallError>
    where
        S: Any + Send,
        A: Argument,
    {
        let Invocation::Build(arguments, state) = invocation else { return Err(wrong::<F>()) };
        let arguments = arguments.unpack().map_err(CallError::not_received)?;
        *state = Some(Box::new(self(arguments)));
        Ok(())
    }
}

macro_rules! called {
    ($($marker:ident: $state:ty;)+) => { $(
        impl<F: Fn($state, A) -> R, S, A, R> Exposable<($marker, S, A, R)> for F {
            type State = S;
            type Argument = A;
            type Answer = R;

            fn invoke(
                &self,
                invocation: Invocation<'_>,
                is_nothing: fn(&R) -> bool,
            ) -> Result<(), CallError>
            where
                S: Any + Send,
                A: Argument,
                R: Answer,
            {
                let Invocation::Call { arguments, state, waits, answer } = invocation else {
                    return Err(wrong::<F>());
                };
                let state = state.downcast_mut().ok_or_else(wrong::<F>)?;
                let arguments = arguments.unpack().map_err(CallError::not_received)?;
                let answered = self(state, arguments);
                if !(waits && is_nothing(&answered)) {
                    let packed = Arguments::pack(&answered);
                    *answer = Some(packed.map_err(CallError::answer_not_sent)?);
                }
                Ok(())
            }
        }
    )+ };
}

called! {
    ByMut: &mut S;
    ByRef: &S;
}

fn wrong<F>() -> CallError {
    CallError::WrongState { function: type_name::<F>().to_owned() }
}

/// Calls a listed function. The bounds on what it takes and returns are only here, so that the
/// compiler reports one mistake, and names the type.
///
/// # Errors
/// As [`Exposable::invoke`].
pub fn invoke<F: Exposable<M>, M>(
    function: &F,
    invocation: Invocation<'_>,
    _check: fn(F::Argument),
    is_nothing: fn(&F::Answer) -> bool,
) -> Result<(), CallError>
where
    F::State: Any + Send,
    F::Argument: Argument,
    F::Answer: Answer,
{
    function.invoke(invocation, is_nothing)
}

/// An answer. `(&&Answered(answer)).is_nothing()` is true only of `None`.
#[derive(Debug)]
pub struct Answered<'a, R>(pub &'a R);

/// Answers of type `Option`.
pub trait IsNothing {
    /// Returns true for `None`.
    fn is_nothing(&self) -> bool;
}

impl<T> IsNothing for &Answered<'_, Option<T>> {
    fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}

/// All other answers.
pub trait IsSomething {
    /// Returns false.
    fn is_nothing(&self) -> bool {
        false
    }
}

impl<R> IsSomething for Answered<'_, R> {}
