//! All listeners together, started and stopped as one.

use std::net::SocketAddr;

use axum::Extension;
use http::HeaderName;
use keymint_app::App;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::gateway::Gateway;
use crate::internal::Internal;
use crate::listener::{self, Running, Setting};
use crate::pages::GatewayPlace;
use crate::proxy::health;
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

/// How they run.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Threads of the gateway, and of the internal listener.
    pub threads: usize,
    /// Open connections of one listener.
    pub connections_max: usize,
    /// Where merchants' servers reach the gateway, if that is told.
    pub gateway_url: Option<String>,
    /// Where the proxies that ask by forward-auth name their client, if that is believed.
    pub client_ip_header: Option<HeaderName>,
}

/// The running listeners.
pub struct Server {
    /// Where they listen: with the ports that were given for port 0.
    pub addresses: Addresses,
    stop: watch::Sender<bool>,
    gateway: Running,
    internal: Running,
    ext_authz: Option<ext_authz::Running>,
    console: JoinHandle<()>,
}

/// Starts the listeners over an app.
///
/// # Errors
/// When an address cannot be bound, or a product names a sandbox that is not there.
pub async fn start(app: &App, addresses: Addresses, terms: Terms) -> std::io::Result<Server> {
    let Terms { threads, connections_max, gateway_url, client_ip_header } = terms;
    for product in app.products.iter() {
        if !sandbox::NAMES.contains(&&*product.sandbox) {
            let problem = format!(
                "the product `{}` names the sandbox `{}`; known are {}",
                product.name,
                product.sandbox,
                sandbox::NAMES.join(", ")
            );
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem));
        }
    }
    let (stop, stopped) = watch::channel(false);
    let (listener, console_address) = console::bind(addresses.console).await?;
    let setting = Setting { threads, connections_max, stop: stopped.clone() };
    let gateway_app = app.clone();
    let gateway = listener::start("gateway", addresses.gateway, &setting, move || Gateway::new(gateway_app.clone()))?;
    tokio::spawn(health::watch(app.products.upstreams().to_vec(), stopped.clone()));
    let internal_app = app.clone();
    let internal = listener::start("internal", addresses.internal, &setting, move || {
        Internal::new(internal_app.clone(), client_ip_header.clone())
    })?;
    let ext_authz = addresses.ext_authz.map(|address| ext_authz::start(app.clone(), address, stopped.clone()));
    let ext_authz = ext_authz.transpose()?;
    let place = GatewayPlace { address: gateway.address, url: gateway_url };
    let router = api::router(app.clone()).layer(Extension(place));
    let console = tokio::spawn(console::serve(listener, router, stopped));
    let addresses = Addresses {
        console: console_address,
        gateway: gateway.address,
        internal: internal.address,
        ext_authz: ext_authz.as_ref().map(|running| running.address),
    };
    Ok(Server { addresses, stop, gateway, internal, ext_authz, console })
}

impl Server {
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
