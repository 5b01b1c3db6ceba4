//! Answers: ours are small, whole and never cached; those of an upstream come as they come.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};
use keymint_app::limits::Rate;
use keymint_app::products::Product;
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::reason::DenyReason;

use crate::proxy::{Download, Fault};

/// A response.
pub type Response = hyper::Response<Body>;

/// Its body.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// An upstream's, in pieces.
    Streamed(Box<Download>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(download) => Pin::new(&mut **download).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(download) => download.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Streamed(download) => download.size_hint(),
        }
    }
}

/// A response of that status, type and body. `no-store` always: what it says ends when a credential does (T94).
pub fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    typed(status, HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("text/plain")), body.into())
}

fn typed(status: u16, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Body::Whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// JSON.
pub fn json(status: u16, body: impl Into<Bytes>) -> Response {
    typed(status, HeaderValue::from_static("application/json"), body.into())
}

/// What the dialect says to a denied caller.
pub fn denial(product: &Product, reason: DenyReason, scheme: Option<SchemeName>) -> Response {
    let answer = product.dialect.answer(reason, scheme);
    let body = Bytes::copy_from_slice(answer.body.as_bytes());
    whole(answer.status, &product.dialect.answers.content_type, body)
}

/// The same response, with the connection closed behind it.
pub fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// draft-ietf-httpapi-ratelimit-headers-10 section 3.
static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The same, section 2.
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Says where a caller stands with the rates (draft-ietf-httpapi-ratelimit-headers-10), and to one that has no room left
/// when to come again (RFC 9110 section 10.2.3): in a second, where no rate says more.
pub fn tell_rate(response: &mut Response, product: &Product, rate: Option<Rate>, reason: Option<DenyReason>) {
    let Some(rate) = rate else {
        if reason == Some(DenyReason::RateLimited) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        return;
    };
    for (name, value) in rate_headers(product, rate, reason) {
        let value = match value {
            Cow::Borrowed(text) => HeaderValue::from_str(text),
            Cow::Owned(text) => HeaderValue::try_from(text),
        };
        if let Ok(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
}

/// The headers that `tell_rate` sets.
pub fn rate_headers(
    product: &Product,
    rate: Rate,
    reason: Option<DenyReason>,
) -> impl Iterator<Item = (&'static HeaderName, Cow<'_, str>)> {
    let (policy, standing) = rate.told(product).unzip();
    let is_over = reason == Some(DenyReason::RateLimited);
    let headers = [
        policy.map(|policy| (&RATELIMIT_POLICY, Cow::Borrowed(policy))),
        standing.map(|standing| (&RATELIMIT, Cow::Owned(standing))),
        is_over.then(|| (&RETRY_AFTER, Cow::Owned(rate.standing.reset_seconds.to_string()))),
    ];
    headers.into_iter().flatten()
}
