//! All metrics for one answer, and their text. `prometheus-client` writes it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Histogram;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricsFormat {
    /// The Prometheus text format, version 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            MetricsFormat::Prometheus => prometheus_text::CONTENT_TYPE,
            MetricsFormat::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }
}

/// The metrics of a process, collected from all rooms that count something.
#[derive(Debug, Default)]
pub(crate) struct Page {
    families: Vec<Family>,
}

#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<(Labels, Value)>,
}

/// Names and values of one sample's labels.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A single label.
pub(crate) fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

#[derive(Debug)]
enum Value {
    Count(u64),
    Seconds(f64),
    Gauge(f64),
    Durations(Box<Histogram>),
}

impl Page {
    /// Adds a counter; its name has no `_total`, which is added. `help`: one sentence without its full stop.
    pub(crate) fn counter(&mut self, name: &'static str, help: &'static str, count: u64) {
        self.counters(name, help, [(Vec::new(), count)]);
    }

    /// The same with labels.
    pub(crate) fn counters(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let samples = samples.into_iter();
        let samples = samples.map(|(labels, count)| (labels, Value::Count(count)));
        self.add(name, help, MetricType::Counter, samples.collect());
    }

    /// Adds a counter of seconds.
    pub(crate) fn seconds(&mut self, name: &'static str, help: &'static str, seconds: f64) {
        let sample = (Vec::new(), Value::Seconds(seconds));
        self.add(name, help, MetricType::Counter, vec![sample]);
    }

    /// Adds a gauge.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.gauges(name, help, [(Vec::new(), value)]);
    }

    /// Adds a gauge that is 1 if this holds, else 0.
    pub(crate) fn flag(&mut self, name: &'static str, help: &'static str, holds: bool) {
        self.gauge(name, help, f64::from(u8::from(holds)));
    }

    /// The same as [`gauge`](Self::gauge) with labels.
    pub(crate) fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let samples = samples.into_iter();
        let samples = samples.map(|(labels, value)| (labels, Value::Gauge(value)));
        self.add(name, help, MetricType::Gauge, samples.collect());
    }

    /// Adds histograms of durations in seconds.
    pub(crate) fn histograms(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, Histogram)>,
    ) {
        let samples = samples.into_iter();
        let samples = samples.map(|(labels, all)| (labels, Value::Durations(Box::new(all))));
        self.add(name, help, MetricType::Histogram, samples.collect());
    }

    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: MetricType,
        samples: Vec<(Labels, Value)>,
    ) {
        // A family without a sample says nothing.
        if !samples.is_empty() {
            self.families.push(Family {
                name,
                help,
                kind,
                samples,
            });
        }
    }

    /// The text.
    pub(crate) fn text(self, format: MetricsFormat) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut out = String::new();
        let written = match format {
            MetricsFormat::Prometheus => prometheus_text::encode(&mut out, &registry),
            MetricsFormat::OpenMetrics => text::encode(&mut out, &registry),
        };
        // Writing into memory does not fail.
        debug_assert!(written.is_ok());
        out
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            let mut encoder =
                encoder.encode_descriptor(family.name, family.help, None, family.kind)?;
            for (labels, value) in &family.samples {
                let mut encoder = encoder.encode_family(labels)?;
                match value {
                    Value::Count(count) => {
                        encoder.encode_counter::<NoLabelSet, _, u64>(count, None)?;
                    }
                    Value::Seconds(seconds) => {
                        encoder.encode_counter::<NoLabelSet, _, u64>(seconds, None)?;
                    }
                    Value::Gauge(value) => encoder.encode_gauge(value)?,
                    Value::Durations(all) => encoder.encode_histogram::<NoLabelSet>(
                        all.seconds(),
                        all.count(),
                        &all.buckets(),
                        None,
                    )?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn page() -> Page {
        let mut page = Page::default();
        page.counter("things", "How many things there were", 3);
        let mut durations = Histogram::default();
        durations.add(Duration::from_millis(2));
        durations.add(Duration::from_secs(60));
        let labels = vec![("route", "/a\"b\\c\n".to_owned())];
        page.histograms("took_seconds", "How long it took", [(labels, durations)]);
        page.gauge("level", "How high it is", 0.5);
        page.counters("never", "What never occurred", []);
        page
    }

    #[test]
    fn both_formats_say_the_same() {
        let plain = page().text(MetricsFormat::Prometheus);
        assert!(
            plain.contains("# TYPE things_total counter\nthings_total 3\n"),
            "{plain}"
        );
        assert!(plain.contains(r#"took_seconds_bucket{route="/a\"b\\c\n",le="0.0025"} 1"#));
        assert!(plain.contains(r#"le="+Inf"} 2"#));
        assert!(plain.contains("level 0.5\n"));
        assert!(!plain.contains("never"));
        let open = page().text(MetricsFormat::OpenMetrics);
        assert!(
            open.contains("# TYPE things counter\nthings_total 3\n"),
            "{open}"
        );
        assert!(open.ends_with("# EOF\n"));
        // In any order, of samples and of their labels.
        let samples = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let mut lines: Vec<Vec<String>> = lines
                .map(|line| {
                    let mut parts: Vec<String> = line
                        .split(['{', ',', '}'])
                        .map(|part| part.replace(".0\"", "\""))
                        .collect();
                    parts.sort();
                    parts
                })
                .collect();
            lines.sort();
            lines
        };
        assert_eq!(samples(&plain), samples(&open));
    }
}
