//! What is measured, what it should be, and the figures of every round.

use std::collections::BTreeMap;

use super::subject::Kind;
use crate::monotonic::MILLISECOND;

/// One line of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    RequestsPerSecond,
    CpuPerRequest,
    CpuPerChunk,
    CpuPerChunkBusy,
    LatencyP50,
    LatencyP99,
    AddedP50,
    AddedP99,
    FirstChunkP50,
    FirstChunkP99,
    ChunkDelayP50,
    ChunkDelayP99,
    ChunkGapP99,
    LateChunks,
    MemoryPerStream,
    MemoryPerStreamOf200,
    IdleMemory,
    FirstStart,
    Start,
}

impl Measure {
    pub(super) const ALL: [Self; 19] = [
        Self::RequestsPerSecond,
        Self::CpuPerRequest,
        Self::CpuPerChunk,
        Self::CpuPerChunkBusy,
        Self::LatencyP50,
        Self::LatencyP99,
        Self::AddedP50,
        Self::AddedP99,
        Self::FirstChunkP50,
        Self::FirstChunkP99,
        Self::ChunkDelayP50,
        Self::ChunkDelayP99,
        Self::ChunkGapP99,
        Self::LateChunks,
        Self::MemoryPerStream,
        Self::MemoryPerStreamOf200,
        Self::IdleMemory,
        Self::FirstStart,
        Self::Start,
    ];

    /// The name in JSON, with the unit.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests_per_second",
            Self::CpuPerRequest => "cpu_microseconds_per_request",
            Self::CpuPerChunk => "cpu_microseconds_per_chunk",
            Self::CpuPerChunkBusy => "cpu_microseconds_per_chunk_full_speed",
            Self::LatencyP50 => "latency_p50_microseconds",
            Self::LatencyP99 => "latency_p99_microseconds",
            Self::AddedP50 => "added_latency_p50_microseconds",
            Self::AddedP99 => "added_latency_p99_microseconds",
            Self::FirstChunkP50 => "first_chunk_p50_microseconds",
            Self::FirstChunkP99 => "first_chunk_p99_microseconds",
            Self::ChunkDelayP50 => "chunk_delay_p50_microseconds",
            Self::ChunkDelayP99 => "chunk_delay_p99_microseconds",
            Self::ChunkGapP99 => "chunk_gap_p99_microseconds",
            Self::LateChunks => "chunks_late_by_30_milliseconds",
            Self::MemoryPerStream => "kibibytes_per_open_stream_of_1000",
            Self::MemoryPerStreamOf200 => "kibibytes_per_open_stream_of_200",
            Self::IdleMemory => "idle_mebibytes",
            Self::FirstStart => "first_start_milliseconds",
            Self::Start => "start_milliseconds",
        }
    }

    /// The name in the table.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests/s, 32 connections",
            Self::CpuPerRequest => "CPU per request (µs, or ms per 1,000)",
            Self::CpuPerChunk => "CPU per stream chunk, steady pace (µs, or ms per 1,000)",
            Self::CpuPerChunkBusy => "CPU per stream chunk, full speed (µs, or ms per 1,000)",
            Self::LatencyP50 => "latency p50 at 200 requests/s (µs)",
            Self::LatencyP99 => "latency p99 at 200 requests/s (µs)",
            Self::AddedP50 => "added over direct, p50 (µs)",
            Self::AddedP99 => "added over direct, p99 (µs)",
            Self::FirstChunkP50 => "request to first chunk, p50 (µs)",
            Self::FirstChunkP99 => "request to first chunk, p99 (µs)",
            Self::ChunkDelayP50 => "provider's write of a chunk to client's read, p50 (µs)",
            Self::ChunkDelayP99 => "provider's write of a chunk to client's read, p99 (µs)",
            Self::ChunkGapP99 => "between chunks sent every 20 ms, p99 (µs)",
            Self::LateChunks => "chunks that came 30 ms late or later, all rounds",
            Self::MemoryPerStream => "memory per open stream, 1,000 open (KiB)",
            Self::MemoryPerStreamOf200 => "memory per open stream, 200 open (KiB)",
            Self::IdleMemory => "idle RSS (MiB)",
            Self::FirstStart => "first start, empty directory: exec to first answer (ms)",
            Self::Start => "start: exec to first answer (ms)",
        }
    }

    /// What parapet's figure should be at most: a number, or a multiple of nginx's.
    pub(super) const fn goal(self, kind: Kind) -> Option<Goal> {
        match (self, kind) {
            // What translation costs is published; goals are for what passes through.
            (_, Kind::Direct | Kind::Nginx | Kind::ParapetTranslating) => None,
            (Self::CpuPerRequest, _) => Some(Goal::TimesNginx(3.0)),
            (Self::CpuPerChunk | Self::CpuPerChunkBusy, _) => Some(Goal::TimesNginx(2.0)),
            (Self::AddedP99, Kind::Parapet) => Some(Goal::AtMost(1000.0)),
            (Self::AddedP99, Kind::ParapetRelaxed) => Some(Goal::AtMost(300.0)),
            (Self::LateChunks, _) => Some(Goal::AtMost(0.0)),
            (Self::MemoryPerStream, _) => Some(Goal::AtMost(80.0)),
            (Self::IdleMemory, _) => Some(Goal::AtMost(30.0)),
            (Self::Start, _) => Some(Goal::AtMost(100.0)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtMost(f64),
    TimesNginx(f64),
}

/// Every figure of every round.
#[derive(Debug, Default)]
pub(super) struct Figures {
    rounds: BTreeMap<(Kind, Measure), Vec<f64>>,
    delays: BTreeMap<Kind, Histogram>,
}

/// How many chunks came how late: powers of two of 1/16 ms, so that a step of 40 ms has a place of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram([u64; 14]);

impl Histogram {
    fn add(&mut self, nanoseconds: u64) {
        let sixteenths = nanoseconds / (MILLISECOND / 16);
        let bucket = usize::try_from(u64::BITS - sixteenths.leading_zeros()).unwrap_or(usize::MAX);
        if let Some(count) = self.0.get_mut(bucket.min(13)) {
            *count += 1;
        }
    }

    /// Upper bounds in milliseconds with the counts below them; the last bound stands for all above.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.0.iter().zip(0..).map(|(count, power)| (f64::from(1 << power) / 16.0, *count))
    }
}

impl Figures {
    pub(super) fn add(&mut self, kind: Kind, measure: Measure, figure: f64) {
        self.rounds.entry((kind, measure)).or_default().push(figure);
    }

    /// Counts how late chunks came, in nanoseconds.
    pub(super) fn add_delays(&mut self, kind: Kind, delays: &[u64]) {
        let histogram = self.delays.entry(kind).or_default();
        delays.iter().for_each(|delay| histogram.add(*delay));
    }

    pub(super) fn delays(&self, kind: Kind) -> Option<&Histogram> {
        self.delays.get(&kind)
    }

    pub(super) fn rounds(&self, kind: Kind, measure: Measure) -> &[f64] {
        self.rounds.get(&(kind, measure)).map_or(&[], Vec::as_slice)
    }

    /// The figure to report: the median of the rounds, and the sum for what should never happen.
    pub(super) fn reported(&self, kind: Kind, measure: Measure) -> Option<f64> {
        let rounds = self.rounds(kind, measure);
        if measure == Measure::LateChunks && !rounds.is_empty() {
            return Some(rounds.iter().sum());
        }
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(f64::midpoint(lower, upper))
    }

    /// Adds what the last round's latencies of each subject are over the direct ones.
    pub(super) fn add_differences(&mut self, subjects: &[Kind]) {
        for (latency, added) in
            [(Measure::LatencyP50, Measure::AddedP50), (Measure::LatencyP99, Measure::AddedP99)]
        {
            let Some(direct) = self.last(Kind::Direct, latency) else { continue };
            for kind in subjects.iter().filter(|kind| **kind != Kind::Direct) {
                if let Some(through) = self.last(*kind, latency) {
                    self.add(*kind, added, through - direct);
                }
            }
        }
    }

    /// The last round's figure.
    pub(super) fn last(&self, kind: Kind, measure: Measure) -> Option<f64> {
        self.rounds(kind, measure).last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_counted_below_its_bound() {
        let mut histogram = Histogram::default();
        for microseconds in [0, 62, 63, 40_000, 900_000] {
            histogram.add(microseconds * 1000);
        }
        let counted: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0.0625, 2), (0.125, 1), (64.0, 1), (512.0, 1)]);
    }

    #[test]
    fn rounds_are_reported_by_their_median_and_faults_by_their_sum() {
        let mut figures = Figures::default();
        for figure in [3.0, 1.0, 100.0, 2.0] {
            figures.add(Kind::Nginx, Measure::CpuPerRequest, figure);
            figures.add(Kind::Nginx, Measure::LateChunks, figure);
        }
        assert_eq!(figures.reported(Kind::Nginx, Measure::CpuPerRequest), Some(2.5));
        assert_eq!(figures.reported(Kind::Nginx, Measure::LateChunks), Some(106.0));
        assert_eq!(figures.reported(Kind::Direct, Measure::LateChunks), None);
    }
}
