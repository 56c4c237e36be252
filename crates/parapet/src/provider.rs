//! Asks the model: one executor for every provider.
//!
//! A provider's dialect is a codec in `wire`; this room owns what is the same for all of them: connections, keys,
//! deadlines, the reading of an answer up to its first content, and the naming of what went wrong. An [`attempt`]
//! never retries; what to do after a [`Failure`] is decided in the pipeline, once.

pub(crate) mod answer;
pub(crate) mod connection;
pub(crate) mod endpoint;
pub(crate) mod failure;
pub(crate) mod origin;
mod player;
pub(crate) mod pool;
pub(crate) mod simulated;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::{UnixMillis, Usage};
use http::StatusCode;
use http::header::{self, HeaderMap};
use tokio::time::Instant;
use wire::event::Malformed;
use wire::provider::{Codec, Operation};

use self::answer::{Held, Streamed};
use self::endpoint::{Endpoint, Exchanged, Key};
use self::failure::{Failure, Fault};

/// A unary answer larger than this is not one: cut. One of unknown length is collected in a buffer that doubles,
/// which holds less than 32 MiB even while it moves (FAILOVER.md, F13).
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// So is an answer with embeddings, which are long: 2,048 vectors of 3,072 numbers in base64, or 1,700 in decimals.
const MAX_EMBEDDINGS: usize = 64 * 1024 * 1024;
/// An error body is read this far.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// Lifecycle events held back before the first content, at most.
const MAX_HELD: usize = 64 * 1024;
/// A provider that asks for more patience than this is told on as asking for this much.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The response head waits for the first content this long, at most.
const MAX_HEAD_WAIT: Duration = Duration::from_secs(15);

/// What an attempt brought.
pub(crate) enum Attempted {
    /// The whole answer.
    Whole(Whole),
    /// A stream whose first meaningful event was content, or that is still silent after [`MAX_HEAD_WAIT`].
    Begun(Box<Streamed>),
}

/// What one attempt asks for.
pub(crate) struct Question<'a> {
    pub(crate) operation: Operation,
    /// The upstream's name of the model.
    pub(crate) model: &'a str,
    /// In the provider's dialect.
    pub(crate) body: Bytes,
    pub(crate) stream: bool,
    /// Of the caller's headers, those that are the provider's business.
    pub(crate) headers: Option<&'a HeaderMap>,
    /// How many vectors are wanted.
    pub(crate) inputs: usize,
}

/// A whole answer, well formed, not an error.
pub(crate) struct Whole {
    /// In the provider's dialect.
    pub(crate) body: Bytes,
    pub(crate) usage: Option<Usage>,
    /// The length of everything the model wrote, for an estimate where no usage is reported.
    pub(crate) output_bytes: usize,
}

/// One call to one target with one key. Dropping the future aborts the call.
pub(crate) async fn attempt(
    endpoint: &Endpoint,
    key: &Key,
    question: &Question<'_>,
    deadline: Option<Instant>,
) -> Result<Attempted, Failure> {
    let attempted = ask(endpoint, key, question, deadline).await;
    // A provider may repeat to the caller what was sent to it.
    attempted.map_err(|failure| endpoint.secrets(key).fold(failure, Failure::without))
}

async fn ask(
    endpoint: &Endpoint,
    key: &Key,
    question: &Question<'_>,
    deadline: Option<Instant>,
) -> Result<Attempted, Failure> {
    let began = Instant::now();
    let Question { operation, stream, inputs, .. } = *question;
    let within = if stream { endpoint.timeouts.first_event } else { endpoint.timeouts.unary };
    let until = began + within;
    let until = deadline.map_or(until, |deadline| deadline.min(until));
    let late = || Failure::new(Fault::Timeout, "no answer in time");
    let exchanged =
        tokio::time::timeout_at(until, endpoint.exchange(key, question)).await.map_err(|_| late())??;
    if exchanged.status != StatusCode::OK {
        return Err(refused(endpoint.codec, exchanged, until).await);
    }
    if exchanged.is_encoded {
        return Err(Failure::new(Fault::Malformed, "the answer is encoded, which was not asked for"));
    }
    if !stream {
        let limit = if operation == Operation::Embed { MAX_EMBEDDINGS } else { MAX_ANSWER };
        let whole = tokio::time::timeout_at(until, read_whole(exchanged, limit));
        let whole = whole.await.map_err(|_| late())??;
        return check_whole(endpoint.codec, operation, inputs, whole).map(Attempted::Whole);
    }
    if !exchanged.is_stream {
        return Err(no_stream(endpoint.codec, exchanged, until).await);
    }
    let total = began + endpoint.timeouts.total;
    let ends = deadline.map_or(total, |deadline| deadline.min(total));
    let mut streamed =
        Streamed::new(endpoint.codec, exchanged.body, until, endpoint.timeouts.between_events, ends);
    begin(&mut streamed, until, began + MAX_HEAD_WAIT).await?;
    Ok(Attempted::Begun(Box::new(streamed)))
}

/// Reads up to the first content. Until it, the next target can still be asked.
async fn begin(streamed: &mut Streamed, first_event_by: Instant, head_by: Instant) -> Result<(), Failure> {
    loop {
        let by = if streamed.has_events() { head_by } else { head_by.min(first_event_by) };
        match tokio::time::timeout_at(by, streamed.hold_next()).await {
            Ok(Ok(Held::Content | Held::Complete)) => return Ok(()),
            Ok(Ok(Held::Lifecycle)) if streamed.held_bytes() > MAX_HELD => return Ok(()),
            Ok(Ok(Held::Lifecycle)) => {}
            Ok(Err(failure)) => return Err(failure),
            // Silent for long but not too long: the caller gets the head, and the reply takes over the waiting.
            Err(_) if streamed.has_events() || Instant::now() < first_event_by => return Ok(()),
            Err(_) => return Err(Failure::new(Fault::Timeout, "no event in time")),
        }
    }
}

/// A 200 that carries an error, or no answer at all, is a failure like any other.
fn check_whole(
    codec: &dyn Codec,
    operation: Operation,
    inputs: usize,
    body: Bytes,
) -> Result<Whole, Failure> {
    let malformed =
        |malformed: Malformed| Failure::new(Fault::Malformed, "the answer is malformed").because(malformed);
    let (usage, output_bytes) = match operation {
        Operation::Chat => {
            let answer = codec.read_answer(&body).map_err(malformed)?;
            if let Some(error) = answer.error {
                return Err(Failure::told(StatusCode::OK, error));
            }
            (answer.usage, answer.choices.iter().map(wire::event::Choice::written).sum())
        }
        Operation::Embed => {
            let embeddings = codec.read_embeddings(&body).map_err(malformed)?;
            if embeddings.vectors.len() != inputs {
                return Err(Failure::new(Fault::Malformed, "not one vector for each input"));
            }
            (embeddings.usage, 0)
        }
        Operation::Count => codec.read_count(&body).map(|_| (None, 0)).map_err(malformed)?,
        Operation::Models => codec.read_models(&body).map(|_| (None, 0)).map_err(malformed)?,
    };
    Ok(Whole { body, usage, output_bytes })
}

async fn refused(codec: &dyn Codec, exchanged: Exchanged, until: Instant) -> Failure {
    let status = exchanged.status;
    let retry_after = exchanged.retry_after;
    let body = read_error_body(exchanged, until).await;
    Failure::told(status, codec.read_error(status.as_u16(), &body)).retry_after(retry_after)
}

/// A 200 without events answers a stream request with an error at best.
async fn no_stream(codec: &dyn Codec, exchanged: Exchanged, until: Instant) -> Failure {
    let retry_after = exchanged.retry_after;
    match check_whole(codec, Operation::Chat, 0, read_error_body(exchanged, until).await) {
        Err(failure) if failure.told.is_some() => failure.retry_after(retry_after),
        _ => Failure::new(Fault::Malformed, "the answer to a stream request is not an event stream"),
    }
}

/// The names of a provider's models: free, and shows that address and key are right. The simulated provider, which
/// takes any name, has none.
pub(crate) async fn models(endpoint: &Endpoint, key: &Key) -> Result<Vec<String>, Failure> {
    let until = Instant::now() + endpoint.timeouts.unary;
    let late = |_| Failure::new(Fault::Timeout, "no answer in time");
    let Some(exchanged) = tokio::time::timeout_at(until, endpoint.list_models(key)).await.map_err(late)??
    else {
        return Ok(Vec::new());
    };
    if exchanged.status != StatusCode::OK {
        return Err(refused(endpoint.codec, exchanged, until).await);
    }
    let body = tokio::time::timeout_at(until, read_whole(exchanged, MAX_ANSWER)).await.map_err(late)??;
    endpoint
        .codec
        .read_models(&body)
        .map_err(|malformed| Failure::new(Fault::Malformed, "the answer is malformed").because(malformed))
}

/// What can be had of an error's words; that something is wrong is known without them.
async fn read_error_body(exchanged: Exchanged, until: Instant) -> Bytes {
    let body = tokio::time::timeout_at(until, read_whole(exchanged, MAX_ERROR_BODY)).await;
    body.ok().and_then(Result::ok).unwrap_or_default()
}

async fn read_whole(exchanged: Exchanged, limit: usize) -> Result<Bytes, Failure> {
    let too_large = || Failure::new(Fault::Malformed, "the answer is too large");
    let length = exchanged.length.map_or(Ok(0), usize::try_from).map_err(|_| too_large())?;
    if length > limit {
        return Err(too_large());
    }
    let mut body = exchanged.body;
    // An answer in one piece, the usual case, is not copied. Of several each is copied at once: kept, every one of them
    // would hold the buffer that it was read into.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(data) = std::future::poll_fn(|cx| body.poll_data(cx)).await {
        let data = data?;
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Err(too_large());
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(length.max(first.len().saturating_add(data.len())));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    body.done();
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// How long the provider wants to be left alone, up to [`MAX_RETRY_AFTER`].
fn retry_after(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    asked_patience(headers, now).map(|asked| asked.min(MAX_RETRY_AFTER))
}

/// Seconds, an HTTP date (RFC 9110, 10.2.3), or `retry-after-ms`, as providers send them.
fn asked_patience(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    if let Some(ms) = headers.get("retry-after-ms").and_then(|v| v.to_str().ok()) {
        return ms.trim().parse::<f64>().ok().and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
    }
    let seconds = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok())?;
    if let Ok(seconds) = seconds.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(seconds).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let now = Duration::from_millis(u64::try_from(now.0).ok()?);
    Some(date.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn a_retry_after_is_read_in_every_form_that_providers_send() {
        let read = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            retry_after(&headers, UnixMillis(784_111_777_000))
        };
        assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(read("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), Some(Duration::ZERO));
        for long in ["3601", "31536000", "Sat, 06 Nov 2094 08:49:07 GMT"] {
            assert_eq!(read("retry-after", long), Some(MAX_RETRY_AFTER), "{long}");
        }
        assert_eq!(read("retry-after-ms", "1e12"), Some(MAX_RETRY_AFTER));
        for wrong in ["soon", "-1", "nan", "inf"] {
            assert_eq!(read("retry-after", wrong), None, "{wrong}");
        }
    }
}
