//! A process under measurement: started in a group of its own, read through `/proc`, gone when dropped.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::monotonic::{MILLISECOND, SECOND};

/// Clock ticks per second in `/proc/PID/stat`, a constant of the Linux ABI on all but one architecture.
const TICKS: u64 = 100;

/// A program and its children. Its output goes to files, its children into its process group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    stderr: PathBuf,
}

impl Process {
    /// Starts `program` with its output appended to `stdout` and `stderr` in `dir`.
    pub(super) fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let append = |name| File::options().create(true).append(true).open(dir.join(name));
        let child = Command::new(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(append("stdout")?)
            .stderr(append("stderr")?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let id = child.id().context("a child that just started has an id")?;
        let group = Pid::from_raw(i32::try_from(id)?).context("a process id is not zero")?;
        Ok(Self { child, group, stderr: dir.join("stderr") })
    }

    /// An error with what the process said last, if it has ended.
    pub(super) fn running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended with {status}:\n{}", self.last_words()),
            None => Ok(()),
        }
    }

    /// The end of standard error.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end and waits until it has.
    pub(super) async fn terminate(mut self) -> anyhow::Result<()> {
        kill_process_group(self.group, Signal::TERM)?;
        timeout(Duration::from_secs(15), self.child.wait()).await.context("it does not end on SIGTERM")??;
        Ok(())
    }

    /// CPU time of the whole group so far, in nanoseconds.
    ///
    /// The scheduler's own sums are exact, but forget threads that have ended; the tick counts of the process
    /// remember them, and are rounded to 10 ms. Where the two differ by more than rounding, a thread has ended.
    pub(super) fn cpu(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for pid in self.members()? {
            let mut threads = 0;
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                let schedstat = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
                threads += number(&schedstat, 0).unwrap_or(0);
            }
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let ticks = number(after_name(&stat), 11).zip(number(after_name(&stat), 12));
            let ticks = ticks.map_or(0, |(user, system)| (user + system) * SECOND / TICKS);
            sum += if ticks > threads + 20 * MILLISECOND { ticks } else { threads };
        }
        Ok(sum)
    }

    /// Resident memory of the whole group, in bytes. Pages that processes share are counted in each.
    pub(super) fn resident(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for pid in self.members()? {
            // Unlike the counters of `status`, the roll-up is exact.
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
            sum += rss.and_then(|rss| number(rss, 0)).context("smaps_rollup has no Rss")? * 1024;
        }
        Ok(sum)
    }

    fn members(&self) -> anyhow::Result<Vec<String>> {
        let group = self.group.as_raw_nonzero().to_string();
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let pid = entry?.file_name().to_string_lossy().into_owned();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if after_name(&stat).split_whitespace().nth(2) == Some(&group) {
                members.push(pid);
            }
        }
        Ok(members)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when the whole group is gone.
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

/// The fields of `/proc/PID/stat` from the third on: the second, a name, may hold anything.
fn after_name(stat: &str) -> &str {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest)
}

fn number(text: &str, index: usize) -> Option<u64> {
    text.split_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_is_read_whole_and_ends_whole() {
        let dir = tempfile::tempdir().unwrap();
        let script = "sleep 60 & i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; wait";
        let mut process = Process::spawn(Path::new("/bin/sh"), ["-c", script], &[], dir.path()).unwrap();
        while fs::read_to_string(dir.path().join("stdout")).unwrap() != "done\n" {
            process.running().unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let members = process.members().unwrap();
        assert_eq!(members.len(), 2);
        assert!(process.cpu().unwrap() > MILLISECOND);
        assert!(process.resident().unwrap() > 100_000);
        process.terminate().await.unwrap();
        for pid in members {
            let stat = format!("/proc/{pid}/stat");
            while fs::read_to_string(&stat).is_ok_and(|stat| !after_name(&stat).starts_with(" Z")) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}
