//! The bare server: hyper, one single-threaded runtime per core with `SO_REUSEPORT`, and no work of its own.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};

/// What the system keeps of an answer beyond what is on its way. Bytes.
const UNSENT_BYTES: u32 = 64 * 1024;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;

/// What is long. Bytes.
const LONG: usize = 4 * 1024 * 1024;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// 204 at once.
    Empty,
    /// 204 once the body is there.
    Read,
    /// The body, as JSON.
    Echo,
    /// 204, or 4 MiB where the query asks for something long.
    Long,
}

/// What it takes.
#[derive(Args)]
pub struct Options {
    /// What to answer
    #[arg(long)]
    mode: Mode,
}

/// Serves until it is killed. The first line it prints is its address.
///
/// # Errors
/// When there is no port or no thread to be had.
pub fn run(options: &Options) -> Result<()> {
    let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let threads = std::thread::available_parallelism()?.get();
    let mut sockets = vec![first];
    for _ in 1..threads {
        sockets.push(bind(address)?);
    }
    let mode = options.mode;
    let threads: Vec<_> = sockets.into_iter().map(|socket| std::thread::spawn(move || serve(socket, mode))).collect();
    println!("{address}");
    threads
        .into_iter()
        .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the bare server ended"))?)
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // An upstream has a machine of its own; here what it keeps unsent for thousands that do not read would be all the memory that
    // the system has for connections, and everybody on the machine would wait.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into()).context("binding")?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn serve(socket: TcpListener, mode: Mode) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(socket)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service_fn(move |request| answer(request, mode));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(request: Request<Incoming>, mode: Mode) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_long = mode == Mode::Long && request.uri().query() == Some("long");
    let body = match mode {
        Mode::Long if is_long => Bytes::from_static(&[b'x'; LONG]),
        Mode::Empty | Mode::Long => Bytes::new(),
        Mode::Read | Mode::Echo => {
            request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
        }
    };
    let mut response = Response::new(Full::default());
    if mode == Mode::Echo || is_long {
        *response.body_mut() = Full::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    } else {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    Ok(response)
}
