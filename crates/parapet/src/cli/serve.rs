//! `parapet serve`: starts everything, waits for signals, ends everything in order.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ::config::{AuthMode, Config, Fault, Place, Style};
use anyhow::Context as _;
use clap::Args;
use domain::{Clock, IdSource, SystemClock, TimeOrderedIds};
use store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::load::{self, Faulty, Sources};
use super::{Done, Global, paint};
use crate::app::settings::{Secrets, Settings};
use crate::app::tasks::Tasks;
use crate::app::{App, Parts};
use crate::edge::listen;
use crate::edge::routes::Listener;
use crate::provider::origin::tls_connector;
use crate::telemetry::log::{self, SetLevel, Sink};

/// Operations connections have a bound of their own.
const OPERATIONS_CONNECTIONS: usize = 256;
/// What was cut has this long to be told and settled: a little longer than a client has to read it.
const CUT: Duration = Duration::from_millis(1500);
/// Then the store, and what still runs.
const CLOSING: Duration = Duration::from_secs(10);
/// After a second signal all of it together takes at most five seconds (FAILOVER.md, Drain).
const HURRIED_DRAIN: Duration = Duration::from_millis(2000);
const HURRIED_CLOSING: Duration = Duration::from_millis(1000);

#[derive(Args)]
pub(super) struct Serve {
    /// Writes the addresses listened on as JSON, once they are: for tools that start the server on port 0.
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self, global: &Global) -> Done {
        let sources = Sources::find(global)?;
        let loaded = match sources.load()? {
            Ok(loaded) => loaded,
            Err(faults) => return Ok(Faulty(faults).report()),
        };
        let style = if paint::on_stderr() { Style::Colour } else { Style::Plain };
        eprint!("{}", ::config::render(&loaded.notices, style));
        let logs = loaded.config.telemetry.logs;
        std::panic::set_hook(Box::new(|panic| {
            // Where, never what: the text of a panic can quote what was being worked on.
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(at, "a defect: something panicked");
        }));
        let sink = Sink::start(std::io::stdout(), logs.format)?;
        let set_log_level = log::install(&sink, logs.level);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(serve(self, &sources, loaded, sink.clone(), set_log_level));
        // Name look-ups that still run are not waited for.
        runtime.shutdown_background();
        sink.close();
        ended.map(|()| ExitCode::SUCCESS)
    }
}

async fn serve(
    command: Serve,
    sources: &Sources,
    loaded: ::config::Loaded,
    sink: Sink,
    set_log_level: SetLevel,
) -> anyhow::Result<()> {
    let signals = Signals::install()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let ids: Arc<dyn IdSource> = Arc::new(TimeOrderedIds::new(Arc::clone(&clock)));
    let tls = tls_connector()?;
    let settings = settings(sources, loaded, &tls, &clock)?;
    let listeners = Listeners::bind(settings.config())?;
    let tasks = Tasks::default();
    let storage = &settings.config().storage;
    let options = store::Options {
        data_dir: storage.data_dir.clone(),
        durability: match storage.durability {
            ::config::Durability::Full => store::Durability::Full,
            ::config::Durability::Relaxed => store::Durability::Relaxed,
        },
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let (store, writer) = Store::open(options).await?;
    let writing = tasks.spawn("store writer", writer.run());
    let app = App::new(Parts { settings, store, clock, ids, log: sink, set_log_level, tasks });
    app.spawn_upkeep();
    let addresses = listeners.accept(&app)?;
    if let Some(path) = &command.ports_file {
        addresses.write_to(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprint!("{}", banner(&app.settings(), &addresses, &sources.name()));
    tracing::info!(public = %addresses.public, config_hash = %app.settings().hash, "serving");
    let left = signals.wait(&app, sources, &tls).await;
    let closed = async {
        app.store.close().await;
        drop(writing.await);
        app.tasks.ended().await;
    };
    if tokio::time::timeout(left, closed).await.is_err() {
        tracing::warn!(running = ?app.tasks.running(), "tasks did not end");
    }
    tracing::info!("ended");
    Ok(())
}

fn settings(
    sources: &Sources,
    loaded: ::config::Loaded,
    tls: &TlsConnector,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Settings> {
    let env = |name: &str| sources.env.get(name).cloned();
    Settings::build(loaded, &Secrets { env: &env, read: &load::read }, tls, clock)
}

/// The bound sockets, before anything is accepted.
struct Listeners {
    public: TcpListener,
    metrics: TcpListener,
    admin: TcpListener,
    room: Arc<Semaphore>,
}

/// Where the server can be reached.
#[derive(serde::Serialize)]
struct Addresses {
    public: SocketAddr,
    metrics: SocketAddr,
    admin: SocketAddr,
}

impl Listeners {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let server = &config.server;
        Ok(Self {
            public: listen::bind(server.listen, "server.listen")?,
            metrics: listen::bind(server.metrics, "server.metrics.listen")?,
            admin: listen::bind(server.admin, "server.admin.listen")?,
            room: Arc::new(Semaphore::new(listen::room(server.max_connections))),
        })
    }

    fn accept(self, app: &Arc<App>) -> anyhow::Result<Addresses> {
        let addresses = Addresses {
            public: self.public.local_addr()?,
            metrics: self.metrics.local_addr()?,
            admin: self.admin.local_addr()?,
        };
        let operations = Arc::new(Semaphore::new(OPERATIONS_CONNECTIONS));
        for (name, listener, kind, room) in [
            ("public listener", self.public, Listener::Public, &self.room),
            ("metrics listener", self.metrics, Listener::Metrics, &operations),
            ("admin listener", self.admin, Listener::Admin, &operations),
        ] {
            app.tasks.spawn(name, listen::accept(Arc::clone(app), listener, kind, Arc::clone(room)));
        }
        Ok(addresses)
    }
}

impl Addresses {
    /// Written beside and renamed, so that a reader never sees half of it.
    fn write_to(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let partial = path.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec(self)?)?;
        Ok(std::fs::rename(partial, path)?)
    }
}

fn banner(settings: &Settings, at: &Addresses, config: &str) -> String {
    let mode = match settings.config().auth.mode {
        AuthMode::Open => "open: every request from this machine is the admin of the tenant `default`",
        AuthMode::Required => "required: callers need a key (auth.keys)",
    };
    let public = load::reachable(at.public);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<8} {value}");
    };
    line("api", format!("http://{public}"));
    line(
        "metrics",
        format!("http://{}{}", load::reachable(at.metrics), settings.config().telemetry.metrics_path),
    );
    line("admin", format!("http://{}/admin/v1/config", load::reachable(at.admin)));
    line("data", settings.config().storage.data_dir.display().to_string());
    line("config", config.to_owned());
    line("auth", mode.to_owned());
    if let Some(agent) = settings.config().agents.keys().next() {
        let key = if settings.is_open() { "" } else { " -H \"authorization: Bearer $PARAPET_API_KEY\"" };
        line(
            "try",
            format!(
                "curl http://{public}/v1/agents/{agent}/query{key} -H 'content-type: application/json' -d '{{\"message\":\"Hello\"}}'"
            ),
        );
        line("or", format!("parapet chat {agent}"));
    }
    format!("{} {}\n{text}", paint::strong("parapet"), env!("CARGO_PKG_VERSION"))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn install() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Reloads on SIGHUP until SIGTERM or SIGINT, then drains. Returns how long what is left may take.
    async fn wait(mut self, app: &Arc<App>, sources: &Sources, tls: &TlsConnector) -> Duration {
        loop {
            tokio::select! {
                () = Self::end(&mut self.terminate, &mut self.interrupt) => break,
                _ = self.reload.recv() => {}
            }
            tokio::select! {
                () = Self::end(&mut self.terminate, &mut self.interrupt) => break,
                () = reload(app, sources, tls) => {}
            }
        }
        tracing::info!("draining");
        app.drain.begin();
        let shutdown = app.settings().config().server.shutdown;
        let orderly = async {
            tokio::time::sleep(shutdown.accept_for).await;
            app.drain.close();
            drop(tokio::time::timeout(shutdown.drain, app.drain.public_connections_ended()).await);
            CLOSING
        };
        let hurried = async {
            Self::end(&mut self.terminate, &mut self.interrupt).await;
            tracing::info!("hurrying");
            app.drain.close();
            drop(tokio::time::timeout(HURRIED_DRAIN, app.drain.public_connections_ended()).await);
            HURRIED_CLOSING
        };
        let left = tokio::select! {
            left = orderly => left,
            left = hurried => left,
        };
        app.drain.cut();
        // What was cut is told and settled; then everything else ends.
        drop(tokio::time::timeout(CUT, app.drain.public_connections_ended()).await);
        app.drain.finish();
        left
    }

    async fn end(terminate: &mut Signal, interrupt: &mut Signal) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// A fault and where it is, in a line.
fn located(fault: &Fault) -> String {
    match &fault.place {
        Some(Place::File(at)) => format!("{} ({}:{}:{})", fault.message, at.file, at.line, at.col),
        Some(Place::Env { name }) => format!("{} ({name})", fault.message),
        Some(Place::Flag { key }) => format!("{} (--set {key})", fault.message),
        None => fault.message.clone(),
    }
}

/// Reads the config again: all of it takes effect, or none.
async fn reload(app: &Arc<App>, sources: &Sources, tls: &TlsConnector) {
    let loaded = match sources.load() {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(faults)) => {
            let faults: Vec<String> = faults.iter().map(located).collect();
            tracing::error!(faults = %faults.join("; "), "the config was not reloaded: run `parapet check`");
            return app.reload_refused();
        }
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "the config was not reloaded");
            return app.reload_refused();
        }
    };
    let notices: Vec<String> = loaded.notices.iter().map(|notice| notice.message.clone()).collect();
    let restart: Vec<String> =
        app.settings().changes(&loaded).into_iter().filter(|c| c.needs_restart).map(|c| c.key).collect();
    // An implied mode follows from the listeners, and those in force are the old ones.
    let auth = &loaded.config.auth;
    let moved = restart.iter().any(|key| key.ends_with("listen"));
    if moved && !auth.explicit && auth.mode != app.settings().config().auth.mode {
        tracing::error!(
            "the config was not reloaded: other listeners would change auth.mode; restart, or write it down"
        );
        return app.reload_refused();
    }
    match settings(sources, loaded, tls, &app.clock) {
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "the config was not reloaded");
            app.reload_refused();
        }
        Ok(settings) => {
            let hash = Arc::clone(&settings.hash);
            for notice in notices {
                tracing::warn!(%notice, "config");
            }
            if let Err(error) = app.replace_settings(settings).await {
                tracing::error!(%error, "the reload could not be written to the audit log");
            }
            tracing::info!(config_hash = %hash, needs_restart = %restart.join(", "), "config reloaded");
        }
    }
}
