//! TLS on the listeners: 1.2 and 1.3, with the suites of the provider, all of which are AEAD with forward secrecy (T133).
//! No early data: what is sent before the handshake is done can be sent again by others.
//!
//! Certificates come from files and are read anew when told, and every few seconds. A pair that cannot be used keeps the
//! one before in place, and connections that are open go on with the one that they began with.

mod files;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use keymint_app::App;
use keymint_app::listen::{PairConfig, TlsConfig};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use files::{Content, Pair};

pub use files::TlsError;

/// HTTP/1.1, as clients ask for it (RFC 7301).
pub const HTTP1: &[u8] = b"http/1.1";
/// HTTP/2.
pub const HTTP2: &[u8] = b"h2";
/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(3);
/// How long a handshake may take: as long as a head (T70).
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// The TLS of one listener.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shelf: Arc<Shelf>,
}

/// The certificates of one listener, which change while it runs.
#[derive(Debug)]
struct Shelf {
    listener: &'static str,
    files: Vec<PairConfig>,
    pairs: ArcSwap<Vec<Pair>>,
    /// What was seen of the files when they were last looked at: their digest, or what was wrong with them.
    seen: Mutex<String>,
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs.load();
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = asked.and_then(|name| pairs.iter().find(|pair| pair.is_for(&name)));
        named.or_else(|| pairs.first()).map(|pair| Arc::clone(&pair.certified))
    }
}

impl Pair {
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        let certificate = self.certified.cert.first().map(ParsedCertificate::try_from);
        certificate.and_then(Result::ok).is_some_and(|certificate| verify_server_name(&certificate, name).is_ok())
    }
}

impl Shelf {
    fn read(&self) -> Result<Vec<Content>, TlsError> {
        self.files.iter().map(Content::read).collect()
    }

    /// Puts the pairs in place, and says of each when it ends.
    fn put(&self, contents: &[Content], app: &App) -> Result<(), TlsError> {
        let provider = aws_lc_rs::default_provider();
        let pairs = contents.iter().map(|content| content.understand(&provider)).collect::<Result<Vec<_>, _>>()?;
        let now = app.clock.now().seconds();
        for Pair { file, not_before, not_after, .. } in &pairs {
            app.metrics.certificate_ends(self.listener, &file.display().to_string(), *not_after);
            if now > *not_after || now < *not_before {
                warn_of(self.listener, file);
            }
        }
        self.pairs.store(Arc::new(pairs));
        Ok(())
    }

    /// Looks at the files; where they have changed, or `is_asked`, reads them anew.
    fn look(&self, app: &App, is_asked: bool) {
        let read = self.read();
        let sight = match &read {
            Ok(contents) => format!("{:?}", files::digest(contents)),
            Err(error) => error.to_string(),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == sight && !is_asked {
            return;
        }
        *seen = sight;
        drop(seen);
        match read.and_then(|contents| self.put(&contents, app)) {
            Ok(()) => tracing::info!(listener = self.listener, "certificates were read anew"),
            Err(error) => {
                tracing::error!(listener = self.listener, %error, "certificates cannot be read anew: those before stay");
            }
        }
    }
}

fn warn_of(listener: &str, file: &Path) {
    tracing::warn!(listener, file = %file.display(), "a certificate has expired or is not valid yet: clients refuse it");
}

impl Tls {
    /// Reads the certificates of a listener. `protocols` are those that it speaks, the best first (RFC 7301).
    ///
    /// # Errors
    /// `TlsError` says what is wrong with which file.
    pub fn open(listener: &'static str, config: &TlsConfig, protocols: &[&[u8]], app: &App) -> Result<Self, TlsError> {
        let shelf = Shelf { listener, files: config.pairs(), pairs: ArcSwap::default(), seen: Mutex::default() };
        let contents = shelf.read()?;
        shelf.put(&contents, app)?;
        *shelf.seen.lock().unwrap_or_else(PoisonError::into_inner) = format!("{:?}", files::digest(&contents));
        let shelf = Arc::new(shelf);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shelf) as Arc<dyn ResolvesServerCert>);
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(server)), shelf })
    }

    /// Shakes hands. `None` when it fails or takes too long: whatever spoke there was no TLS that we speak, and gets no
    /// answer but the alert.
    pub async fn shake<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<TlsStream<S>> {
        match tokio::time::timeout(HANDSHAKE_DEADLINE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(listener = self.shelf.listener, %error, "a handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

/// The certificates of all listeners, to be read anew.
#[derive(Clone, Default)]
pub struct Shelves(Vec<Arc<Shelf>>);

impl Shelves {
    /// Those of these listeners.
    pub fn of<'a>(listeners: impl IntoIterator<Item = &'a Option<Tls>>) -> Self {
        Self(listeners.into_iter().flatten().map(|tls| Arc::clone(&tls.shelf)).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads them anew, on a thread that may wait for a disk.
    pub async fn reload(&self, app: &App) {
        self.look(app, true).await;
    }

    async fn look(&self, app: &App, is_asked: bool) {
        let (shelves, app) = (self.0.clone(), app.clone());
        let looked = tokio::task::spawn_blocking(move || {
            for shelf in shelves {
                shelf.look(&app, is_asked);
            }
        });
        if looked.await.is_err() {
            tracing::error!("certificates could not be looked at");
        }
    }

    /// Looks at them every few seconds, until told to stop.
    pub async fn watch(self, app: App, mut stop: watch::Receiver<bool>) {
        let mut interval = tokio::time::interval(POLL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => self.look(&app, false).await,
                _ = stop.changed() => return,
            }
        }
    }
}
