//! What a change of an account means besides the change itself: the same for every backend.

use super::{AccountKind, Change, Condition};
use crate::base::custom_claims::are_kept;

/// What is stored about an account on which several changes depend.
pub(super) struct Found {
    pub(super) kind: AccountKind,
    pub(super) version: i64,
    pub(super) scope: String,
    pub(super) disabled: bool,
}

impl Condition {
    /// Whether the account has the version that the condition asks for.
    pub(super) fn fits(&self, found: &Found) -> bool {
        self.version.is_none_or(|version| version == found.version)
    }

    /// The scope that some other enabled account must have, because this one would no longer permit it.
    pub(super) fn lost_by(&self, found: &Found, changes: &[Change]) -> Option<&'static str> {
        let kept = self.keeps?;
        let permits = |scope: &str| scope.split(' ').any(|name| name == kept);
        let (mut scope, mut disabled) = (&*found.scope, found.disabled);
        if disabled || !permits(scope) {
            return None;
        }
        for change in changes {
            match change {
                Change::Scope(new) => scope = new,
                Change::Disabled(new) => disabled = *new,
                Change::Removed => disabled = true,
                _ => {}
            }
        }
        (disabled || !permits(scope)).then_some(kept)
    }
}

/// What is stored about an account before a change.
pub(super) struct Before {
    pub(super) scope: String,
    pub(super) version: i64,
    pub(super) claims: String,
}

/// What else a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    /// All tokens of the account are revoked.
    pub(super) revokes: bool,
    /// All its API keys are.
    pub(super) ends_api_keys: bool,
    /// Earlier decisions about the account no longer hold: it gets a new version, and others have to know.
    pub(super) is_news: bool,
}

/// The effect of a change, or `None` if it must not be made because the account has another version.
pub(super) fn effect(before: &Before, kind: AccountKind, change: &Change) -> Option<Effect> {
    if let Change::Rehash { version, .. } | Change::OwnPassword { version, .. } = change
        && before.version != *version
    {
        return None;
    }
    let revokes = match change {
        Change::Password(_) | Change::OwnPassword { .. } | Change::Removed => true,
        Change::Rehash { .. } => false,
        Change::Scope(scope) => {
            let kept = |old: &str| scope.split(' ').any(|new| new == old);
            let mut old = before.scope.split(' ');
            old.any(|old| !old.is_empty() && !kept(old))
        }
        Change::Claims(claims) => !are_kept(&before.claims, claims),
        Change::Disabled(disabled) => *disabled,
    };
    let ends_api_keys = match change {
        // Whoever had a client's old secret may have made them.
        Change::Password(_) => kind == AccountKind::Client,
        // Otherwise the next account with this name would inherit them.
        Change::Disabled(true) | Change::Removed => true,
        _ => false,
    };
    Some(Effect {
        revokes,
        ends_api_keys,
        is_news: !matches!(change, Change::Rehash { .. }),
    })
}
