//! Listeners: one single-threaded runtime per thread with `SO_REUSEPORT`, so that a payment never waits behind a page.

mod crowd;
mod http1;
mod http2;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::LocalOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::crowd::Crowd;
use crate::arrival::{Arrival, UrlScheme};
use crate::deadline::{Deadlines, Watch, deadlines};
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
/// How long what is under way may take at a stop.
const DRAIN: Duration = Duration::from_secs(25);
/// How long who was about to connect at a stop has to have done so.
const CLOSE_PAUSE: Duration = Duration::from_millis(20);
/// Connections of one thread that are told to come again at a time; who comes then is closed at once.
const DECLINED_MAX: usize = 256;
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
    deadlines: (Deadlines, Watch),
}

/// A thread of a listener.
struct Thread<S> {
    setting: Setting,
    service: Rc<S>,
    open: Arc<AtomicUsize>,
    connections: JoinSet<()>,
    crowd: Crowd,
    declined: JoinSet<()>,
}

impl<S: Service> Thread<S> {
    /// Stops listening. Who has connected already is answered; who comes now may come to the next process. The queue is made
    /// short first, so that it can be emptied: whoever is still in it when it goes is cut off, and does not know why.
    async fn close(&mut self, listener: TcpListener) -> std::io::Result<()> {
        let listener = listener.into_std()?;
        SockRef::from(&listener).listen(0)?;
        tokio::time::sleep(CLOSE_PAUSE).await;
        while let Ok((stream, peer)) = listener.accept() {
            stream.set_nonblocking(true)?;
            self.take(TcpStream::from_std(stream)?, peer);
        }
        Ok(())
    }

    /// Takes a connection, or makes another one go for it, or declines it.
    fn take(&mut self, stream: TcpStream, peer: SocketAddr) {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&self.open));
        if before >= self.setting.connections_max && !self.crowd.make_room() {
            // Under TLS nobody could read it.
            if self.setting.tls.is_none() && self.declined.len() < DECLINED_MAX {
                self.declined.spawn_local(crowd::decline(stream));
            }
            return;
        }
        let _ = stream.set_nodelay(true);
        let scheme = if self.setting.tls.is_some() { UrlScheme::Https } else { UrlScheme::Http };
        let arrival = Arrival { address: peer.ip(), scheme };
        // A copy that has heard of no stop yet: who comes at the last moment hears of it.
        let (service, stop) = (Rc::clone(&self.service), self.setting.stop.clone());
        let (noted, watch) = deadlines(HEAD_DEADLINE);
        let accepted = Accepted { arrival, service, stop, open, deadlines: (noted.clone(), watch) };
        let task = match &self.setting.tls {
            None => self.connections.spawn_local(http1::serve(stream, accepted)),
            Some(tls) => self.connections.spawn_local(encrypted(stream, tls.clone(), accepted)),
        };
        self.crowd.add(task, noted, self.connections.len());
    }
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

async fn accept<S: Service>(socket: std::net::TcpListener, setting: Setting, service: Rc<S>, open: Arc<AtomicUsize>) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a listener could not start");
            return;
        }
    };
    service.start();
    let mut stop = setting.stop.clone();
    let (connections, declined) = (JoinSet::new(), JoinSet::new());
    let mut thread = Thread { setting, service, open, connections, crowd: Crowd::default(), declined };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
            Some(_) = thread.connections.join_next() => continue,
            Some(_) = thread.declined.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => thread.take(stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    if let Err(error) = thread.close(listener).await {
        tracing::warn!(%error, "connections that had come before the stop could not be taken");
    }
    let drained = async { while thread.connections.join_next().await.is_some() {} };
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
