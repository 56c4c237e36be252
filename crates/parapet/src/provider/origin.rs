//! Where an upstream is, and how a connection to it is made.
//!
//! The base URL was parsed once, when the config was loaded; nothing here parses a URL again, and no redirect
//! is followed, so the address that was checked is the address that is called. Base URLs come from config files
//! only, which may name private addresses; a caller never chooses an upstream.
//!
//! A name's addresses race as in RFC 8305 ("happy eyeballs"), without its concurrent lookups: one that drops packets
//! costs a quarter of a second, not the whole time there is for a connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// RFC 8305, 5: the recommended "Connection Attempt Delay".
const STAGGER: Duration = Duration::from_millis(250);

/// Scheme, host and port of an upstream.
#[derive(Clone)]
pub(crate) struct Origin {
    host: Arc<str>,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the name could not be resolved")]
    Resolve(#[source] io::Error),
    #[error("the connection was refused or reset")]
    Tcp(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("`{0}` is not a valid TLS server name")]
    Name(Arc<str>),
}

impl Origin {
    pub(crate) fn new(host: &str, port: u16, tls: Option<&TlsConnector>) -> Result<Self, ConnectError> {
        let host: Arc<str> = Arc::from(host);
        let tls = match tls {
            None => None,
            Some(connector) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(bare).map_err(|_| ConnectError::Name(Arc::clone(&host)))?;
                Some((connector.clone(), name))
            }
        };
        Ok(Self { host, port, tls })
    }

    /// Resolves the name, connects to one of its addresses and secures the connection. The caller bounds the time of
    /// all three together.
    pub(crate) async fn connect(&self) -> Result<TokioIo<Socket>, ConnectError> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let addresses = tokio::net::lookup_host((host, self.port)).await.map_err(ConnectError::Resolve)?;
        let stream = race(families_interleaved(addresses)).await.map_err(ConnectError::Tcp)?;
        self.secure(stream).await.map(TokioIo::new)
    }

    async fn secure(&self, stream: TcpStream) -> Result<Socket, ConnectError> {
        // Without it, a small request that follows another waits for the peer's delayed ACK: 40 ms steps.
        stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
        match &self.tls {
            None => Ok(Socket::Plain(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(ConnectError::Tls)?;
                Ok(Socket::Tls(Box::new(stream)))
            }
        }
    }
}

/// The first connection that comes about. The next address is tried when one has failed, or has not answered for
/// [`STAGGER`].
async fn race(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let next = addresses.next();
        let is_staggered = next.is_some();
        attempts.extend(next.map(TcpStream::connect));
        tokio::select! {
            attempted = attempts.next() => match attempted {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = sleep(STAGGER), if is_staggered => {}
        }
    }
}

/// The addresses in their order, but IPv4 and IPv6 by turns (RFC 8305, 4), so that a family without a route does not
/// hold up the other.
fn families_interleaved(addresses: impl Iterator<Item = SocketAddr>) -> impl Iterator<Item = SocketAddr> {
    let (mut v4, mut v6) = (0_usize, 0_usize);
    let mut turns: Vec<(usize, SocketAddr)> = addresses
        .map(|address| {
            let turn = if address.is_ipv4() { &mut v4 } else { &mut v6 };
            *turn += 1;
            (*turn, address)
        })
        .collect();
    // A stable sort: within a turn the resolver's preference stands.
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, address)| address)
}

/// A connected socket, encrypted or not.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

/// TLS 1.2 and 1.3 against the public roots, HTTP/1.1 only: one HTTP/2 connection per host would queue at its
/// stream limit.
pub(crate) fn tls_connector() -> Result<TlsConnector, rustls::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use testkit::upstream::{BlackHole, Refusing, Upstream};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn an_address_that_drops_packets_holds_up_the_next_one_for_the_stagger_only() {
        let (hole, other_hole, upstream) =
            (BlackHole::start().await, BlackHole::start().await, Upstream::start().await);
        let began = Instant::now();
        let stream = race([hole.address(), other_hole.address(), upstream.address()]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), upstream.address());
        let took = began.elapsed();
        assert!((2 * STAGGER..4 * STAGGER).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn an_address_that_refuses_holds_up_nothing() {
        let (refusing, upstream) = (Refusing::start(), Upstream::start().await);
        let began = Instant::now();
        let stream = race([refusing.address(), upstream.address()]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), upstream.address());
        assert!(began.elapsed() < STAGGER, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn with_every_address_refusing_the_last_refusal_is_told() {
        let (one, other) = (Refusing::start(), Refusing::start());
        let refused = race([one.address(), other.address()]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let nowhere = race([]).await.unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn families_take_turns_in_the_resolvers_order() {
        let interleaved = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            families_interleaved(addresses).map(|address| address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            interleaved(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        );
        assert_eq!(
            interleaved(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"]),
            ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]
        );
    }
}
