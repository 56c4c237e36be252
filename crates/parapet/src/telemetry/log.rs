//! Log lines: one sink on stdout for everything, written in batches by its own thread.
//!
//! A line is formatted by whoever logs it and appended to a shared buffer; the thread writes the buffer when it
//! has something, at most every 20 ms. The buffer is bounded: when stdout does not take lines fast enough, new lines
//! are dropped and counted, because a blocked log must not stop the service. `kill -9` loses at most what is in the
//! buffer; nothing durable depends on it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use config::{LogFormat, LogLevel};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, reload};

const MAX_BUFFERED: usize = 4 * 1024 * 1024;
const BATCH_EVERY: Duration = Duration::from_millis(20);

/// The handle that lines go through. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sink(Arc<Shared>, LogFormat);

struct Shared {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    writing: bool,
    closed: bool,
}

impl Sink {
    /// A sink that writes to `out` from a thread of its own.
    pub(crate) fn start(out: impl Write + Send + 'static, format: LogFormat) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_all_to(out))?;
        Ok(Self(shared, format))
    }

    /// How lines are to be written.
    pub(crate) const fn format(&self) -> LogFormat {
        self.1
    }

    /// Queues one line, newline included by the caller.
    pub(crate) fn line(&self, line: &[u8]) {
        let line = &*plain(line);
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.buffer.len().saturating_add(line.len()) > MAX_BUFFERED {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = state.buffer.is_empty();
        state.buffer.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.0.filled.notify_one();
        }
    }

    /// Lines that were dropped because the sink was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Writes what is queued, then takes nothing more. Waits at most two seconds for a stdout nobody reads.
    pub(crate) fn close(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        self.0.filled.notify_one();
        let unwritten = |state: &mut State| !state.buffer.is_empty() || state.writing;
        drop(self.0.emptied.wait_timeout_while(state, Duration::from_secs(2), unwritten));
    }
}

/// A line as it may stand in a log: what could end it, colour it or turn it around, for a terminal or a viewer, is
/// written as `\u2028` is in JSON (SECURITY.md, S21). Characters like these stand within strings only, so that a line
/// of JSON stays what it is.
fn plain(line: &[u8]) -> Cow<'_, [u8]> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    // The bytes that such characters begin with in UTF-8. Without a way out of the loop, so that it is vectorised.
    let suspicious = |byte: u8| byte < b' ' || matches!(byte, 0x7f | 0xc2 | 0xe2);
    if !text.iter().fold(false, |found, byte| found | suspicious(*byte)) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len().saturating_add(16));
    for c in String::from_utf8_lossy(text).chars() {
        let separator = matches!(c, '\u{2028}' | '\u{2029}');
        let direction =
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || separator || direction {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    Cow::Owned(out.into_bytes())
}

impl Shared {
    fn write_all_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.writing = false;
            if state.buffer.is_empty() {
                self.emptied.notify_all();
            }
            while state.buffer.is_empty() {
                if state.closed {
                    return;
                }
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            // Gather what arrives within a batch's time, unless we are closing.
            let still_open = |state: &mut State| !state.closed;
            let (mut state, _) = self
                .filled
                .wait_timeout_while(state, BATCH_EVERY, still_open)
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.buffer, &mut batch);
            state.writing = true;
            drop(state);
            // A closed stdout is not a reason to stop serving.
            drop(out.write_all(&batch).and_then(|()| out.flush()));
            batch.clear();
        }
    }
}

impl Write for &Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.line(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Changes the level of what is logged from now on.
pub(crate) type SetLevel = Box<dyn Fn(LogLevel) + Send + Sync>;

/// Sends `tracing` events of `level` and above to the sink.
pub(crate) fn install(sink: &Sink, level: LogLevel) -> SetLevel {
    let (filter_layer, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(sink.clone());
    let lines = if sink.format() == LogFormat::Json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    // Fails only where a subscriber is installed already, which then stays.
    drop(tracing_subscriber::registry().with(filter_layer).with(lines).try_init());
    Box::new(move |level| drop(handle.reload(filter(level))))
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("{},hyper=warn,rustls=warn,sqlx=warn", level.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Collected(Arc<Mutex<Vec<u8>>>);

    impl Write for Collected {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_in_a_line_ends_or_colours_it() {
        let text = |line: &str| String::from_utf8(plain(line.as_bytes()).into_owned()).unwrap();
        let json = "{\"name\":\"grüße – 世界 🦀\"}\n";
        assert_eq!(text(json), json);
        let forged = serde_json::json!({ "name": "a\nb\u{1b}[31m\u{85}\u{2028}\u{2029}\u{7f}\u{202e}c" });
        let line = text(&format!("{forged}\n"));
        assert!(line.trim_end_matches('\n').is_ascii(), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), forged);
        assert_eq!(text("a\nb\r\u{1b}[31mc\n"), "a\\u000ab\\u000d\\u001b[31mc\n");
    }

    #[test]
    fn closing_writes_every_line_in_order() {
        let out = Collected::default();
        let sink = Sink::start(out.clone(), LogFormat::Json).unwrap();
        let mut expected = Vec::new();
        for n in 0..1000 {
            let line = format!("{n}\n");
            sink.line(line.as_bytes());
            expected.extend_from_slice(line.as_bytes());
        }
        sink.close();
        assert_eq!(*out.0.lock().unwrap(), expected);
        assert_eq!(sink.dropped(), 0);
    }

    #[test]
    fn a_full_sink_drops_and_counts_instead_of_blocking() {
        struct Stuck(Arc<Mutex<()>>);
        impl Write for Stuck {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                drop(self.0.lock().unwrap());
                Ok(buf.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let sink = Sink::start(Stuck(Arc::clone(&gate)), LogFormat::Json).unwrap();
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..16 {
            sink.line(&line);
        }
        assert!(sink.dropped() >= 8, "dropped {}", sink.dropped());
        drop(held);
        sink.close();
    }
}
