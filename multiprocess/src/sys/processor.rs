//! The processor on which a thread runs.

/// Returns the number of the processor on which the calling thread runs just now. It may be on
/// another one by the time of the return, so the number is a hint.
pub(crate) fn current() -> u64 {
    number()
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "rustix makes a system call of it where the vDSO has no such function"
)]
fn number() -> u64 {
    // SAFETY: the call takes nothing. If it fails, all threads seem to run on one processor.
    unsafe { libc::sched_getcpu() }.unsigned_abs().into()
}

#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "a call of the system")]
fn number() -> u64 {
    let mut number = 0;
    // SAFETY: the number may be written until the call returns. If the call fails, it stays 0.
    unsafe { libc::pthread_cpu_number_np(&raw mut number) };
    number as u64
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "a call of the system")]
fn number() -> u64 {
    // SAFETY: the call takes nothing, and can't fail.
    unsafe { windows_sys::Win32::System::Threading::GetCurrentProcessorNumber() }.into()
}

#[cfg(test)]
mod tests {
    use std::thread::available_parallelism;

    #[test]
    fn a_thread_runs_on_one_of_few_processors() {
        // A container may see fewer than there are, but a machine with 4096 is rare.
        let processors = available_parallelism().unwrap().get() as u64;
        assert!(super::current() < processors.max(4096));
    }
}
