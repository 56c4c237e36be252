//! One configured upstream account: where it is, its keys, its connections.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use domain::ProviderName;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use std::time::Duration;
use tokio::time::Instant;

use wire::provider::{Codec, Credential, Framing, Kind, Operation, Place};

use super::Question;
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
    pub(crate) codec: &'static dyn Codec,
    keys: Vec<Key>,
    next_key: AtomicUsize,
    via: Via,
}

/// A key as it goes into a request. Never printed.
pub(crate) struct Key {
    header: Option<(HeaderName, HeaderValue)>,
}

enum Via {
    Network(Box<Network>),
    Simulated { settings: simulated::Settings, clock: Arc<dyn domain::Clock>, attempts: AtomicU64 },
}

struct Network {
    origin: Origin,
    pool: Arc<Pool>,
    paths: Paths,
    host: HeaderValue,
    /// The API's own and the config's.
    headers: HeaderMap,
    clock: Arc<dyn domain::Clock>,
}

/// Where requests go. Most APIs have one place for all models; it is put together once.
struct Paths {
    codec: &'static dyn Codec,
    /// The base URL's path without a trailing slash.
    base: String,
    api_version: Option<String>,
    chat: Option<PathAndQuery>,
    chat_stream: Option<PathAndQuery>,
}

impl Paths {
    fn new(
        codec: &'static dyn Codec,
        base: String,
        api_version: Option<String>,
    ) -> Result<Self, http::Error> {
        let mut paths = Self { codec, base, api_version, chat: None, chat_stream: None };
        paths.chat = paths.fixed(false)?;
        paths.chat_stream = paths.fixed(true)?;
        Ok(paths)
    }

    fn fixed(&self, stream: bool) -> Result<Option<PathAndQuery>, http::Error> {
        match self.codec.path(&self.place(Operation::Chat, "", stream)) {
            Some(Cow::Borrowed(path)) => Ok(Some(PathAndQuery::try_from(format!("{}{path}", self.base))?)),
            _ => Ok(None),
        }
    }

    fn to(&self, operation: Operation, model: &str, stream: bool) -> Result<PathAndQuery, Failure> {
        let fixed = if stream { &self.chat_stream } else { &self.chat };
        if let (Operation::Chat, Some(path)) = (operation, fixed) {
            return Ok(path.clone());
        }
        let path = self.codec.path(&self.place(operation, model, stream));
        let path = path.ok_or_else(|| Failure::new(Fault::Unsuited, "the provider has no such operation"))?;
        PathAndQuery::try_from(format!("{}{path}", self.base))
            .map_err(|_| Failure::new(Fault::Unsuited, "the model's name cannot stand in a path"))
    }

    fn place<'a>(&'a self, operation: Operation, model: &'a str, stream: bool) -> Place<'a> {
        Place { operation, model, stream, api_version: self.api_version.as_deref() }
    }
}

/// The head of an answer and the way to its bytes.
pub(crate) struct Exchanged {
    pub(crate) status: StatusCode,
    pub(crate) is_stream: bool,
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
    pub(crate) api_version: Option<String>,
}

/// The simulated provider is as slow as its settings say. Within a stream a word takes 40 s at the slowest rate, so
/// that longer silence is a stall.
const UNHURRIED: config::Timeouts = config::Timeouts {
    connect: Duration::from_secs(3),
    first_event: Duration::from_secs(600),
    between_events: Duration::from_secs(60),
    total: Duration::from_secs(3600),
    unary: Duration::from_secs(3600),
};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("parapet/", env!("CARGO_PKG_VERSION")));
/// Nothing is decompressed, so no answer can be larger than it looks.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A peer that closes an idle connection does so within a round trip of a request that crosses the close. One that
/// takes longer has perhaps worked on the request, which is not repeated for free then.
const STALE_CLOSE: Duration = Duration::from_secs(1);

impl Endpoint {
    pub(crate) fn network(
        name: ProviderName,
        kind: &'static Kind,
        timeouts: config::Timeouts,
        keys: &[config::Secret],
        parts: NetworkParts,
        clock: Arc<dyn domain::Clock>,
    ) -> Result<Self, http::Error> {
        let codec = kind.codec;
        let mut made = Vec::with_capacity(keys.len().max(1));
        for key in keys {
            let (header, mut value) = match codec.credential() {
                Credential::Bearer => {
                    (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", key.expose()))?)
                }
                Credential::Header(name) => {
                    (HeaderName::from_static(name), HeaderValue::try_from(key.expose())?)
                }
            };
            value.set_sensitive(true);
            made.push(Key { header: Some((header, value)) });
        }
        if made.is_empty() {
            made.push(Key { header: None });
        }
        let mut headers = HeaderMap::new();
        for (name, value) in codec.headers() {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.extend(parts.headers);
        let network = Network {
            origin: parts.origin,
            pool: Arc::default(),
            paths: Paths::new(codec, parts.base_path, parts.api_version)?,
            host: HeaderValue::try_from(parts.authority)?,
            headers,
            clock,
        };
        let via = Via::Network(Box::new(network));
        Ok(Self { name, timeouts, codec, keys: made, next_key: AtomicUsize::new(0), via })
    }

    pub(crate) fn simulated(
        name: ProviderName,
        settings: simulated::Settings,
        clock: Arc<dyn domain::Clock>,
    ) -> Self {
        Self {
            name,
            timeouts: UNHURRIED,
            codec: &wire::openai::OPENAI,
            keys: vec![Key { header: None }],
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

    /// What is sent to the provider and is nobody else's to see: the key and the config's headers.
    pub(super) fn secrets<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a str> {
        let headers = match &self.via {
            Via::Network(network) => Some(&network.headers),
            Via::Simulated { .. } => None,
        };
        let values = headers.into_iter().flat_map(HeaderMap::values).filter(|value| value.is_sensitive());
        let key = key.header.iter().map(|(_, value)| value);
        key.chain(values)
            .filter_map(|value| value.to_str().ok())
            .map(|value| value.strip_prefix("Bearer ").unwrap_or(value))
    }

    /// Whether the provider can be asked for this at all.
    pub(crate) fn offers(&self, operation: Operation) -> bool {
        let place = Place { operation, model: "", stream: false, api_version: None };
        self.codec.path(&place).is_some()
    }

    /// Sends a request and waits for the answer's head.
    pub(super) async fn exchange(&self, key: &Key, question: &Question<'_>) -> Result<Exchanged, Failure> {
        match &self.via {
            Via::Network(network) => {
                let Question { operation, model, ref body, stream, headers, .. } = *question;
                let path = network.paths.to(operation, model, stream)?;
                let framing = self.codec.framing();
                let accept = if stream { HeaderValue::from_static(framing.content_type()) } else { JSON };
                let to = Sent { method: Method::POST, path, accept, headers, body: body.clone() };
                network.call(self.timeouts.connect, key, to, framing).await
            }
            Via::Simulated { settings, clock, attempts } => {
                let nonce = attempts.fetch_add(1, Ordering::Relaxed);
                let script = match question.operation {
                    Operation::Embed => simulated::embeddings(settings, nonce, &question.body)?,
                    _ => simulated::answer(settings, clock.now().seconds(), nonce, &question.body)?,
                };
                tokio::time::sleep(script.first_after).await;
                let status = StatusCode::from_u16(script.status).unwrap_or(StatusCode::OK);
                let is_stream = script.content_type.starts_with("text/event-stream");
                let retry_after = script.retry_after;
                let body = AnswerBody::Simulated(Box::new(Player::new(script)));
                Ok(Exchanged { status, is_stream, is_encoded: false, length: None, retry_after, body })
            }
        }
    }

    /// Asks for the list of models: a call that costs nothing and shows that address and key are right.
    pub(super) async fn list_models(&self, key: &Key) -> Result<Option<Exchanged>, Failure> {
        match &self.via {
            Via::Simulated { .. } => Ok(None),
            Via::Network(network) => {
                let path = network.paths.to(Operation::Models, "", false)?;
                let to = Sent { method: Method::GET, path, accept: JSON, headers: None, body: Bytes::new() };
                network.call(self.timeouts.connect, key, to, self.codec.framing()).await.map(Some)
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

/// A request but for what every request to this provider has.
struct Sent<'a> {
    method: Method,
    path: PathAndQuery,
    accept: HeaderValue,
    /// The caller's, for the provider.
    headers: Option<&'a HeaderMap>,
    body: Bytes,
}

impl Network {
    async fn call(
        &self,
        connect: Duration,
        key: &Key,
        to: Sent<'_>,
        framing: Framing,
    ) -> Result<Exchanged, Failure> {
        let request = || self.request(key, &to);
        if let Some(lent) = self.pool.take() {
            let sent = Instant::now();
            match lent.connection.send(request()).await {
                Ok(response) => return Ok(self.exchanged(response, lent.born, framing)),
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
        Ok(self.exchanged(response, Instant::now(), framing))
    }

    fn request(&self, key: &Key, to: &Sent<'_>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(to.body.clone()));
        *request.method_mut() = to.method.clone();
        *request.uri_mut() = Uri::from(to.path.clone());
        let headers = request.headers_mut();
        headers.reserve(self.headers.len() + to.headers.map_or(0, HeaderMap::len) + 6);
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, to.accept.clone());
        headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        if to.method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        if let Some((name, value)) = &key.header {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        for (name, value) in to.headers.into_iter().flatten() {
            // Of previews there can be several, the config's among them; there is one version.
            if name == BETA {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
        }
        request
    }

    fn exchanged(
        &self,
        response: http::Response<super::connection::Answer>,
        born: Instant,
        framing: Framing,
    ) -> Exchanged {
        let (head, answer) = response.into_parts();
        let mut encodings = head.headers.get_all(header::CONTENT_ENCODING).iter();
        let content_type = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        Exchanged {
            status: head.status,
            is_stream: content_type.to_ascii_lowercase().starts_with(framing.content_type().as_bytes()),
            is_encoded: encodings.any(|name| !name.as_bytes().eq_ignore_ascii_case(b"identity")),
            length: answer.length(),
            retry_after: super::retry_after(&head.headers, self.clock.now()),
            body: AnswerBody::Http { answer: Box::new(answer), pool: Arc::clone(&self.pool), born },
        }
    }
}
