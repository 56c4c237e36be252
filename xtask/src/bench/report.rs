//! The result as a table for people and as JSON for programs.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;

use rustix::fs::statfs;
use serde_json::{Map, Value, json};

use super::figures::{Figures, Goal, Measure};
use super::rounds::{BUSY_STREAMS, CHUNKS, CONNECTIONS, PACE, Plan, RATE, STREAMS};
use super::subject::Kind;
use crate::monotonic;

/// The machine the figures were taken on.
#[derive(Debug)]
pub(super) struct Machine {
    cpus: usize,
    model: String,
    kernel: String,
    filesystem: &'static str,
    /// Median time to make 4 KiB durable in the data directory, in microseconds: what full durability waits for.
    fsync: u64,
    /// Runnable processes over the last minute, before the run began.
    load: String,
}

impl Machine {
    pub(super) fn look(dir: &Path) -> anyhow::Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        Ok(Self {
            cpus: thread::available_parallelism()?.get(),
            model: model
                .and_then(|line| line.split_once(": "))
                .map_or("unknown", |(_, model)| model)
                .to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            filesystem: filesystem(dir)?,
            fsync: fsync(dir)?,
            load: fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
        })
    }

    fn json(&self) -> Value {
        json!({
            "cpus": self.cpus, "model": self.model, "kernel": self.kernel,
            "filesystem": self.filesystem, "fsync_p50_microseconds": self.fsync, "load_average_before": self.load,
        })
    }
}

/// Magic numbers of statfs(2).
fn filesystem(dir: &Path) -> anyhow::Result<&'static str> {
    Ok(match statfs(dir)?.f_type {
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x794C_7630 => "overlayfs",
        0x0102_1994 => "tmpfs (nothing is durable here: full durability costs nothing)",
        _ => "another",
    })
}

fn fsync(dir: &Path) -> anyhow::Result<u64> {
    let path = dir.join("fsync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..51 {
        let begun = monotonic::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push((monotonic::now() - begun) / 1000);
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times.get(25).copied().unwrap_or(0))
}

pub(super) fn table(figures: &Figures, subjects: &[Kind], machine: &Machine, plan: &Plan) -> String {
    let mut text = String::new();
    let names: Vec<&str> = subjects.iter().map(|kind| kind.name()).collect();
    let _ = writeln!(text, "| measure | {} | parapet : nginx | goal |", names.join(" | "));
    let _ = writeln!(text, "|---|{}---:|---|", "---:|".repeat(names.len()));
    for measure in Measure::ALL {
        let reported = |kind: &Kind| figures.reported(*kind, measure);
        if subjects.iter().filter_map(reported).next().is_none() {
            continue;
        }
        let cells: Vec<String> =
            subjects.iter().map(|kind| reported(kind).map_or("".to_owned(), shown)).collect();
        let ratio = figures.reported(Kind::Parapet, measure).zip(figures.reported(Kind::Nginx, measure));
        let ratio = ratio
            .filter(|(_, nginx)| *nginx > 0.0)
            .map_or(String::new(), |(ours, nginx)| format!("{:.2}", ours / nginx));
        let _ = writeln!(
            text,
            "| {} | {} | {ratio} | {} |",
            measure.label(),
            cells.join(" | "),
            goals(figures, subjects, measure)
        );
    }
    let Machine { cpus, model, kernel, filesystem, fsync, load } = machine;
    let _ = write!(
        text,
        "\n{cpus} CPUs ({model}), Linux {kernel}, data on {filesystem}, fsync of 4 KiB {fsync} µs, load average \
         before the run {load} (anything near 1 spoils the latencies); load and provider \
         run on the same CPUs. Requests and whole answers are 1 KiB, chunks 300 bytes, {CHUNKS} to a stream. Medians \
         of {} interleaved rounds: {CONNECTIONS} connections closed loop; {STREAMS} streams with a chunk every \
         {PACE} ms (steady pace); {BUSY_STREAMS} streams with a chunk every ms (full speed); {RATE} requests/s open \
         loop, latency counted from when a request was due; 10 streams with a chunk every 20 ms (delays). RSS is \
         the sum over processes.\n",
        plan.rounds
    );
    text
}

fn goals(figures: &Figures, subjects: &[Kind], measure: Measure) -> String {
    let mut told: Vec<String> = Vec::new();
    for kind in [Kind::Parapet, Kind::ParapetRelaxed] {
        let Some(goal) = measure.goal(kind) else { continue };
        let wanted = match goal {
            Goal::AtMost(most) => format!("≤ {}", shown(most)),
            Goal::TimesNginx(times) => format!("≤ {times}x nginx"),
        };
        let verdict = match met(figures, measure, kind).filter(|_| subjects.contains(&kind)) {
            Some(true) => format!("{wanted}: met"),
            Some(false) => format!("{wanted}: missed"),
            None => wanted,
        };
        if !told.contains(&verdict) {
            told.push(verdict);
        }
    }
    told.join("; relaxed ")
}

/// Whether a goal is met; `None` without a goal or a figure to hold it to. A difference below zero is no such
/// figure: nothing in between makes an answer faster, so it only says that the machine was busy.
fn met(figures: &Figures, measure: Measure, kind: Kind) -> Option<bool> {
    let figure = figures.reported(kind, measure).filter(|figure| *figure >= 0.0)?;
    let most = match measure.goal(kind)? {
        Goal::AtMost(most) => most,
        Goal::TimesNginx(times) => times * figures.reported(Kind::Nginx, measure)?,
    };
    Some(figure <= most)
}

fn shown(figure: f64) -> String {
    if figure.abs() >= 100.0 || figure == 0.0 {
        format!("{figure:.0}")
    } else if figure.abs() >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

pub(super) fn json(figures: &Figures, subjects: &[Kind], machine: &Machine, plan: &Plan) -> Value {
    let mut by_subject = Map::new();
    for kind in subjects {
        let mut measures = Map::new();
        for measure in Measure::ALL {
            let Some(reported) = figures.reported(*kind, measure) else { continue };
            let goal = measure.goal(*kind).map(|goal| match goal {
                Goal::AtMost(most) => json!({ "at_most": most }),
                Goal::TimesNginx(times) => json!({ "times_nginx": times }),
            });
            let nginx = figures.reported(Kind::Nginx, measure).filter(|nginx| *nginx > 0.0);
            measures.insert(
                measure.key().to_owned(),
                json!({
                    "reported": reported,
                    "rounds": figures.rounds(*kind, measure),
                    "ratio_to_nginx": nginx.map(|nginx| reported / nginx),
                    "goal": goal,
                    "met": met(figures, measure, *kind),
                }),
            );
        }
        let delays: Option<Vec<Value>> = figures.delays(*kind).map(|delays| {
            delays.buckets().map(|(below, count)| json!({ "below": below, "chunks": count })).collect()
        });
        measures.insert("chunk_delay_histogram_milliseconds".to_owned(), json!(delays));
        by_subject.insert(kind.name().to_owned(), Value::Object(measures));
    }
    json!({ "machine": machine.json(), "rounds": plan.rounds, "subjects": by_subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            cpus: 2,
            model: "m".into(),
            kernel: "6".into(),
            filesystem: "ext4",
            fsync: 9,
            load: "0.1".into(),
        }
    }

    #[test]
    fn a_goal_stands_beside_the_figure_with_the_verdict() {
        let mut figures = Figures::default();
        figures.add(Kind::Nginx, Measure::CpuPerRequest, 10.0);
        figures.add(Kind::Parapet, Measure::CpuPerRequest, 31.0);
        figures.add(Kind::ParapetRelaxed, Measure::CpuPerRequest, 29.0);
        let table = table(&figures, &Kind::ALL, &machine(), &Plan::QUICK);
        let line = table.lines().find(|line| line.contains("CPU per request")).unwrap();
        assert!(
            line.ends_with(
                "|  | 10.0 | 31.0 | 29.0 |  | 3.10 | ≤ 3x nginx: missed; relaxed ≤ 3x nginx: met |"
            ),
            "{line}"
        );
    }

    #[test]
    fn what_was_not_measured_or_drowned_in_noise_has_no_verdict() {
        let mut figures = Figures::default();
        figures.add(Kind::Parapet, Measure::CpuPerRequest, 31.0);
        assert_eq!(met(&figures, Measure::CpuPerRequest, Kind::Parapet), None);
        assert_eq!(met(&figures, Measure::IdleMemory, Kind::Parapet), None);
        figures.add(Kind::Parapet, Measure::AddedP99, -1.0);
        assert_eq!(met(&figures, Measure::AddedP99, Kind::Parapet), None);
    }
}
