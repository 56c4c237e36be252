//! What holds for every request, in order, each with its reason.
//!
//! 1. ids and trace: everything that follows can be told apart, and the caller can name it to us;
//! 2. route: a path that is not in the table is refused before anything is read;
//! 3. identity: the caller is known, and may use the route, before a body is read;
//! 4. panic: one request's defect is one 500, not the end of the connection's task;
//! 5. record: each request is told once, in the log and in the metrics;
//! 6. headers: security headers, ids and trace go on every answer.
//!
//! These are plain calls rather than layers: there is one stack, it is short, and the compiler checks its order.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use domain::{Outcome, RequestId};
use futures_util::FutureExt as _;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::answer::{self, Answer};
use super::body::Body;
use super::routes::{self, Listener, Matched};
use crate::app::App;
use crate::app::settings::Settings;
use crate::identity::{Received, identify};
use crate::refusal::Refusal;
use crate::telemetry::record::{self, Record};
use crate::telemetry::trace::Trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Answers one request.
pub(crate) async fn serve(
    app: Arc<App>,
    listener: Listener,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let id = app.ids.request();
    let headers = request.headers();
    let client_id = client_request_id(headers);
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let trace = Trace::from_header(traceparent, id.uuid());
    let settings = app.settings();
    let path = table_path(listener, request.uri().path(), &settings.config().telemetry.metrics_path);
    let dialect = routes::dialect(path);
    let matched = routes::find(listener, request.method(), path);
    let route = matched.as_ref().map_or("unmatched", |matched| matched.route.path);
    let record = Record::begin(&app, id, client_id, trace, method(request.method()), route);
    let answered = match matched {
        Err(refusal) => Err(refusal),
        Ok(matched) => {
            let handled =
                handle(Arc::clone(&app), settings, matched, Arc::clone(&record), listener, peer, request);
            AssertUnwindSafe(unless_cut(&app, &record, handled))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(Refusal::internal("a handler panicked")))
        }
    };
    let mut answer = match answered {
        Ok(answer) => {
            // A stream tells its own end.
            if matches!(answer.body(), Body::Whole(_)) {
                record.tell(answer.status().as_u16(), Outcome::Ok);
            }
            answer
        }
        Err(refusal) => {
            record.refused(&refusal);
            record.tell(refusal.kind.status().as_u16(), refusal.outcome());
            answer::refusal(&refusal, id, dialect)
        }
    };
    finish(&mut answer, &record);
    Ok(answer)
}

async fn handle(
    app: Arc<App>,
    settings: Arc<Settings>,
    matched: Matched,
    record: record::Shared,
    listener: Listener,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let Matched { route, parameters } = matched;
    let (headers, uri) = (request.headers(), request.uri());
    let received = Received { settings, record, route, listener, peer, headers, uri };
    let caller = identify(received)?;
    (route.handler)(routes::Request { app, caller, parameters, http: request }).await
}

/// What is still waiting when the drain is over is told so, as a stream is. The connection is polled at that moment.
async fn unless_cut(
    app: &App,
    record: &Record,
    handled: impl Future<Output = Result<Answer, Refusal>>,
) -> Result<Answer, Refusal> {
    let mut handled = pin!(handled);
    poll_fn(|cx| match handled.as_mut().poll(cx) {
        Poll::Pending if app.drain.is_cut() && !record.is_settling() => {
            Poll::Ready(Err(Refusal::shutting_down()))
        }
        polled => polled,
    })
    .await
}

/// The path as the route table has it: only that of the metrics can be chosen in the config.
fn table_path<'a>(listener: Listener, path: &'a str, metrics: &str) -> &'a str {
    match (listener, path) {
        (Listener::Metrics, path) if path == metrics => routes::METRICS_PATH,
        (Listener::Metrics, routes::METRICS_PATH) => "",
        (_, path) => path,
    }
}

/// The caller's own id, when it is of plain characters and not too long for a log line.
fn client_request_id(headers: &HeaderMap) -> Option<Box<str>> {
    let value = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+');
    ((1..=128).contains(&value.len()) && value.bytes().all(fits)).then(|| Box::from(value))
}

fn finish(answer: &mut Answer, record: &Record) {
    let headers = answer.headers_mut();
    headers.insert(REQUEST_ID, request_id(record.client_id.as_deref(), record.id));
    if let Ok(trace) = HeaderValue::try_from(record.trace.to_string()) {
        headers.insert(TRACE_RESPONSE, trace);
    }
    for (name, value) in &SECURITY {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn request_id(client: Option<&str>, own: RequestId) -> HeaderValue {
    let own = || HeaderValue::try_from(own.to_string()).ok();
    let client = client.and_then(|id| HeaderValue::from_str(id).ok());
    client.or_else(own).unwrap_or(HeaderValue::from_static("-"))
}

/// On every answer (PRODUCT.md, S7). An API answer has nothing to frame, run or refer to; the page sets its own policy.
/// `X-XSS-Protection: 0` switches off a filter of old browsers that could itself be used to attack a page.
static SECURITY: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_XSS_PROTECTION, HeaderValue::from_static("0")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
    ),
];

/// The method as a bounded label.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
