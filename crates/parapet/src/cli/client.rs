//! The command line's HTTP client: one request, one connection.

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use config::BaseUrl;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;

use crate::provider::connection::{Answer, Connection};
use crate::provider::origin::{Origin, tls_connector};

pub(super) struct Client {
    base: BaseUrl,
    key: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str, key: Option<String>) -> anyhow::Result<Self> {
        let base = url.parse().map_err(|error| anyhow::anyhow!("`{url}`: {error}"))?;
        Ok(Self { base, key })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        let status = response.status();
        Ok((status, whole(response.into_body()).await?))
    }

    /// Posts JSON; the answer is read by the caller.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<Response<Answer>> {
        self.send(Method::POST, path, Bytes::from(body.to_string())).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Response<Answer>> {
        let tls = match self.base.scheme() {
            config::Scheme::Https => Some(tls_connector()?),
            config::Scheme::Http => None,
        };
        let origin = Origin::new(self.base.host(), self.base.port(), tls.as_ref())?;
        let unreachable = || format!("cannot reach {}: is `parapet serve` running?", self.base);
        let io = origin.connect().await.with_context(unreachable)?;
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("{}{path}", self.base.path()))
            .header(header::HOST, self.base.authority())
            .header(header::USER_AGENT, concat!("parapet-cli/", env!("CARGO_PKG_VERSION")));
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        Ok(Connection::open(io).await?.send(request.body(Full::new(body))?).await?)
    }
}

pub(super) async fn whole(mut answer: Answer) -> anyhow::Result<Bytes> {
    let mut body = BytesMut::new();
    while let Some(data) = next(&mut answer).await? {
        body.extend_from_slice(&data);
    }
    Ok(body.freeze())
}

pub(super) async fn next(answer: &mut Answer) -> anyhow::Result<Option<Bytes>> {
    Ok(std::future::poll_fn(|cx| answer.poll_data(cx)).await.transpose()?)
}

/// The message and hint of an error body.
pub(super) fn words(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let word = |name: &str| body.pointer(&format!("/error/{name}")).and_then(|value| value.as_str());
    match (word("message"), word("hint")) {
        (Some(message), Some(hint)) => format!("{message}\n  = help: {hint}"),
        (Some(message), None) => message.to_owned(),
        _ => "no explanation was given".to_owned(),
    }
}
