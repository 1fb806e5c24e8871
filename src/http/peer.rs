//! The socket of a connection, of either kind, and a look at what its client speaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[derive(Debug)]
pub(super) enum Peer {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How clients begin who know that we speak HTTP/2 and need not ask. No method of HTTP/1 begins so.
const PREFACE: [u8; 3] = *b"PRI";

/// How long the rest of three bytes is waited for before looking again. They never come apart but from somebody who tries us.
const REST: Duration = Duration::from_millis(10);

// === impl Peer ===

impl Peer {
    /// Whether the client begins with HTTP/2. Waits for its first bytes, and leaves them to whoever reads.
    pub(super) async fn begins_http2(&self) -> io::Result<bool> {
        loop {
            let mut first = [0; PREFACE.len()];
            let seen = match self {
                Self::Tcp(stream) => stream.peek(&mut first).await?,
                Self::Unix(stream) => {
                    let look = || Ok(recv(stream, &mut first, RecvFlags::PEEK)?.1);
                    stream.async_io(Interest::READABLE, look).await?
                }
            };
            if seen == 0 || seen == first.len() || !PREFACE.starts_with(&first[..seen]) {
                return Ok(first == PREFACE);
            }
            tokio::time::sleep(REST).await;
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn tcp() -> (Peer, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Peer::Tcp(listener.accept().await.unwrap().0), far)
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_stay_where_they_are() {
        for (said, is_http2) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], true),
            (b"POST /mcp HTTP/1.1\r\n", false),
            (b"PRO", false),
            (b"P", false),
            (b"", false),
        ] {
            let (mut near, mut far) = tcp().await;
            far.write_all(said).await.unwrap();
            drop(far);
            if said != b"P" {
                assert_eq!(near.begins_http2().await.unwrap(), is_http2, "{said:?}");
            }
            let mut read = Vec::new();
            near.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, said);

            let (near, mut far) = UnixStream::pair().unwrap();
            let mut near = Peer::Unix(near);
            far.write_all(said).await.unwrap();
            if said.len() > 1 {
                assert_eq!(near.begins_http2().await.unwrap(), is_http2, "{said:?}");
                let mut read = vec![0; said.len()];
                near.read_exact(&mut read).await.unwrap();
                assert_eq!(read, said);
            }
        }
    }

    #[tokio::test]
    async fn bytes_that_come_one_by_one_are_waited_for() {
        let (near, mut far) = tcp().await;
        let one_by_one = async {
            for byte in PREFACE {
                far.write_all(&[byte]).await.unwrap();
                far.flush().await.unwrap();
                tokio::time::sleep(REST).await;
            }
        };
        let (is_http2, ()) = tokio::join!(near.begins_http2(), one_by_one);
        assert!(is_http2.unwrap());
    }
}
