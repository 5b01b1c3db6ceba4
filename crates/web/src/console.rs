//! The console listener: management API and pages, on the ordinary runtime. axum's own server sets no timer, so a client
//! that never finishes its head would hold a connection for ever; this loop does (T70).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::Layer;

use crate::arrival::{Arrival, UrlScheme};
use crate::tls::Tls;

/// How long a head may take to arrive.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Open connections at the most.
const CONNECTIONS_MAX: usize = 4096;
/// Most that a connection reads ahead, and so the largest head. Bytes; hyper's own choice is above 400,000, which many
/// uploads at once would fill.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long open connections may finish at a stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Where a request comes from, as far as guesses are counted: an address, or the /64 that an IPv6 client has to
/// itself (T77).
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

impl Client {
    /// Of this address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Binds an address.
///
/// # Errors
/// When the address cannot be bound.
pub async fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves a router on a listener until `stop` becomes true.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, router: Router, mut stop: watch::Receiver<bool>) {
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, client): (TcpStream, SocketAddr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&open).try_acquire_owned() else { continue };
        let (router, tls, watcher, address) = (router.clone(), tls.clone(), graceful.watcher(), client.ip());
        tokio::spawn(async move {
            match tls {
                None => converse(stream, Arrival { address, scheme: UrlScheme::Http }, router, watcher).await,
                Some(tls) => {
                    if let Some(stream) = tls.shake(stream).await {
                        converse(stream, Arrival { address, scheme: UrlScheme::Https }, router, watcher).await;
                    }
                }
            }
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

/// One connection until it ends.
async fn converse<T>(stream: T, arrival: Arrival, router: Router, watcher: Watcher)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Extension(arrival).layer(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let _ = watcher.watch(connection).await;
}
