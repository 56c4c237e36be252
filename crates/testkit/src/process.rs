//! The built server as a child process in a directory of its own, on ports the system gave it.
//!
//! What only a real process can show: that acknowledged work survives `kill -9`, that a terminated server
//! drains, how a bad start is reported. The binary's path comes from the caller
//! (`env!("CARGO_BIN_EXE_parapet")`). The child gets no environment but what the test gives it.
//!
//! The contract with the binary: `parapet -c FILE serve --ports-file PATH` listens on port 0 where the
//! configuration says so and then writes `{"public":"127.0.0.1:1234","metrics":"…","admin":"…"}` to PATH.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::http::Request;
use crate::within_patience;

/// How often the outside of a process is looked at while a condition is waited for: it can send no wake-up.
const LOOK: Duration = Duration::from_millis(2);

/// How a server is to be started.
#[derive(Debug)]
pub struct Plan {
    binary: PathBuf,
    config: String,
    env: Vec<(String, String)>,
    args: Vec<String>,
}

/// A running server. Dropping it kills the process, and only that, and removes its directory.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    dir: TempDir,
    ports: Ports,
    child: Child,
}

/// How a process that was only to be run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    public: SocketAddr,
    metrics: SocketAddr,
    admin: SocketAddr,
}

impl Plan {
    /// A plan for the binary at that path, with an empty configuration.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self { binary: binary.into(), config: "version: 1\n".to_owned(), env: Vec::new(), args: Vec::new() }
    }

    /// The text of the config file. Listen addresses and the data directory are set from outside.
    #[must_use]
    pub fn config(mut self, yaml: impl Into<String>) -> Self {
        self.config = yaml.into();
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more argument of `serve`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Panics
    /// If it ends, or is not ready in time; with what it wrote.
    pub async fn start(self) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, ports) =
            start(&self, dir.path(), Ports { public: free, metrics: free, admin: free }).await;
        Server { plan: self, dir, ports, child }
    }

    /// Runs the server until it ends by itself, as it does when it cannot start.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn run(self) -> Ended {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut child = spawn(&self, dir.path(), Ports { public: free, metrics: free, admin: free });
        let status = within_patience("the server to end", child.wait()).await.expect("a child to wait for");
        Ended { status, stdout: read(dir.path(), "stdout"), stderr: read(dir.path(), "stderr") }
    }
}

impl Server {
    /// The address of the public listener.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.ports.public
    }

    /// The address of the metrics listener.
    #[must_use]
    pub fn metrics(&self) -> SocketAddr {
        self.ports.metrics
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.ports.admin
    }

    /// Where the config file, the output and the data directory `data` are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything written to standard output so far, over all starts.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(self.dir.path(), "stdout")
    }

    /// Everything written to standard error so far, over all starts.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(self.dir.path(), "stderr")
    }

    /// The process id, while the process has not been waited for.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the process with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn kill9(&mut self) {
        self.child.kill().await.expect("a child to kill");
    }

    /// Sends a signal, as SIGHUP to reload or SIGTERM to drain.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("a running server"), signal).expect("a child to signal");
    }

    /// Asks the process to drain with SIGTERM and waits until it has ended.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits until the process has ended.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        within_patience("the server to end", self.child.wait()).await.expect("a child to wait for")
    }

    /// Replaces the text of the config file; SIGHUP or a restart makes it count.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn reconfigure(&mut self, yaml: impl Into<String>) {
        self.plan.config = yaml.into();
        fs::write(self.dir.path().join(CONFIG), &self.plan.config).expect("a config file to write");
    }

    /// Starts the server again after it ended, on the same data and the same ports, and waits until it is ready.
    ///
    /// # Panics
    /// If it still runs, or does not become ready.
    pub async fn restart(&mut self) {
        let ended = self.child.try_wait().expect("a child to wait for");
        assert!(ended.is_some(), "the server still runs: kill or terminate it first");
        (self.child, self.ports) = start(&self.plan, self.dir.path(), self.ports).await;
    }
}

const CONFIG: &str = "parapet.yaml";
const PORTS: &str = "ports.json";

async fn start(plan: &Plan, dir: &Path, ports: Ports) -> (Child, Ports) {
    let mut child = spawn(plan, dir, ports);
    let ports = within_patience("the server to be ready", async {
        loop {
            if let Some(status) = child.try_wait().expect("a child to wait for") {
                panic!("the server ended with {status}:\n{}{}", read(dir, "stdout"), read(dir, "stderr"));
            }
            if let Some(ports) = listening(dir)
                && Request::get("/ready").send(ports.public).await.status == 200
            {
                return ports;
            }
            sleep(LOOK).await;
        }
    });
    let ports = ports.await;
    (child, ports)
}

fn spawn(plan: &Plan, dir: &Path, ports: Ports) -> Child {
    fs::write(dir.join(CONFIG), &plan.config).expect("a config file to write");
    // The file of an earlier run would name a server that is gone.
    let _ = fs::remove_file(dir.join(PORTS));
    Command::new(&plan.binary)
        .arg("-c")
        .arg(dir.join(CONFIG))
        .arg("serve")
        .arg("--ports-file")
        .arg(dir.join(PORTS))
        .args(&plan.args)
        .env_clear()
        .env("PARAPET__SERVER__LISTEN", ports.public.to_string())
        .env("PARAPET__SERVER__METRICS__LISTEN", ports.metrics.to_string())
        .env("PARAPET__SERVER__ADMIN__LISTEN", ports.admin.to_string())
        .env("PARAPET_DATA_DIR", dir.join("data"))
        .envs(plan.env.iter().map(|(name, value)| (name, value)))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(append(&dir.join("stdout")))
        .stderr(append(&dir.join("stderr")))
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {}: {e}", plan.binary.display()))
}

fn listening(dir: &Path) -> Option<Ports> {
    let ports: Value = serde_json::from_str(&fs::read_to_string(dir.join(PORTS)).ok()?).ok()?;
    let address = |name: &str| ports.get(name)?.as_str()?.parse().ok();
    Some(Ports { public: address("public")?, metrics: address("metrics")?, admin: address("admin")? })
}

fn append(path: &Path) -> File {
    File::options().create(true).append(true).open(path).expect("a file to append to")
}

fn read(dir: &Path, name: &str) -> String {
    let bytes = fs::read(dir.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::upstream::{Answer, Upstream};

    /// A program that keeps the contract: it says that it listens where `upstream` does, and sleeps.
    fn program(dir: &TempDir, upstream: &Upstream) -> PathBuf {
        let at = upstream.address();
        let path = dir.path().join("program");
        let script = format!(
            "#!/bin/sh\n[ \"$6\" = fail ] && {{ echo 'cannot listen' >&2; exit 2; }}\n\
             echo \"started in $PARAPET_DATA_DIR on $PARAPET__SERVER__LISTEN\"\n\
             echo '{{\"public\":\"{at}\",\"metrics\":\"{at}\",\"admin\":\"{at}\"}}' >\"$5.new\"; mv \"$5.new\" \"$5\"\n\
             trap 'exit 0' TERM\nwhile :; do sleep 0.02; done\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_server_starts_ends_and_starts_again_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        upstream.expect(Answer::status(503)).otherwise(Answer::status(200));
        let mut server = Plan::new(program(&dir, &upstream)).start().await;
        assert_eq!(server.public(), upstream.address());
        assert!(upstream.count() >= 2, "a server that is not ready is asked again");

        assert_eq!(server.terminate().await.code(), Some(0));
        server.restart().await;
        server.kill9().await;
        server.restart().await;
        let lines: Vec<String> = server.stdout().lines().map(ToOwned::to_owned).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].ends_with("on 127.0.0.1:0"));
        assert!(lines[1].ends_with(&format!("on {}", upstream.address())) && lines[1] == lines[2]);
    }

    #[tokio::test]
    async fn dropping_a_server_kills_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        upstream.otherwise(Answer::status(200));
        let server = Plan::new(program(&dir, &upstream)).start().await;
        let stat = format!("/proc/{}/stat", server.pid().unwrap());
        assert!(fs::exists(&stat).unwrap());
        drop(server);
        within_patience("the process to be gone", async {
            // A killed process that nobody waited for yet is a zombie.
            while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                sleep(LOOK).await;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_start_that_fails_is_told_with_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        let ended = Plan::new(program(&dir, &upstream)).arg("fail").run().await;
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(2), "cannot listen\n"));
    }
}
