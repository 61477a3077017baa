//! The metrics of a gate, and of the process's log.

use super::Gate;
use crate::base::clock::unix_now;
use crate::keys::{KeyKind, KeyOrigin};
use crate::logging;
use crate::metrics::{Page, label};

impl Gate {
    /// Adds the metrics.
    pub(crate) fn collect(&self, page: &mut Page) {
        page.gauges(
            "sealgate_build_info",
            "The version, with the value 1",
            [(label("version", crate::VERSION), 1.0)],
        );
        self.inner.counts.collect(page);
        self.inner.limits.collect(page);
        let events = self.trail().counts().into_iter();
        page.counters(
            "sealgate_audit_events",
            "Events of the audit trail, whether or not it is written",
            events.map(|((event, result), count)| {
                let labels = vec![("event", event.to_owned()), ("result", result.to_owned())];
                (labels, count)
            }),
        );
        self.collect_sinks(page);
        self.collect_keys(page);
        self.collect_store(page);
        page.counters(
            "sealgate_log_lines_lost",
            "Lines of the log that could not be written",
            logging::lost().map(|(name, lost)| (label("log", name), lost)),
        );
    }

    fn collect_store(&self, page: &mut Page) {
        if !self.has_store() {
            return;
        }
        let health = self.ledger().health();
        let is_up = match &health {
            // A list that is older, but may still be used, is no store that can be read.
            Some(health) => health.is_up,
            None => self.ledger().epoch().is_some(),
        };
        page.flag(
            "sealgate_store_up",
            "Whether the store of accounts can be read",
            is_up,
        );
        let Some(health) = health else {
            return;
        };
        let age = health.age.map(|age| (Vec::new(), age.as_secs_f64()));
        page.gauges(
            "sealgate_store_feed_age_seconds",
            "How long ago the shared store was last asked for revocations with success",
            age,
        );
        page.gauges(
            "sealgate_store_revocations",
            "Revoked tokens, sessions and users of the shared store that this process has in memory",
            [(Vec::new(), health.revocations as f64)],
        );
        let nodes = health.nodes.map(|nodes| (Vec::new(), f64::from(nodes)));
        page.gauges(
            "sealgate_nodes",
            "Processes that use the shared store",
            nodes,
        );
    }

    fn collect_sinks(&self, page: &mut Page) {
        let sinks = self.trail().sinks();
        if sinks.is_empty() {
            return;
        }
        let up = sinks.iter();
        page.gauges(
            "sealgate_audit_up",
            "Whether events of the audit trail are delivered",
            up.map(|sink| (label("sink", sink.name), f64::from(u8::from(sink.is_up)))),
        );
        let waiting = sinks.iter();
        page.gauges(
            "sealgate_audit_waiting",
            "Events of the audit trail that are not delivered yet",
            waiting.map(|sink| (label("sink", sink.name), sink.waiting as f64)),
        );
        let lost = sinks.iter();
        page.counters(
            "sealgate_audit_lost",
            "Events of the audit trail that were not delivered and never will be",
            lost.map(|sink| (label("sink", sink.name), sink.lost)),
        );
    }

    fn collect_keys(&self, page: &mut Page) {
        let keys = self.key_origins();
        let now = unix_now();
        let kinds = [KeyKind::Token, KeyKind::Data].map(|kind| {
            let is_meant = |key: &&KeyOrigin| key.kind == kind && key.state.accepts_at(now);
            let count = keys.iter().filter(is_meant).count();
            (label("kind", kind.name()), count as f64)
        });
        page.gauges("sealgate_keys", "Keys that are accepted", kinds);
        let newest = keys.iter().filter(|key| key.newest);
        let created =
            newest.filter_map(|key| Some((label("kind", key.kind.name()), key.created? as f64)));
        page.gauges(
            "sealgate_key_created_timestamp_seconds",
            "When the key in use was created",
            created,
        );
        page.flag(
            "sealgate_key_ring_up",
            "Whether the key ring's file is in use as it is",
            self.key_trouble().is_none(),
        );
    }
}
