//! Keymint in the process of a payments service: a `tower` layer that lets a request through to the service only once it is
//! known whose it is. The decision is the gateway's own, out of the same memory, so a key that is revoked is refused by the
//! next request, and there is no other process to ask.
//!
//! One process owns a Keymint database. The service that carries this layer is that process, and runs the management API
//! beside it (`keymint_web::server`); a service in another process asks the verify API.
//!
//! What the gateway sees and this cannot: the bytes before they were parsed. Put it behind a server that reads HTTP strictly,
//! as hyper does, and behind nothing that rewrites the path. A stream that outlives its request is the service's to end.
//!
//! ```no_run
//! # use keymint_layer::{Caller, KeymintLayer};
//! # use std::net::{IpAddr, SocketAddr};
//! # fn example(app: &keymint_app::App) -> Result<(), Box<dyn std::error::Error>> {
//! let layer = KeymintLayer::new(app, "razorpay")?.client_ip(|head| {
//!     head.extensions.get::<SocketAddr>().map(SocketAddr::ip)
//! });
//! // Router::new().route(…).layer(layer); the handler reads `Caller` out of the request's extensions.
//! # Ok(()) }
//! ```

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use keymint_app::App;
use keymint_app::asked::{self, Seen};
use keymint_app::products::Product;
use keymint_app::verify::{Allowed, Decision, Denied};
use keymint_domain::forwarding::goes_on;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::verify::Candidate;
use thiserror::Error;
use tower::{Layer, Service};

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The configuration has no product of that name.
#[derive(Debug, Error)]
#[error("there is no product `{0}` in the configuration")]
pub struct UnknownProduct(String);

/// Whose request it is; among the extensions of every request that the service gets.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Candidate>);

impl Caller {
    /// The credential's key id.
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// Its merchant's id.
    pub fn merchant_id(&self) -> String {
        self.0.merchant_id.to_string()
    }

    /// Its app's id.
    pub fn app_id(&self) -> String {
        self.0.app_id.to_string()
    }

    /// Test or live.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Its scopes; none where it is not restricted to some.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.restrictions.iter().flat_map(|found| &found.scopes).map(|scope| &**scope)
    }
}

/// Finds a client's address in the head of its request.
type ClientIp = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

/// What every request is held against.
#[derive(Clone)]
struct Guard {
    app: App,
    product: Arc<Product>,
    client_ip: ClientIp,
    scheme: &'static str,
}

/// Makes services that are guarded; cheap to clone.
#[derive(Clone)]
pub struct KeymintLayer(Guard);

impl KeymintLayer {
    /// For a product of the configuration. Its paths begin at `/`: a router that took a prefix away did so before.
    ///
    /// # Errors
    /// `UnknownProduct`.
    pub fn new(app: &App, product: &str) -> Result<Self, UnknownProduct> {
        let found = app.products.find(product).ok_or_else(|| UnknownProduct(product.to_owned()))?;
        let product = Arc::clone(found);
        Ok(Self(Guard { app: app.clone(), product, client_ip: Arc::new(|_| None), scheme: "https" }))
    }

    /// Where the client's address is found. Without it, and where it finds none, credentials that are restricted to addresses
    /// are refused, and rates of addresses count everybody together.
    #[must_use]
    pub fn client_ip(mut self, find: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.0.client_ip = Arc::new(find);
        self
    }

    /// Says that clients come over plain HTTP, which message signatures can cover. It is https otherwise.
    #[must_use]
    pub fn plain_http(mut self) -> Self {
        self.0.scheme = "http";
        self
    }
}

impl<S> Layer<S> for KeymintLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.0.clone(), inner }
    }
}

/// A service that only known callers reach.
#[derive(Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: BodyExt<Data = Bytes> + From<Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is the one that is called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let guard = self.guard.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (decision, bytes) = guard.decide(&parts, body).await;
            let allowed = match decision {
                Decision::Allow(allowed) => allowed,
                Decision::Deny(denied) => return Ok(guard.denial(&denied)),
            };
            if let Some(answer) = guard.answer(&allowed) {
                return Ok(answer);
            }
            guard.clean(&mut parts);
            parts.extensions.insert(Caller(allowed.candidate));
            inner.call(Request::from_parts(parts, B::from(bytes))).await
        })
    }
}

impl Guard {
    async fn decide<B>(&self, parts: &Parts, body: B) -> (Decision, Bytes)
    where
        B: BodyExt<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let headers: Vec<Header<'_>> =
            parts.headers.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect();
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let mut view = RequestView {
            method: parts.method.as_str(),
            scheme: self.scheme,
            authority: host.or(parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default(),
            target: parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
            route_at: 0,
            headers: &headers,
            body: &[],
            client_ip: (self.client_ip)(parts).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        // Whoever has no room left is not read on.
        let arrived = self.app.check_head(&self.product, &view).and_then(|()| self.app.arrive(&self.product, &view));
        let read = match arrived {
            Ok(_) => self.read(body).await.map_err(Denied::early),
            Err(denied) => Err(denied),
        };
        let (bytes, arrived) = match read {
            Ok(bytes) => (bytes, Ok(())),
            Err(denied) => (Bytes::new(), Err(denied)),
        };
        view.body = &bytes;
        let decision = asked::decide(&self.app, &self.product, &view, (Seen::Received, arrived)).await;
        (decision, bytes)
    }

    async fn read<B>(&self, body: B) -> Result<Bytes, DenyReason>
    where
        B: BodyExt<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let limited = Limited::new(body, self.product.dialect.body_bytes_max);
        match tokio::time::timeout(BODY_DEADLINE, limited.collect()).await {
            Err(_) => Err(DenyReason::BodyTooSlow),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(DenyReason::BodyTooLarge),
            Ok(Err(_)) => Err(DenyReason::AmbiguousRequest),
            Ok(Ok(body)) => Ok(body.to_bytes()),
        }
    }

    /// Takes away what proved who it is, and what could be taken for our word.
    fn clean(&self, parts: &mut Parts) {
        let dialect = &self.product.dialect;
        let stays = |name: &HeaderName| {
            matches!(name.as_str(), "host" | "content-length" | "expect") || goes_on(name.as_str(), dialect)
        };
        let dropped: Vec<HeaderName> = parts.headers.keys().filter(|name| !stays(name)).cloned().collect();
        for name in dropped {
            parts.headers.remove(name);
        }
    }

    /// The answer to a call that buys tokens: Keymint sells them.
    fn answer<R: From<Bytes>>(&self, allowed: &Allowed) -> Option<Response<R>> {
        let exchange = allowed.exchange.as_ref()?;
        let body = Bytes::copy_from_slice(exchange.body.expose().as_bytes());
        Some(self.response(exchange.status, body))
    }

    /// What the dialect says to a denied caller.
    fn denial<R: From<Bytes>>(&self, denied: &Denied) -> Response<R> {
        let answer = self.product.dialect.answer(denied.reason, denied.scheme);
        let mut response = self.response(answer.status, Bytes::copy_from_slice(answer.body.as_bytes()));
        let told = denied.rate.as_ref().and_then(|rate| rate.told(&self.product));
        let fields = response.headers_mut();
        if let Some((policy, standing)) = told {
            insert(fields, HeaderName::from_static("ratelimit-policy"), policy);
            insert(fields, HeaderName::from_static("ratelimit"), &standing);
        }
        if denied.reason == DenyReason::RateLimited {
            let wait = denied.rate.map_or(1, |rate| rate.standing.reset_seconds);
            fields.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }

    fn response<R: From<Bytes>>(&self, status: u16, body: Bytes) -> Response<R> {
        let mut response = Response::new(R::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        insert(response.headers_mut(), CONTENT_TYPE, &self.product.dialect.answers.content_type);
        insert(response.headers_mut(), CACHE_CONTROL, "no-store");
        response
    }
}

fn insert(fields: &mut http::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}
