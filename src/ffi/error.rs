//! The error sentence of the calling thread's last failure.

use std::cell::RefCell;
use std::ffi::c_char;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

pub(super) fn keep_last_error(sentence: String) {
    // A thread that is exiting can no longer ask for it.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = sentence);
}

/// Copies the error sentence of this thread's last failed call into `buffer`, NUL-terminated, and returns the size that the
/// whole sentence needs, including the NUL. A sentence that does not fit is truncated.
///
/// `buffer` may be NULL if `size` is 0, to get only the size. The sentence is for people and never contains a secret;
/// program logic should use the status. A successful call leaves it unchanged. Thread safety: each thread has its own.
/// Since 0.1.
///
/// ```c
/// char sentence[256];
/// sealgate_last_error(sentence, sizeof sentence);
/// fprintf(stderr, "%s\n", sentence);
/// ```
///
/// # Safety
/// `buffer` must have room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_last_error(buffer: *mut c_char, size: usize) -> usize {
    LAST_ERROR
        .try_with(|last| {
            let last = last.borrow();
            if !buffer.is_null() && size > 0 {
                let mut copied = last.len().min(size - 1);
                while !last.is_char_boundary(copied) {
                    copied -= 1;
                }
                // SAFETY: `buffer` has room for `size` bytes by this function's contract, `copied` is less than that, and
                // the caller's buffer does not overlap our String.
                unsafe {
                    std::ptr::copy_nonoverlapping(last.as_ptr(), buffer.cast(), copied);
                    buffer.add(copied).write(0);
                }
            }
            last.len() + 1
        })
        .unwrap_or(1)
}
