//! Limits with a name and a cost, as functions of a gate.

use std::ffi::c_char;

use super::SealgateStatus;
use super::gate::{SealgateGate, call, milliseconds};
use super::input::text;
use crate::{Admission, Error, Gate};

/// The decision of a limit: whether a request is admitted, and what is left.
///
/// A call fills it in; it owns nothing. Thread safety: like any plain memory.
#[repr(C)]
pub struct SealgateAdmission {
    /// 1 if the request is admitted, 0 if not.
    pub allowed: i32,
    /// What requests may cost together in any window; 0 if the limit is disabled.
    pub limit: u32,
    /// What is left of it; UINT32_MAX if the limit is disabled.
    pub remaining: u32,
    /// Reserved; 0.
    pub reserved: u32,
    /// The window's length in milliseconds; 0 if the limit is disabled.
    pub window_ms: u64,
    /// Milliseconds until the oldest counted request leaves the window; if the request is not admitted, the time to wait.
    pub reset_ms: u64,
}

impl SealgateAdmission {
    pub(super) const NOTHING: Self = SealgateAdmission {
        allowed: 0,
        limit: 0,
        remaining: 0,
        reserved: 0,
        window_ms: 0,
        reset_ms: 0,
    };

    pub(super) fn of(admission: Option<Admission>) -> Self {
        let Some(admission) = admission else {
            return SealgateAdmission {
                allowed: 1,
                remaining: u32::MAX,
                ..Self::NOTHING
            };
        };
        SealgateAdmission {
            allowed: admission.allowed.into(),
            limit: admission.limit,
            remaining: admission.remaining,
            reserved: 0,
            window_ms: milliseconds(admission.window),
            reset_ms: milliseconds(admission.reset),
        }
    }
}

/// Counts a request against a policy and reports whether it is admitted: as a whole, or not at all.
///
/// `policy` is "default", or one of the setting limits. `name` is who is counted: a user; for a policy per API key, the key's
/// id; for one per address, an IP address, or "unix" for the clients of Unix sockets. `cost` is how much the request costs, 1
/// for an ordinary one, and at most the policy's limit; 0 counts nothing. A request that is not admitted is no error: the
/// status is OK. On failure `*out` is all zero.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no such policy, a cost above its limit, a name that is no
/// address). Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_admission admission;
/// if (sealgate_enforce_limit(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("default"), 1, &admission) == SEALGATE_STATUS_OK) {
///     printf("%u of %u left\n", (unsigned)admission.remaining, (unsigned)admission.limit);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_enforce_limit(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    policy: *const c_char,
    policy_size: usize,
    cost: u32,
    out: *mut SealgateAdmission,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        decide(
            gate,
            (name, name_size),
            (policy, policy_size),
            out,
            |gate, name, policy| gate.limit(name, policy, cost),
        )
    }
}

/// Reports whether `sealgate_enforce_limit` would admit a request now, and how much is left. Counts nothing.
///
/// Arguments and statuses are those of `sealgate_enforce_limit`. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_peek_limit(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    policy: *const c_char,
    policy_size: usize,
    cost: u32,
    out: *mut SealgateAdmission,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        decide(
            gate,
            (name, name_size),
            (policy, policy_size),
            out,
            |gate, name, policy| gate.peek_limit(name, policy, cost),
        )
    }
}

/// Forgets the requests of `name` that a policy has counted, so that its whole limit is left.
///
/// `*counted` is 1 if there were any, else 0. On failure it is 0. `name` and `policy` are as for `sealgate_enforce_limit`.
/// The audit trail gets the event limit.reset.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no such policy, a name that is no address), AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_reset_limit(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    policy: *const c_char,
    policy_size: usize,
    counted: *mut i32,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, counted, 0, |gate| {
            let name = text(name, name_size, "name")?;
            let policy = text(policy, policy_size, "policy")?;
            Ok(gate.reset_limit(name, policy)?.into())
        })
    }
}

/// A text from C.
type Given = (*const c_char, usize);

/// Runs a call that returns a limit's decision.
///
/// # Safety
/// `gate` is NULL or live, the texts are NULL or valid for their sizes, and `out` is NULL or writable.
unsafe fn decide(
    gate: *const SealgateGate,
    name: Given,
    policy: Given,
    out: *mut SealgateAdmission,
    work: impl FnOnce(&Gate, &str, &str) -> Result<Option<Admission>, Error>,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateAdmission::NOTHING, |gate| {
            let name = text(name.0, name.1, "name")?;
            let policy = text(policy.0, policy.1, "policy")?;
            Ok(SealgateAdmission::of(work(gate, name, policy)?))
        })
    }
}
