//! Starting this program again, by `CreateProcessW`.
//!
//! std's `Command` isn't enough, for three reasons. The child gets its name as `argv[0]`. It
//! inherits three handles and no others, whatever C code of this program has made inheritable. And
//! it is created in a job that kills it if this process ends: `CreateProcess` makes the child's
//! thread suspended and resumes it from here, so a parent killed in between would leave a suspended
//! process forever (under Wine 21 of 25 kills did). Once the child runs, the job lets it go, and
//! the child may outlive its parent.
//!
//! A `Command` that another thread starts at the same moment inherits every inheritable handle,
//! also the child's end of this control line. The harm is small: a start with more arguments than
//! the pipe holds, to a child that is killed before it reads them, waits until that other program
//! has ended.

use std::env;
use std::ffi::{OsStr, OsString, c_void};
use std::io;
use std::iter::repeat_n;
use std::mem::size_of_val;
use std::os::windows::ffi::OsStrExt;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, INVALID_HANDLE_VALUE, TRUE,
};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE, STD_OUTPUT_HANDLE};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::{
    CreateProcessW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, GetCurrentProcess,
    InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW,
    UpdateProcThreadAttribute,
};

use super::{OwnedEnd, Running, check, own, raw, refused};

/// Starts this program with this `argv[0]`, these arguments, and this end of a pipe as its standard
/// input.
#[expect(unsafe_code, reason = "system calls")]
pub(super) fn launch(name: &OsStr, arguments: &[OsString], stdin: OwnedEnd) -> io::Result<Running> {
    let program = wide(env::current_exe()?.as_os_str());
    let mut command_line = command_line(name, arguments);
    let job = Job::new().map_err(refused("a job object"))?;
    let stdin = inheritable(raw(&stdin))?;
    let [stdout, stderr] = [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(|which| {
        // SAFETY: the call returns a handle, or null in a program without a console.
        let handle = unsafe { GetStdHandle(which) };
        let is_open = !handle.is_null() && handle != INVALID_HANDLE_VALUE;
        is_open.then(|| inheritable(handle)).transpose()
    });
    let (stdout, stderr) = (stdout?, stderr?);
    let number = |handle: &Option<OwnedEnd>| handle.as_ref().map_or(null_mut(), raw);

    let jobs = [raw(&job.0)];
    let mut handles = vec![raw(&stdin), number(&stdout), number(&stderr)];
    handles.retain(|handle| !handle.is_null());
    let mut attributes = Attributes::new(2)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &handles)?;

    let mut startup = STARTUPINFOEXW::default();
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = raw(&stdin);
    startup.StartupInfo.hStdOutput = number(&stdout);
    startup.StartupInfo.hStdError = number(&stderr);
    startup.lpAttributeList = attributes.list();
    let mut started = PROCESS_INFORMATION::default();
    // SAFETY: the texts end with a zero, the command line is mutable, and all data that the startup
    // information points to lives until the call returns.
    check(unsafe {
        CreateProcessW(
            program.as_ptr(),
            command_line.as_mut_ptr(),
            null(),
            null(),
            TRUE,
            EXTENDED_STARTUPINFO_PRESENT,
            null(),
            null(),
            &raw const startup.StartupInfo,
            &raw mut started,
        )
    })
    .map_err(refused("CreateProcess, in a job of its own"))?;
    // SAFETY: both handles are new.
    let (process, _thread) = unsafe { (own(started.hProcess)?, own(started.hThread)?) };
    let running = Running { process, pid: started.dwProcessId };
    // If this failed, the child would be killed when the job's handle goes: a start that failed.
    job.let_go().map_err(refused("a job object"))?;
    Ok(running)
}

/// A job that kills its processes when this process ends, until it lets them go.
struct Job(OwnedEnd);

impl Job {
    #[expect(unsafe_code, reason = "a system call")]
    fn new() -> io::Result<Self> {
        // SAFETY: the call returns a new handle.
        let job = Self(unsafe { own(CreateJobObjectW(null(), null())) }?);
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    fn let_go(&self) -> io::Result<()> {
        self.limit(0)
    }

    #[expect(unsafe_code, reason = "a system call")]
    fn limit(&self, flags: JOB_OBJECT_LIMIT) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        let size = size_of_val(&limits) as u32;
        let limits = (&raw const limits).cast();
        // SAFETY: the struct is of this size and lives until the call returns.
        check(unsafe {
            SetInformationJobObject(raw(&self.0), JobObjectExtendedLimitInformation, limits, size)
        })
    }
}

/// The attribute list of a new process.
struct Attributes<'a> {
    /// Memory of the list, in words because it must be aligned.
    memory: Vec<u64>,
    values: std::marker::PhantomData<&'a [HANDLE]>,
}

impl<'a> Attributes<'a> {
    /// Makes a list for this many attributes.
    #[expect(unsafe_code, reason = "a system call")]
    fn new(count: u32) -> io::Result<Self> {
        let mut bytes = 0;
        // SAFETY: without a list the call only writes the size.
        unsafe { InitializeProcThreadAttributeList(null_mut(), count, 0, &raw mut bytes) };
        let mut memory = vec![0; bytes.div_ceil(size_of::<u64>())];
        let list = memory.as_mut_ptr().cast();
        // SAFETY: the memory is as large as the system has asked for.
        check(unsafe { InitializeProcThreadAttributeList(list, count, 0, &raw mut bytes) })?;
        Ok(Self { memory, values: std::marker::PhantomData })
    }

    fn list(&mut self) -> *mut c_void {
        self.memory.as_mut_ptr().cast()
    }

    /// Sets one attribute; the list points to the handles from then on.
    #[expect(unsafe_code, reason = "a system call")]
    fn set(&mut self, attribute: u32, handles: &'a [HANDLE]) -> io::Result<()> {
        let (value, size) = (handles.as_ptr().cast(), size_of_val(handles));
        let list = self.list();
        // SAFETY: the list is initialized, and the handles live as long as it does.
        check(unsafe {
            let (which, no_value) = (attribute as usize, null_mut());
            UpdateProcThreadAttribute(list, 0, which, value, size, no_value, null())
        })
    }
}

impl Drop for Attributes<'_> {
    #[expect(unsafe_code, reason = "a system call")]
    fn drop(&mut self) {
        // SAFETY: the list is initialized.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}

/// Copies a handle so that a new process can inherit it.
#[expect(unsafe_code, reason = "a system call")]
fn inheritable(handle: HANDLE) -> io::Result<OwnedEnd> {
    let mut copy = null_mut();
    // SAFETY: the call only writes the number, and fails for a handle that isn't open.
    check(unsafe {
        let this = GetCurrentProcess();
        DuplicateHandle(this, handle, this, &raw mut copy, 0, TRUE, DUPLICATE_SAME_ACCESS)
    })
    .map_err(refused("a standard handle can't be passed on"))?;
    // SAFETY: the handle is new.
    unsafe { own(copy) }
}

fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}

/// Returns the command line that the C runtime, and std, split into this name and these arguments.
fn command_line(name: &OsStr, arguments: &[OsString]) -> Vec<u16> {
    let (quote, apostrophe, space) = (u16::from(b'"'), u16::from(b'\''), u16::from(b' '));
    let mut line = vec![quote];
    // A quote can't be written in the name of the program.
    line.extend(name.encode_wide().map(|unit| if unit == quote { apostrophe } else { unit }));
    line.push(quote);
    for argument in arguments {
        line.push(space);
        push_quoted(argument, &mut line);
    }
    line.push(0);
    line
}

/// Appends an argument in quotes. Backslashes stand for themselves, but before a quote each is
/// doubled, and one more escapes the quote (see the documentation of `CommandLineToArgvW`).
fn push_quoted(argument: &OsStr, line: &mut Vec<u16>) {
    let (quote, backslash) = (u16::from(b'"'), u16::from(b'\\'));
    let mut backslashes = 0;
    line.push(quote);
    for unit in argument.encode_wide() {
        if unit == quote {
            line.extend(repeat_n(backslash, backslashes + 1));
        }
        backslashes = if unit == backslash { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    line.extend(repeat_n(backslash, backslashes));
    line.push(quote);
}

#[cfg(test)]
mod tests {
    use std::os::windows::ffi::OsStringExt;

    use proptest::prelude::*;
    use windows_sys::Win32::Foundation::LocalFree;
    use windows_sys::Win32::UI::Shell::CommandLineToArgvW;

    use super::*;

    /// Splits a command line as the system itself does.
    #[expect(unsafe_code, reason = "a system call")]
    fn taken_apart(line: &[u16]) -> Vec<OsString> {
        let mut count = 0;
        // SAFETY: the line ends with a zero; the array has this many texts, each of which does,
        // too.
        unsafe {
            let words = CommandLineToArgvW(line.as_ptr(), &raw mut count);
            assert!(!words.is_null());
            let text = |word: *mut u16| {
                let length = (0..).take_while(|index| *word.add(*index) != 0).count();
                OsString::from_wide(std::slice::from_raw_parts(word, length))
            };
            let all = (0..count as usize).map(|index| text(*words.add(index))).collect();
            LocalFree(words.cast());
            all
        }
    }

    proptest! {
        #[test]
        fn the_system_takes_a_command_line_apart_into_what_it_was_made_of(
            name in "[^\0\"]{0,8}",
            arguments in prop::collection::vec("[\\\\\" \ta日]{0,8}", 0..5),
        ) {
            let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
            let line = command_line(OsStr::new(&name), &arguments);
            prop_assert_eq!(&taken_apart(&line)[1..], &arguments[..]);
        }
    }

    #[test]
    fn a_name_with_spaces_is_one_word_and_has_no_quotes() {
        let line = command_line(OsStr::new("a child: \"x\""), &[OsString::from("y")]);
        assert_eq!(taken_apart(&line), ["a child: 'x'", "y"]);
    }
}
