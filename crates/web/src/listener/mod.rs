//! Listeners: one single-threaded runtime per thread with `SO_REUSEPORT`, so that a payment never waits behind a page.

mod http1;
mod http2;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::LocalOptions;
use tokio::sync::watch;

use crate::arrival::{Arrival, UrlScheme};
use crate::deadline::Deadlines;
use crate::gateway::wire::Fault;
use crate::proxy::Introduction;
use crate::reply::Response;
use crate::tls::{HTTP2, Tls};

/// How long a head may take to arrive (T70).
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Most fields of a head; above, 431.
const FIELDS_MAX: usize = 64;
/// Largest head. Bytes; above, 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What the system keeps of an answer beyond what is on its way already. There is room for more once half of it has gone:
/// whoever takes that much in the looks of `deadline.rs` is not cut off. Bytes.
const UNSENT_BYTES: u32 = 64 * 1024;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// How long open connections may finish at a stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after accepting failed, as when descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What a service sees of a connection, or of one request of an HTTP/2 connection.
pub struct Peer {
    /// How its requests come, as far as we see.
    pub arrival: Arrival,
    /// Whether its bytes were strict HTTP so far.
    pub fault: Fault,
    /// Where the deadline of a body is noted.
    pub deadlines: Deadlines,
    /// How the proxy introduced the last of its requests.
    pub introduction: RefCell<Option<Introduction>>,
    is_cut: Cell<bool>,
    /// As long as anything knows the peer, its connection counts as open.
    _open: Rc<Open>,
}

impl Peer {
    /// Closes the connection when its task next runs, whatever is under way on it; of HTTP/2, the one stream.
    pub fn cut(&self) {
        self.is_cut.set(true);
    }
}

/// Something that answers requests.
pub trait Service: 'static {
    /// Answers one request. Never fails: trouble is an answer too.
    fn answer(&self, request: hyper::Request<hyper::body::Incoming>, peer: &Rc<Peer>)
    -> impl Future<Output = Response>;

    /// Begins what it does beside answering, on its thread's own runtime.
    fn start(&self) {}
}

/// Fails when somebody else listens there: `SO_REUSEPORT` alone would let two programs share a port, and clients would
/// reach either.
fn check_free(address: SocketAddr) -> std::io::Result<()> {
    std::net::TcpListener::bind(address).map(drop)
}

/// Binds an address so that several threads can accept on it.
///
/// # Errors
/// When the address is taken or not allowed.
fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Connections have it from their listener. What a client does not take stays with whoever sends it, instead of in the
    // megabytes that the system would give each connection, and a client that takes little is seen to take it.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A running listener; stops when told.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Waits until every thread has ended, after `stop` was told.
    pub fn join(self) {
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// How a listener runs.
#[derive(Clone)]
pub struct Setting {
    /// Threads.
    pub threads: usize,
    /// Open connections at the most.
    pub connections_max: usize,
    /// Becomes true when it is time to stop.
    pub stop: watch::Receiver<bool>,
    /// Its TLS; without it, it speaks plain HTTP.
    pub tls: Option<Tls>,
}

/// A connection that was accepted.
struct Accepted<S> {
    arrival: Arrival,
    service: Rc<S>,
    stop: watch::Receiver<bool>,
    open: Open,
}

/// Starts the threads of a listener.
///
/// # Errors
/// When the address cannot be bound or a thread cannot be had.
pub fn start<S: Service>(
    name: &str,
    address: SocketAddr,
    setting: &Setting,
    make: impl Fn() -> S + Send + Clone + 'static,
) -> std::io::Result<Running> {
    check_free(address)?;
    let first = bind(address)?;
    let address = first.local_addr()?;
    let open = Arc::new(AtomicUsize::new(0));
    let mut sockets = vec![first];
    for _ in 1..setting.threads {
        sockets.push(bind(address)?);
    }
    let mut threads = Vec::new();
    for (index, socket) in sockets.into_iter().enumerate() {
        let (setting, make, open) = (setting.clone(), make.clone(), Arc::clone(&open));
        let thread = std::thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => runtime.block_on(accept(socket, setting, Rc::new(make()), open)),
                Err(error) => tracing::error!(%error, "a listener's runtime could not start"),
            }
        })?;
        threads.push(thread);
    }
    Ok(Running { address, threads })
}

async fn accept<S: Service>(
    socket: std::net::TcpListener,
    mut setting: Setting,
    service: Rc<S>,
    open: Arc<AtomicUsize>,
) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a listener could not start");
            return;
        }
    };
    service.start();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = setting.stop.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if open.fetch_add(1, Ordering::Relaxed) >= setting.connections_max {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let _ = stream.set_nodelay(true);
        let scheme = if setting.tls.is_some() { UrlScheme::Https } else { UrlScheme::Http };
        let arrival = Arrival { address: peer.ip(), scheme };
        let (service, stop) = (Rc::clone(&service), setting.stop.clone());
        let accepted = Accepted { arrival, service, stop, open: Open(Arc::clone(&open)) };
        match &setting.tls {
            None => connections.spawn_local(http1::serve(stream, accepted)),
            Some(tls) => connections.spawn_local(encrypted(stream, tls.clone(), accepted)),
        };
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
}

/// Counts an open connection until dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that has to begin with a handshake. It counts as open from the first.
async fn encrypted<S: Service>(stream: TcpStream, tls: Tls, accepted: Accepted<S>) {
    let Some(stream) = tls.shake(stream).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
        http2::serve(stream, accepted).await;
    } else {
        http1::serve(stream, accepted).await;
    }
}
