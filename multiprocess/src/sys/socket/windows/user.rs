//! The user of this process, as the system knows it: what is made for this user alone, and who owns
//! a pipe.

use std::io;
use std::os::windows::io::OwnedHandle;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{LocalFree, TRUE};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo,
    SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    EqualSid, GetTokenInformation, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
    SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::sys::process::{check, own, raw};

/// The user of this process.
#[derive(Debug)]
pub(super) struct User {
    /// A `TOKEN_USER`, and behind it what it points to; in words because it must be aligned.
    token: Vec<u64>,
    /// Text of the user's number: `S-1-5-21-…`.
    name: String,
}

impl User {
    #[expect(unsafe_code, reason = "system calls")]
    pub(super) fn of_this_process() -> io::Result<Self> {
        let mut token = null_mut();
        // SAFETY: the call only writes the new handle.
        let token = unsafe {
            check(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
            own(token)?
        };
        // A user's number has at most 68 bytes.
        let mut user = vec![0_u64; 32];
        let (into, size, mut written) = (user.as_mut_ptr().cast(), 32 * 8, 0);
        // SAFETY: the call writes at most as many bytes as there are.
        check(unsafe {
            GetTokenInformation(raw(&token), TokenUser, into, size, &raw mut written)
        })?;
        let mut text = null_mut();
        // SAFETY: the system has written a `TOKEN_USER`, which points into the same memory. The
        // text ends with a zero, and is freed as the call wants it.
        let name = unsafe {
            check(ConvertSidToStringSidW(sid(&user), &raw mut text))?;
            let length = (0..).take_while(|index| *text.add(*index) != 0).count();
            let name = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
            LocalFree(text.cast());
            name
        };
        Ok(Self { token: user, name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if this user owns the pipe. Another user can't make that so.
    #[expect(unsafe_code, reason = "system calls")]
    pub(super) fn owns(&self, pipe: &OwnedHandle) -> io::Result<bool> {
        let (mut owner, mut descriptor) = (null_mut(), null_mut());
        let nothing = null_mut();
        // SAFETY: the call writes a descriptor, and the owner, which is a part of it.
        let failed = unsafe {
            GetSecurityInfo(
                raw(pipe),
                SE_KERNEL_OBJECT,
                OWNER_SECURITY_INFORMATION,
                &raw mut owner,
                nothing,
                null_mut(),
                null_mut(),
                &raw mut descriptor,
            )
        };
        let descriptor = Descriptor(descriptor);
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed.cast_signed()));
        }
        // SAFETY: both are users' numbers, which live until the call returns.
        let is_owner = unsafe { !owner.is_null() && EqualSid(owner, sid(&self.token)) != 0 };
        drop(descriptor);
        Ok(is_owner)
    }
}

/// Returns where the user's number lies in a `TOKEN_USER`.
#[expect(unsafe_code, reason = "bytes become what the system wrote there")]
fn sid(token: &[u64]) -> windows_sys::Win32::Security::PSID {
    // SAFETY: the system has written a `TOKEN_USER` there.
    unsafe { (*token.as_ptr().cast::<TOKEN_USER>()).User.Sid }
}

/// A descriptor of the rights to an object, in memory of the system's.
pub(super) struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    /// Makes the descriptor of an object that the user owns, and that no other user may open.
    pub(super) fn only_for(user: &User) -> io::Result<Self> {
        let name = user.name();
        Self::of_text(&format!("O:{name}D:P(A;;GA;;;{name})"))
    }

    /// Makes a descriptor of its text, in the system's form for that.
    #[expect(unsafe_code, reason = "a system call")]
    pub(super) fn of_text(text: &str) -> io::Result<Self> {
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor = null_mut();
        // SAFETY: the text ends with a zero, and the call only writes the descriptor's address.
        check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        })?;
        Ok(Self(descriptor))
    }

    /// Returns the form in which it is given to a call, which must be over before it is dropped.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        let size = size_of::<SECURITY_ATTRIBUTES>() as u32;
        let (descriptor, inherited) = (self.0, 1 - TRUE);
        SECURITY_ATTRIBUTES {
            nLength: size,
            lpSecurityDescriptor: descriptor,
            bInheritHandle: inherited,
        }
    }
}

impl Drop for Descriptor {
    #[expect(unsafe_code, reason = "a system call")]
    fn drop(&mut self) {
        // SAFETY: the system has made it to be freed so; null is allowed.
        unsafe { LocalFree(self.0) };
    }
}
