//! The internal listener, for the operator's own services: verify API, forward-auth, the keys of identity tokens, health,
//! readiness, metrics. It has no
//! authentication of its own; its network is its wall.

use std::rc::Rc;

use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;
use keymint_app::App;
use keymint_domain::dialect::answer::quote;
use keymint_domain::identity;

use crate::arrival::Proxies;
use crate::forward_auth::{self, Asking};
use crate::listener::{Peer, Service};
use crate::reply::{self, Response};
use crate::verify_api;

/// The internal listener's service.
pub struct Internal {
    app: App,
    proxies: Proxies,
    client_ip_header: Option<HeaderName>,
}

impl Internal {
    /// The service over an app, behind these proxies. `client_ip_header` is where the proxies that ask name their client, if
    /// that is believed.
    pub fn new(app: App, proxies: Proxies, client_ip_header: Option<HeaderName>) -> Self {
        Self { app, proxies, client_ip_header }
    }

    async fn ready(&self) -> Response {
        let can_read = self.app.db.read().await.is_ok();
        if self.app.is_serving() && can_read {
            return reply::json(200, r#"{"status":"ready"}"#);
        }
        reply::json(503, r#"{"status":"not_ready"}"#)
    }
}

impl Service for Internal {
    async fn answer(&self, request: hyper::Request<Incoming>, peer: &Rc<Peer>) -> Response {
        let (parts, body) = request.into_parts();
        if peer.fault.load(std::sync::atomic::Ordering::Relaxed) {
            return reply::closing(problem(400, "The request can be read in more than one way and was refused."));
        }
        match (parts.method.as_str(), parts.uri.path()) {
            ("POST", "/v1/verify") => verify_api::one(&self.app, body, peer).await,
            ("POST", "/v1/verify/batch") => verify_api::batch(&self.app, body, peer).await,
            ("GET", "/healthz") => reply::json(200, r#"{"status":"alive"}"#),
            ("GET", "/readyz") => self.ready().await,
            ("GET", "/metrics") => {
                reply::whole(200, "application/openmetrics-text; version=1.0.0", self.app.metrics.text())
            }
            ("GET", "/.well-known/jwks.json") => key_set(&self.app),
            (_, "/v1/verify" | "/v1/verify/batch" | "/healthz" | "/readyz" | "/metrics" | "/.well-known/jwks.json") => {
                problem(405, "This method is not allowed here.")
            }
            (_, path) if path.starts_with(forward_auth::PATH) => {
                let asking = Asking {
                    app: &self.app,
                    proxies: &self.proxies,
                    client_ip_header: self.client_ip_header.as_ref(),
                    peer,
                };
                asking.answer(&parts, body).await
            }
            _ => problem(404, "There is nothing at this path."),
        }
    }
}

/// The keys by which upstreams check identity tokens. They change with the ring, so whoever keeps them asks again now and
/// then, and when a token names one that is not among them.
fn key_set(app: &App) -> Response {
    let mut response = reply::json(200, identity::key_set(&app.keyring));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// A problem (RFC 9457) of the caller, who is a service of the operator's.
pub fn problem(status: u16, detail: &str) -> Response {
    let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let body = format!(r#"{{"title":{},"status":{status},"detail":{}}}"#, quote(title), quote(detail));
    reply::whole(status, "application/problem+json", body)
}
