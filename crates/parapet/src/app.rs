//! The composition root: everything is constructed here and nowhere else, and passed down.

pub(crate) mod drain;
pub(crate) mod settings;
pub(crate) mod tasks;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::{Clock, IdSource};
use store::{AuditEntry, Store};

use self::drain::Drain;
use self::settings::Settings;
use self::tasks::Tasks;
use crate::telemetry::events::{self, Bus, Event};
use crate::telemetry::log::{SetLevel, Sink};
use crate::telemetry::metrics::{DbLabels, Metrics, ObserveDuration as _};

/// The running server's components.
pub(crate) struct App {
    settings: ArcSwap<Settings>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Bus,
    pub(crate) log: Sink,
    set_log_level: SetLevel,
    pub(crate) tasks: Tasks,
    pub(crate) drain: Drain,
    /// The agent label of raw models.
    pub(crate) no_agent: Arc<str>,
}

/// What the root is given.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) log: Sink,
    pub(crate) set_log_level: SetLevel,
    pub(crate) tasks: Tasks,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { settings, store, clock, ids, log, set_log_level, tasks } = parts;
        Arc::new(Self {
            metrics: Metrics::new(env!("CARGO_PKG_VERSION"), &settings.release),
            settings: ArcSwap::from_pointee(settings),
            store,
            clock,
            ids,
            events: Bus::default(),
            log,
            set_log_level,
            tasks,
            drain: Drain::default(),
            no_agent: Arc::from("-"),
        })
    }

    /// The settings as they are now. A request takes them once.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Puts new settings in force for the requests that follow.
    pub(crate) async fn replace_settings(&self, settings: Settings) -> Result<(), store::Error> {
        let (before, after) = (Arc::clone(&self.settings().hash), Arc::clone(&settings.hash));
        (self.set_log_level)(settings.config().telemetry.logs.level);
        self.settings.store(Arc::new(settings));
        self.metrics.config_last_reload_successful.set(1);
        self.events.publish(Event::Config { hash: Arc::clone(&after), accepted: true });
        let hash =
            |hash: &str| serde_json::value::to_raw_value(&serde_json::json!({ "config_hash": hash })).ok();
        let tenant = self.settings().local.principal.tenant.clone();
        let entry = AuditEntry {
            tenant,
            actor: "system".to_owned(),
            key: None,
            ip: None,
            action: "config.reload",
            object: "config".to_owned(),
            before: hash(&before),
            after: hash(&after),
            request: None,
        };
        self.store.audit(entry).await
    }

    /// A new config was refused; the old one stays.
    pub(crate) fn reload_refused(&self) {
        self.metrics.config_last_reload_successful.set(0);
        let hash = Arc::clone(&self.settings().hash);
        self.events.publish(Event::Config { hash, accepted: false });
    }

    /// Awaits a store call and observes how long it took.
    pub(crate) async fn timed<T>(&self, query: &'static str, call: impl Future<Output = T>) -> T {
        let began = self.clock.ticks();
        let done = call.await;
        let span = self.clock.ticks().since(began);
        self.metrics.db_query_duration.get_or_create(&DbLabels { query }).observe_duration(span);
        done
    }

    /// Brings the gauges up to date that are read rather than kept.
    pub(crate) fn observe(&self) {
        let stats = self.store.stats();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.queue_depth.set(gauge(stats.queued));
        self.metrics.log_lines_dropped.set(gauge(self.log.dropped()));
    }

    /// Work that is always going on: events are written down, idle provider connections are closed in time, the
    /// data directory is looked after.
    pub(crate) fn spawn_upkeep(self: &Arc<Self>) {
        let (app, events) = (Arc::clone(self), self.events.listen());
        self.tasks.spawn("event log", async move {
            tokio::select! {
                () = app.drain.done() => {}
                () = events::write_to_log(events) => {}
            }
        });
        let app = Arc::clone(self);
        self.tasks.spawn("upkeep", async move {
            let mut tick = tokio::time::interval(Duration::from_secs(5));
            loop {
                tokio::select! {
                    () = app.drain.done() => return,
                    _ = tick.tick() => {
                        for endpoint in app.settings().catalog.endpoints() {
                            endpoint.sweep();
                        }
                        // The store has logged what it found, and refuses writes; `/ready` tells.
                        let _ = app.store.inspect().await;
                    }
                }
            }
        });
    }
}
