//! Answers: small, whole, never cached.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use keymint_app::products::Product;
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::reason::DenyReason;

/// A response with a whole body.
pub type Response = hyper::Response<Full<Bytes>>;

/// A response of that status, type and body. `no-store` always: what it says ends when a credential does (T94).
pub fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    typed(status, HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("text/plain")), body.into())
}

fn typed(status: u16, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Full::new(Bytes::new()));
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
