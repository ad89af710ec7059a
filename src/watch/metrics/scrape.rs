//! From counts and facts to what Prometheus reads.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
    },
};

use super::{Facts, histogram::Histogram, table::METRICS, tally::Tallied};

/// All that one scrape reports.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) sum: Tallied,
    pub(super) facts: Facts,
}

/// Where the series of one metric are written.
pub(super) struct Series<'a> {
    encoder: MetricEncoder<'a>,
    /// The names of their labels.
    labels: &'static [&'static str],
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in METRICS {
            let (name, kind) = (metric.stem(), metric.kind);
            let encoder = encoder.encode_descriptor(name, metric.help, None, kind)?;
            let mut series = Series {
                encoder,
                labels: metric.labels,
            };
            (metric.write)(self, &mut series)?;
        }
        Ok(())
    }
}

impl Series<'_> {
    pub(super) fn counter(
        &mut self,
        values: &[&str],
        count: impl EncodeCounterValue,
    ) -> fmt::Result {
        let labels = self.labels(values);
        let mut encoder = self.encoder.encode_family(&labels)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    pub(super) fn gauge(&mut self, values: &[&str], value: impl EncodeGaugeValue) -> fmt::Result {
        let labels = self.labels(values);
        self.encoder.encode_family(&labels)?.encode_gauge(&value)
    }

    pub(super) fn histogram(&mut self, values: &[&str], histogram: &Histogram) -> fmt::Result {
        let labels = self.labels(values);
        let (sum, count) = (histogram.sum(), histogram.count());
        let mut encoder = self.encoder.encode_family(&labels)?;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &histogram.buckets(), None)
    }

    pub(super) fn info(&mut self, values: &[&str]) -> fmt::Result {
        let labels = self.labels(values);
        self.encoder.encode_info(&labels)
    }

    fn labels<'v>(&self, values: &[&'v str]) -> Vec<(&'static str, &'v str)> {
        debug_assert_eq!(self.labels.len(), values.len(), "{:?}", self.labels);
        let labels = self.labels.iter().zip(values);
        labels.map(|(name, value)| (*name, *value)).collect()
    }
}
