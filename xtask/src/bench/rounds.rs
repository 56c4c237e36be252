//! How each figure is taken: the loads of a round, and what is read of the subject before and after.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use super::figures::{Figures, Measure};
use super::process::Process;
use super::subject::{KEY, Subject};
use crate::monotonic::{MILLISECOND, SECOND};

/// How long the parts of a round last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) starts: u32,
    pub(super) closed_milliseconds: u64,
    pub(super) open_milliseconds: u64,
    pub(super) stream_times: u32,
    pub(super) step_times: u32,
}

impl Plan {
    pub(super) const FULL: Self = Self {
        rounds: 5,
        starts: 6,
        closed_milliseconds: 2000,
        open_milliseconds: 5000,
        stream_times: 2,
        step_times: 2,
    };
    pub(super) const QUICK: Self = Self {
        rounds: 2,
        starts: 3,
        closed_milliseconds: 1000,
        open_milliseconds: 3000,
        stream_times: 1,
        step_times: 1,
    };
}

pub(super) const CONNECTIONS: u64 = 32;
pub(super) const RATE: u64 = 200;
pub(super) const STREAMS: u64 = 500;
pub(super) const CHUNKS: u64 = 100;
/// Milliseconds between the chunks of a stream at a steady pace.
pub(super) const PACE: u64 = 10;
/// As many streams with a chunk every millisecond are more than two CPUs can carry.
pub(super) const BUSY_STREAMS: u64 = 200;

/// Delayed acknowledgements meeting Nagle's algorithm show as steps of 40 ms.
const LATE: u64 = 30 * MILLISECOND;

/// One round of loads on one subject.
pub(super) async fn round(subject: &mut Subject, plan: &Plan, figures: &mut Figures) -> anyhow::Result<()> {
    closed_loop(subject, plan, figures).await?;
    chunks(subject, plan, figures).await?;
    open_loop(subject, plan, figures).await?;
    steps(subject, plan, figures).await
}

async fn closed_loop(subject: &mut Subject, plan: &Plan, figures: &mut Figures) -> anyhow::Result<()> {
    let kind = subject.kind;
    let connections = CONNECTIONS.to_string();
    let shape = |milliseconds: u64| {
        ["closed", "--connections", &connections, "--milliseconds", &milliseconds.to_string()]
            .map(str::to_owned)
    };
    load(subject, shape(200)).await?;
    let before = cpu(subject)?;
    let result = load(subject, shape(plan.closed_milliseconds)).await?;
    let requests = whole(&result, "requests")?;
    let rate = per(requests, whole(&result, "nanoseconds")?) * SECOND as f64;
    figures.add(kind, Measure::RequestsPerSecond, rate);
    if let Some(used) = used_since(subject, before)? {
        figures.add(kind, Measure::CpuPerRequest, microseconds(per(used, requests)));
    }
    Ok(())
}

/// What a chunk costs beyond what as many unary requests cost, in two states of the machine: at a steady pace
/// that leaves it half idle, where each chunk wakes the process up, and at full speed, where chunks queue and
/// come several to a read.
async fn chunks(subject: &mut Subject, plan: &Plan, figures: &mut Figures) -> anyhow::Result<()> {
    let kind = subject.kind;
    for (measure, shape) in [
        (Measure::CpuPerChunk, streams(STREAMS, plan.stream_times, CHUNKS, PACE)),
        (Measure::CpuPerChunkBusy, streams(BUSY_STREAMS, 3 * plan.stream_times, CHUNKS, 1)),
    ] {
        let before = cpu(subject)?;
        let result = load(subject, shape).await?;
        let used = used_since(subject, before)?.zip(figures.last(kind, Measure::CpuPerRequest));
        if let Some((used, per_request)) = used {
            let (requests, chunks) = (whole(&result, "requests")?, whole(&result, "chunks")?);
            let of_chunks = microseconds(used as f64) - per_request * requests as f64;
            figures.add(kind, measure, of_chunks / chunks as f64);
        }
    }
    Ok(())
}

async fn open_loop(subject: &mut Subject, plan: &Plan, figures: &mut Figures) -> anyhow::Result<()> {
    let kind = subject.kind;
    let shape = ["open", "--rate", &RATE.to_string(), "--milliseconds", &plan.open_milliseconds.to_string()];
    let result = load(subject, shape.map(str::to_owned)).await?;
    let latencies = sorted(&result, "latencies")?;
    for (percent, measure) in [(50, Measure::LatencyP50), (99, Measure::LatencyP99)] {
        figures.add(kind, measure, microseconds(percentile(&latencies, percent)? as f64));
    }
    Ok(())
}

/// What a reader of a stream feels: few streams, so that no chunk waits for another.
async fn steps(subject: &mut Subject, plan: &Plan, figures: &mut Figures) -> anyhow::Result<()> {
    let kind = subject.kind;
    let result = load(subject, streams(10, plan.step_times, 50, 20)).await?;
    let (transits, first) = (sorted(&result, "transits")?, sorted(&result, "first")?);
    let gaps = sorted(&result, "gaps")?;
    for (samples, percent, measure) in [
        (&transits, 50, Measure::ChunkDelayP50),
        (&transits, 99, Measure::ChunkDelayP99),
        (&gaps, 99, Measure::ChunkGapP99),
        (&first, 50, Measure::FirstChunkP50),
        (&first, 99, Measure::FirstChunkP99),
    ] {
        figures.add(kind, measure, microseconds(percentile(samples, percent)? as f64));
    }
    figures.add_delays(kind, &transits);
    let late = transits.iter().chain(&first).filter(|delay| **delay >= LATE).count();
    figures.add(kind, Measure::LateChunks, late as f64);
    Ok(())
}

fn streams(streams: u64, times: u32, chunks: u64, every: u64) -> [String; 9] {
    [
        "streams",
        "--streams",
        &streams.to_string(),
        "--times",
        &times.to_string(),
        "--chunks",
        &chunks.to_string(),
        "--every",
        &every.to_string(),
    ]
    .map(str::to_owned)
}

/// Idle memory of a fresh process, and what 200 and 1,000 open streams add to it.
pub(super) async fn memory(subject: &mut Subject, figures: &mut Figures) -> anyhow::Result<()> {
    let kind = subject.kind;
    let Some(idle) = settled(subject).await? else { return Ok(()) };
    figures.add(kind, Measure::IdleMemory, idle as f64 / f64::from(1 << 20));
    let mut holder = Holder::start(subject)?;
    for (streams, measure) in [(200, Measure::MemoryPerStreamOf200), (1000, Measure::MemoryPerStream)] {
        holder.hold(streams).await?;
        let resident = settled(subject).await?.unwrap_or(idle);
        figures.add(kind, measure, (resident as f64 - idle as f64) / 1024.0 / streams as f64);
    }
    holder.end().await
}

/// Memory after what happens just after a load has had its time.
async fn settled(subject: &Subject) -> anyhow::Result<Option<u64>> {
    sleep(Duration::from_millis(500)).await;
    subject.process.as_ref().map(Process::resident).transpose()
}

/// A load process that holds streams open.
struct Holder {
    child: Child,
    wanted: ChildStdin,
    opened: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    fn start(subject: &Subject) -> anyhow::Result<Self> {
        let mut child = load_command(subject)?.arg("hold").stdin(Stdio::piped()).spawn()?;
        let wanted = child.stdin.take().context("standard input is a pipe")?;
        let opened = BufReader::new(child.stdout.take().context("standard output is a pipe")?).lines();
        Ok(Self { child, wanted, opened })
    }

    async fn hold(&mut self, streams: u64) -> anyhow::Result<()> {
        self.wanted.write_all(format!("{streams}\n").as_bytes()).await?;
        let opened = timeout(PATIENCE, self.opened.next_line()).await.context("streams do not open")??;
        ensure!(opened.is_some(), "streams could not be opened");
        Ok(())
    }

    async fn end(mut self) -> anyhow::Result<()> {
        drop(self.wanted);
        let status = timeout(PATIENCE, self.child.wait()).await.context("the load does not end")??;
        ensure!(status.success(), "held streams failed");
        Ok(())
    }
}

/// The longest any load may take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn load(subject: &mut Subject, shape: impl IntoIterator<Item = String>) -> anyhow::Result<Value> {
    let child = load_command(subject)?.args(shape).stdin(Stdio::null()).spawn()?;
    let output = timeout(PATIENCE, child.wait_with_output()).await.context("the load does not end")??;
    if !output.status.success() {
        let last_words = subject.process.as_ref().map(Process::last_words).unwrap_or_default();
        bail!("{} failed under load; its last words: {last_words}", subject.kind.name());
    }
    if let Some(process) = &mut subject.process {
        process.running().with_context(|| format!("{} did not survive the load", subject.kind.name()))?;
    }
    let result: Value = serde_json::from_slice(&output.stdout)?;
    subject.requests += whole(&result, "requests")?;
    Ok(result)
}

fn load_command(subject: &Subject) -> anyhow::Result<Command> {
    let this: PathBuf = std::env::current_exe()?;
    let mut command = Command::new(this);
    command
        .args(["load", "--target", &subject.address.to_string(), "--key", KEY])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

fn cpu(subject: &Subject) -> anyhow::Result<Option<u64>> {
    subject.process.as_ref().map(Process::cpu).transpose()
}

fn used_since(subject: &Subject, before: Option<u64>) -> anyhow::Result<Option<u64>> {
    Ok(cpu(subject)?.zip(before).map(|(now, before)| now.saturating_sub(before)))
}

fn whole(result: &Value, member: &str) -> anyhow::Result<u64> {
    result.get(member).and_then(Value::as_u64).with_context(|| format!("the load did not report {member}"))
}

fn sorted(result: &Value, member: &str) -> anyhow::Result<Vec<u64>> {
    let samples = result.get(member).and_then(Value::as_array);
    let samples = samples.with_context(|| format!("the load did not report {member}"))?;
    let mut samples: Vec<u64> = samples.iter().filter_map(Value::as_u64).collect();
    samples.sort_unstable();
    Ok(samples)
}

/// The smallest sample that so many percent of all are not above (nearest rank).
fn percentile(sorted: &[u64], percent: usize) -> anyhow::Result<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().context("the load reported no samples")
}

fn per(sum: u64, count: u64) -> f64 {
    sum as f64 / count as f64
}

fn microseconds(nanoseconds: f64) -> f64 {
    nanoseconds / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&samples, 50).unwrap(), 100);
        assert_eq!(percentile(&samples, 99).unwrap(), 198);
        assert_eq!(percentile(&[7], 99).unwrap(), 7);
        assert!(percentile(&[], 50).is_err());
    }
}
