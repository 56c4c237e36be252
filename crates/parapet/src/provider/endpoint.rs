//! One configured upstream account: where it is, its keys, its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use domain::ProviderName;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use std::time::Duration;
use tokio::time::Instant;

use super::answer::AnswerBody;
use super::connection::Connection;
use super::failure::{Failure, Fault};
use super::origin::Origin;
use super::player::Player;
use super::pool::Pool;
use super::simulated;

pub(crate) struct Endpoint {
    pub(crate) name: ProviderName,
    pub(crate) timeouts: config::Timeouts,
    pub(crate) flavor: wire::openai::Flavor,
    keys: Vec<Key>,
    next_key: AtomicUsize,
    via: Via,
}

/// A key as it goes into a request. Never printed.
pub(crate) struct Key {
    authorization: Option<HeaderValue>,
}

enum Via {
    Network(Box<Network>),
    Simulated { settings: simulated::Settings, clock: Arc<dyn domain::Clock>, attempts: AtomicU64 },
}

struct Network {
    origin: Origin,
    pool: Arc<Pool>,
    chat: PathAndQuery,
    models: PathAndQuery,
    host: HeaderValue,
    headers: HeaderMap,
    clock: Arc<dyn domain::Clock>,
}

/// The head of an answer and the way to its bytes.
pub(crate) struct Exchanged {
    pub(crate) status: StatusCode,
    pub(crate) is_event_stream: bool,
    /// The body is compressed although nobody asked for it.
    pub(crate) is_encoded: bool,
    /// The body's length in bytes, where the head tells.
    pub(crate) length: Option<u64>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: AnswerBody,
}

/// What an endpoint over the network is made of.
pub(crate) struct NetworkParts {
    pub(crate) origin: Origin,
    /// `host[:port]`, as the Host header wants it.
    pub(crate) authority: String,
    /// The base URL's path without a trailing slash.
    pub(crate) base_path: String,
    pub(crate) headers: HeaderMap,
}

/// The simulated provider is as slow as its settings say.
const UNHURRIED: config::Timeouts = config::Timeouts {
    connect: Duration::from_secs(3),
    first_event: Duration::from_secs(600),
    between_events: Duration::from_secs(600),
    total: Duration::from_secs(3600),
    unary: Duration::from_secs(3600),
};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("parapet/", env!("CARGO_PKG_VERSION")));
/// Nothing is decompressed, so no answer can be larger than it looks.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A peer that closes an idle connection does so within a round trip of a request that crosses the close. One that
/// takes longer has perhaps worked on the request, which is not repeated for free then.
const STALE_CLOSE: Duration = Duration::from_secs(1);

impl Endpoint {
    pub(crate) fn network(
        name: ProviderName,
        timeouts: config::Timeouts,
        flavor: wire::openai::Flavor,
        keys: &[config::Secret],
        parts: NetworkParts,
        clock: Arc<dyn domain::Clock>,
    ) -> Result<Self, http::Error> {
        let mut made = Vec::with_capacity(keys.len().max(1));
        for key in keys {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))?;
            value.set_sensitive(true);
            made.push(Key { authorization: Some(value) });
        }
        if made.is_empty() {
            made.push(Key { authorization: None });
        }
        let network = Network {
            origin: parts.origin,
            pool: Arc::default(),
            chat: PathAndQuery::try_from(format!("{}/chat/completions", parts.base_path))?,
            models: PathAndQuery::try_from(format!("{}/models", parts.base_path))?,
            host: HeaderValue::try_from(parts.authority)?,
            headers: parts.headers,
            clock,
        };
        let via = Via::Network(Box::new(network));
        Ok(Self { name, timeouts, flavor, keys: made, next_key: AtomicUsize::new(0), via })
    }

    pub(crate) fn simulated(
        name: ProviderName,
        settings: simulated::Settings,
        clock: Arc<dyn domain::Clock>,
    ) -> Self {
        Self {
            name,
            timeouts: UNHURRIED,
            flavor: wire::openai::Flavor::OpenAi,
            keys: vec![Key { authorization: None }],
            next_key: AtomicUsize::new(0),
            via: Via::Simulated { settings, clock, attempts: AtomicU64::new(0) },
        }
    }

    pub(crate) const fn is_simulated(&self) -> bool {
        matches!(self.via, Via::Simulated { .. })
    }

    /// The keys in the order to try them: each request begins with the next one.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (usize, &Key)> {
        let count = self.keys.len().max(1);
        let first = if count == 1 { 0 } else { self.next_key.fetch_add(1, Ordering::Relaxed) % count };
        let indexed = || self.keys.iter().enumerate();
        indexed().skip(first).chain(indexed().take(first))
    }

    /// Sends a chat request and waits for the answer's head.
    pub(super) async fn exchange(&self, key: &Key, body: Bytes, stream: bool) -> Result<Exchanged, Failure> {
        match &self.via {
            Via::Network(network) => {
                let accept = if stream { EVENT_STREAM } else { JSON };
                network.call(self.timeouts.connect, Method::POST, &network.chat, key, accept, body).await
            }
            Via::Simulated { settings, clock, attempts } => {
                let nonce = attempts.fetch_add(1, Ordering::Relaxed);
                let script = simulated::answer(settings, clock.now().seconds(), nonce, &body)?;
                tokio::time::sleep(script.first_after).await;
                let status = StatusCode::from_u16(script.status).unwrap_or(StatusCode::OK);
                let is_event_stream = script.content_type.starts_with("text/event-stream");
                let retry_after = script.retry_after;
                let body = AnswerBody::Simulated(Box::new(Player::new(script)));
                Ok(Exchanged { status, is_event_stream, is_encoded: false, length: None, retry_after, body })
            }
        }
    }

    /// Asks for the list of models: a call that costs nothing and shows that address and key are right.
    pub(crate) async fn probe(&self, key: &Key) -> Result<StatusCode, Failure> {
        match &self.via {
            Via::Simulated { .. } => Ok(StatusCode::OK),
            Via::Network(network) => {
                let call = network.call(
                    self.timeouts.connect,
                    Method::GET,
                    &network.models,
                    key,
                    JSON,
                    Bytes::new(),
                );
                let late = |_| Failure::new(Fault::Timeout, "no answer in time");
                Ok(tokio::time::timeout(self.timeouts.unary, call).await.map_err(late)??.status)
            }
        }
    }

    /// Closes idle connections that are past their time.
    pub(crate) fn sweep(&self) {
        if let Via::Network(network) = &self.via {
            network.pool.sweep();
        }
    }
}

impl Network {
    async fn call(
        &self,
        connect: Duration,
        method: Method,
        path: &PathAndQuery,
        key: &Key,
        accept: HeaderValue,
        body: Bytes,
    ) -> Result<Exchanged, Failure> {
        let request = || self.request(method.clone(), path, key, accept.clone(), body.clone());
        if let Some(lent) = self.pool.take() {
            let sent = Instant::now();
            match lent.connection.send(request()).await {
                Ok(response) => return Ok(self.exchanged(response, lent.born)),
                // One free retry on a fresh connection where the request was certainly, or very likely, not seen.
                Err(unanswered)
                    if unanswered.was_never_sent()
                        || unanswered.was_closed_silently() && sent.elapsed() < STALE_CLOSE => {}
                Err(unanswered) => return Err(Failure::from(unanswered.error)),
            }
        }
        let late = |_| Failure::new(Fault::Connect, "no connection in time");
        let io =
            tokio::time::timeout(connect, self.origin.connect()).await.map_err(late)?.map_err(|error| {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                Failure::new(Fault::Connect, error.to_string()).because(cause)
            })?;
        let connection = Connection::open(io).await?;
        let response =
            connection.send(request()).await.map_err(|unanswered| Failure::from(unanswered.error))?;
        Ok(self.exchanged(response, Instant::now()))
    }

    fn request(
        &self,
        method: Method,
        path: &PathAndQuery,
        key: &Key,
        accept: HeaderValue,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let has_body = method == Method::POST;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(path.clone());
        let headers = request.headers_mut();
        headers.reserve(self.headers.len() + 6);
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, accept);
        headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        if has_body {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        if let Some(authorization) = &key.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        request
    }

    fn exchanged(&self, response: http::Response<super::connection::Answer>, born: Instant) -> Exchanged {
        let (head, answer) = response.into_parts();
        let mut encodings = head.headers.get_all(header::CONTENT_ENCODING).iter();
        let content_type = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        Exchanged {
            status: head.status,
            is_event_stream: content_type.to_ascii_lowercase().starts_with(b"text/event-stream"),
            is_encoded: encodings.any(|name| !name.as_bytes().eq_ignore_ascii_case(b"identity")),
            length: answer.length(),
            retry_after: super::retry_after(&head.headers, self.clock.now()),
            body: AnswerBody::Http { answer: Box::new(answer), pool: Arc::clone(&self.pool), born },
        }
    }
}
