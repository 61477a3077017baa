//! Problems that only administrators get.

use super::problem::{Problem, fixed};

impl Problem {
    /// 409: the ring does not permit the change now.
    pub(super) fn key_conflict(detail: String) -> Self {
        Problem::new(
            409,
            "key_conflict",
            "The key ring does not permit this now.",
            detail,
        )
    }
}

fixed! {
    /// 404: no account has this name.
    pub(super) no_such_account: 404 "not_found"
        "There is no such account." "GET /admin/v1/users lists them.";
    /// 404: no login has this id.
    pub(super) no_such_session: 404 "not_found"
        "There is no such login." "It may have ended. GET /admin/v1/sessions lists them.";
    /// 404: no key has this id.
    pub(super) no_such_key: 404 "not_found"
        "There is no such key." "GET /admin/v1/keys lists them.";
    /// 409: users have passwords, clients have secrets.
    pub(super) of_other_kind: 409 "other_kind"
        "The account is of the other kind." "Users have passwords and can be unlocked; clients have secrets.";
    /// 409: nobody could administer the server any more.
    pub(super) last_administrator: 409 "last_administrator"
        "This is the only administrator." "No other enabled account has the scope admin. Add one first, or send ?last=yes.";
    /// 412: what is to be changed is no longer as the client has read it.
    pub(super) precondition_failed: 412 "precondition_failed"
        "It has been changed meanwhile." "Nothing was changed now. Read it again, and send its ETag in If-Match.";
    /// 428: a change without it might overwrite another.
    pub(super) precondition_required: 428 "precondition_required"
        "If-Match is required." "Send the ETag of what you have read in If-Match, so that nobody's change is lost.";
}
