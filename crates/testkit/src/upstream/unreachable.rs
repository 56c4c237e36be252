//! Upstreams that cannot be connected to, each in a way of its own. Both keep their port while they live.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Refuses every connection at once.
#[derive(Debug)]
pub struct Refusing {
    socket: TcpSocket,
}

impl Refusing {
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start() -> Self {
        // A port that is bound and not listened on answers with a reset, and nobody else can take it.
        Self { socket: bound() }
    }

    /// # Panics
    /// If the system does not know the socket's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("the address of a bound socket")
    }

    /// What to write as a provider's `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address())
    }
}

/// Answers no attempt to connect, as behind a firewall that drops packets.
#[derive(Debug)]
pub struct BlackHole {
    listener: TcpListener,
    _in_queue: TcpStream,
}

impl BlackHole {
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        // Linux drops a SYN when the accept queue is full; a backlog of 0 is full with one connection.
        let listener = bound().listen(0).expect("a socket that listens");
        let address = listener.local_addr().expect("the address of a bound listener");
        let in_queue = TcpStream::connect(address).await.expect("room for one connection");
        Self { listener, _in_queue: in_queue }
    }

    /// # Panics
    /// If the system does not know the listener's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("the address of a bound listener")
    }

    /// What to write as a provider's `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address())
    }
}

fn bound() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port on 127.0.0.1");
    socket
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_refusing_upstream_refuses_and_keeps_its_port() {
        let upstream = Refusing::start();
        for _ in 0..3 {
            let refused = TcpStream::connect(upstream.address()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        assert!(TcpListener::bind(upstream.address()).await.is_err());
    }

    #[tokio::test]
    async fn a_black_hole_leaves_a_connection_attempt_unanswered() {
        let upstream = BlackHole::start().await;
        let attempt = TcpStream::connect(upstream.address());
        assert!(tokio::time::timeout(Duration::from_millis(300), attempt).await.is_err());
    }
}
