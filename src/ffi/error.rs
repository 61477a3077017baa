//! The sentence of the calling thread's last failure.

use std::cell::RefCell;
use std::ffi::c_char;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

pub(super) fn keep_last_error(sentence: String) {
    // A thread that is ending has nobody left to ask.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = sentence);
}

/// Copies the sentence of this thread's last failed call into `buffer`, with a NUL at its end, and returns the size that
/// the whole sentence needs, NUL included. A sentence that does not fit is cut.
///
/// `buffer` may be NULL if `size` is 0: then only the size is told. The sentence is for people and never holds a secret;
/// decide by the status. A call that succeeds leaves it as it was. Thread safety: each thread has its own. Since 0.1.
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
                // a buffer of the caller's does not overlap a String of ours.
                unsafe {
                    std::ptr::copy_nonoverlapping(last.as_ptr(), buffer.cast(), copied);
                    buffer.add(copied).write(0);
                }
            }
            last.len() + 1
        })
        .unwrap_or(1)
}
