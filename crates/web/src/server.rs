//! All listeners together, started and stopped as one.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use http::HeaderName;
use keymint_app::App;
use keymint_app::acme::Acme;
use keymint_app::listen::{ListenConfig, TlsConfig};
use keymint_app::products::Product;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::Front;
use crate::arrival::{Proxies, UrlScheme};
use crate::gateway::{Gateway, Policy};
use crate::internal::Internal;
use crate::listener::{self, Running, Setting};
use crate::pages::GatewayPlace;
use crate::proxy::health;
use crate::tls::{HTTP1, HTTP2, Shelves, Tls, TlsError};
use crate::{api, console, ext_authz, sandbox};

/// Where to listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Console and management API.
    pub console: SocketAddr,
    /// The gateway.
    pub gateway: SocketAddr,
    /// The internal listener.
    pub internal: SocketAddr,
    /// Envoy's ext_authz over gRPC, where it is wanted.
    pub ext_authz: Option<SocketAddr>,
}

/// The running listeners.
pub struct Server {
    /// Where they listen: with the ports that were given for port 0.
    pub addresses: Addresses,
    shelves: Shelves,
    acme: Acme,
    stop: watch::Sender<bool>,
    gateway: Running,
    internal: Running,
    ext_authz: Option<ext_authz::Running>,
    console: JoinHandle<()>,
}

/// Why the listeners did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be bound, or a thread cannot be had.
    #[error("the listeners cannot be had; is another Keymint running on these ports?")]
    Socket(#[from] std::io::Error),
    /// A certificate or its key cannot be used.
    #[error("`listen.{listener}_tls`: {cause}")]
    Tls {
        /// The listener.
        listener: &'static str,
        /// What is wrong.
        cause: TlsError,
    },
    /// A product names a sandbox that is not there.
    #[error("the product `{product}` names the sandbox `{sandbox}`; known are {}", sandbox::NAMES.join(", "))]
    Sandbox {
        /// The product.
        product: String,
        /// What it names.
        sandbox: String,
    },
}

fn tls(
    listener: &'static str,
    config: Option<&TlsConfig>,
    protocols: &[&[u8]],
    certificates: (&App, &Acme),
) -> Result<Option<Tls>, StartError> {
    let opened = config.map(|config| Tls::open(listener, config, protocols, certificates)).transpose();
    opened.map_err(|cause| StartError::Tls { listener, cause })
}

/// Starts the listeners over an app, on so many threads, and what looks after their certificates.
///
/// # Errors
/// `StartError`.
pub async fn start(
    app: &App,
    listen: &ListenConfig,
    threads: usize,
    connections_max: usize,
    acme: Acme,
) -> Result<Server, StartError> {
    let is_unknown = |product: &&Arc<Product>| !sandbox::NAMES.contains(&&*product.sandbox);
    if let Some(product) = app.products.iter().find(is_unknown) {
        let (product, sandbox) = (product.name.to_string(), product.sandbox.to_string());
        return Err(StartError::Sandbox { product, sandbox });
    }
    let certificates = (app, &acme);
    let gateway_tls = tls("gateway", listen.gateway_tls.as_ref(), &[HTTP2, HTTP1], certificates)?;
    let console_tls = tls("console", listen.console_tls.as_ref(), &[HTTP1], certificates)?;
    let internal_tls = tls("internal", listen.internal_tls.as_ref(), &[HTTP1], certificates)?;
    let shelves = Shelves::of([&gateway_tls, &console_tls, &internal_tls]);
    let (stop, stopped) = watch::channel(false);
    let (listener, console_address) = console::bind(listen.console).await?;
    let setting = Setting { threads, connections_max, stop: stopped.clone(), tls: gateway_tls };
    let proxies = Proxies::new(&listen.trusted_proxies);
    let policy = Policy {
        proxies: proxies.clone(),
        live_over_plain_http: listen.live_over_plain_http,
        gateway_url: listen.gateway_url.clone(),
    };
    let gateway_app = app.clone();
    let gateway = listener::start("gateway", listen.gateway, &setting, move || {
        Gateway::new(gateway_app.clone(), policy.clone())
    })?;
    tokio::spawn(health::watch(app.products.upstreams().to_vec(), stopped.clone()));
    let setting = Setting { tls: internal_tls, ..setting };
    // The configuration was checked: it is a name.
    let client_ip_header: Option<HeaderName> = listen.client_ip_header.as_deref().and_then(|name| name.parse().ok());
    let (internal_app, internal_proxies) = (app.clone(), proxies.clone());
    let internal = listener::start("internal", listen.internal, &setting, move || {
        Internal::new(internal_app.clone(), internal_proxies.clone(), client_ip_header.clone())
    })?;
    let ext_authz = listen.ext_authz.map(|address| ext_authz::start(app.clone(), address, stopped.clone()));
    let ext_authz = ext_authz.transpose()?;
    let scheme = if listen.gateway_tls.is_some() { UrlScheme::Https } else { UrlScheme::Http };
    let place = GatewayPlace { address: gateway.address, scheme, url: listen.gateway_url.clone() };
    let front = Front { proxies, console_url: listen.console_url.clone() };
    let router = api::router(app.clone(), front).layer(Extension(place));
    if !shelves.is_empty() {
        tokio::spawn(shelves.clone().watch(app.clone(), stopped.clone()));
    }
    acme.carry(app, stopped.clone());
    let console = tokio::spawn(console::serve(listener, console_tls, router, stopped));
    let addresses = Addresses {
        console: console_address,
        gateway: gateway.address,
        internal: internal.address,
        ext_authz: ext_authz.as_ref().map(|running| running.address),
    };
    Ok(Server { addresses, shelves, acme, stop, gateway, internal, ext_authz, console })
}

impl Server {
    /// Looks at once at everything about certificates: reads files anew, and orders what is missing or could not be had.
    pub async fn look_at_certificates(&self, app: &App) {
        self.shelves.reload(app).await;
        self.acme.wake();
    }

    /// Lets open connections finish, then ends every listener.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.console.await;
        if let Some(ext_authz) = self.ext_authz {
            ext_authz.join().await;
        }
        let (gateway, internal) = (self.gateway, self.internal);
        let _ = tokio::task::spawn_blocking(move || {
            gateway.join();
            internal.join();
        })
        .await;
    }
}
