//! TLS on the listeners: 1.2 and 1.3, with the suites of the provider, all of which are AEAD with forward secrecy (T133).
//! No early data: what is sent before the handshake is done can be sent again by others.
//!
//! Certificates come from files, or from an authority by ACME, and are read anew when told, and every few seconds. A pair that
//! cannot be used keeps the one before in place, and connections that are open go on with the one that they began with.
//!
//! Any listener answers the authority's challenges (RFC 8737): a handshake for `acme-tls/1` and nothing else, about a host
//! whose challenge is running, gets that challenge's certificate and is over. No other handshake knows that protocol.

mod files;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use keymint_app::App;
use keymint_app::acme::challenges::Challenges;
use keymint_app::acme::{Acme, Managed};
use keymint_app::listen::{PairConfig, TlsConfig};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use files::{Content, Shown};

pub use files::TlsError;

/// HTTP/1.1, as clients ask for it (RFC 7301).
pub const HTTP1: &[u8] = b"http/1.1";
/// HTTP/2.
pub const HTTP2: &[u8] = b"h2";
/// An authority that looks at a challenge (RFC 8737 section 4).
const ACME: &[u8] = b"acme-tls/1";
/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(3);
/// How long a handshake may take: as long as a head (T70).
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// The TLS of one listener.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    challenges: Arc<Challenges>,
    shelf: Arc<Shelf>,
}

/// Where the certificates of a listener come from.
enum Source {
    /// Files of the operator's.
    Files(Vec<PairConfig>),
    /// An authority.
    Acme(Arc<Managed>),
}

/// The certificates of one listener, which change while it runs.
struct Shelf {
    listener: &'static str,
    source: Source,
    pairs: ArcSwap<Vec<Shown>>,
    /// What was seen of the source when it was last looked at: a digest, or what was wrong with it.
    seen: Mutex<String>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs.load();
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = asked.and_then(|name| pairs.iter().find(|shown| shown.pair.is_for(&name)));
        named.or_else(|| pairs.first()).map(|shown| Arc::clone(&shown.pair.certified))
    }
}

impl Shelf {
    fn read(&self) -> Result<Vec<Content>, TlsError> {
        match &self.source {
            Source::Files(files) => files.iter().map(Content::read).collect(),
            Source::Acme(managed) => {
                let issued = managed.current();
                Ok(issued.iter().map(|issued| Content::issued(issued, &managed.file)).collect())
            }
        }
    }

    /// Puts the pairs in place, and says of each when it ends.
    fn put(&self, contents: &[Content], app: &App) -> Result<(), TlsError> {
        let pairs = contents.iter().map(Content::understand).collect::<Result<Vec<_>, _>>()?;
        let now = app.clock.now().seconds();
        for Shown { pair, file } in &pairs {
            app.metrics.certificate_ends(self.listener, &file.display().to_string(), pair.validity.not_after);
            if !pair.validity.has(now) {
                warn_of(self.listener, file);
            }
        }
        self.pairs.store(Arc::new(pairs));
        Ok(())
    }

    /// Looks at the source; where it has changed, or `is_asked`, reads it anew.
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
    pub fn open(
        listener: &'static str,
        config: &TlsConfig,
        protocols: &[&[u8]],
        (app, acme): (&App, &Acme),
    ) -> Result<Self, TlsError> {
        let managed = config.acme.as_ref().and_then(|config| acme.find(config));
        let source = managed.map_or_else(|| Source::Files(config.pairs()), |managed| Source::Acme(Arc::clone(managed)));
        let shelf = Shelf { listener, source, pairs: ArcSwap::default(), seen: Mutex::default() };
        let contents = shelf.read()?;
        shelf.put(&contents, app)?;
        *shelf.seen.lock().unwrap_or_else(PoisonError::into_inner) = format!("{:?}", files::digest(&contents));
        let shelf = Arc::new(shelf);
        let config = server_config(Arc::clone(&shelf) as Arc<dyn ResolvesServerCert>, protocols)?;
        Ok(Self { config, challenges: Arc::clone(acme.challenges()), shelf })
    }

    /// Shakes hands. `None` when it fails or takes too long: whatever spoke there was no TLS that we speak, and gets no
    /// answer but the alert. `None` as well for an authority, which has then seen what it came for.
    pub async fn shake<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<TlsStream<S>> {
        match tokio::time::timeout(HANDSHAKE_DEADLINE, self.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(listener = self.shelf.listener, %error, "a handshake failed");
                None
            }
            Err(_) => None,
        }
    }

    async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> std::io::Result<Option<TlsStream<S>>> {
        let started = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let Some(challenge) = self.challenge(&started.client_hello()) else {
            return started.into_stream(Arc::clone(&self.config)).await.map(Some);
        };
        let shown = Arc::new(SingleCertAndKey::from(challenge));
        let config = server_config(shown, &[ACME]).map_err(std::io::Error::other)?;
        let mut seen = started.into_stream(config).await?;
        // It may have gone already.
        let _ = seen.shutdown().await;
        Ok(None)
    }

    /// What an authority is shown, where that is who says hello.
    fn challenge(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_authority = hello.alpn().is_some_and(|protocols| protocols.eq([ACME]));
        let host = hello.server_name().filter(|_| is_authority)?;
        self.challenges.find(&host.to_ascii_lowercase())
    }
}

/// TLS with these certificates, for these protocols.
fn server_config(shown: Arc<dyn ResolvesServerCert>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
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
