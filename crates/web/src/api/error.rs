//! Errors of the management API: RFC 9457 problems with a stable code. What the client sees and what we know are apart;
//! the source goes to the log, once, here.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use keymint_app::ops::OpError;
use keymint_app::store_types::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What is the matter and what to do.
    pub detail: String,
    /// The field that is wrong, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The request's id, for support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// An error on its way out.
#[derive(Debug)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// What is the matter and what to do.
    pub detail: String,
    /// The field.
    pub field: Option<String>,
}

impl ApiError {
    /// An error without a field.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None }
    }

    /// A field that is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = Some(field.into());
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "invalid_field", detail: detail.into(), field }
    }

    /// Nobody we know.
    pub fn unauthorized() -> Self {
        let detail = "Send a valid token as `Authorization: Bearer …`.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }
}

impl From<OpError> for ApiError {
    fn from(error: OpError) -> Self {
        match error {
            OpError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", capital(&error.to_string())),
            // Asked of people alone, never of a token.
            OpError::ProofNeeded | OpError::CodesNeeded { .. } => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", capital(&error.to_string()))
            }
            OpError::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", "Only an operator token may do this."),
            OpError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", capital(&error.to_string())),
            OpError::TooMany => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", capital(&error.to_string()))
            }
            OpError::Field { field, problem } => Self::field(field, problem),
            OpError::Conflict { code, message } => Self::new(StatusCode::CONFLICT, code, message),
            OpError::Store(StoreError::Unavailable(_)) => {
                tracing::error!(%error, "the store is not available");
                let detail = "The store is not available now; nothing was changed. Try again shortly.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            }
            OpError::Entropy(_) | OpError::Seal | OpError::Store(_) => {
                tracing::error!(%error, "an act failed");
                let detail = "Something went wrong on our side; nothing was changed.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Carries a problem to the layer that adds the request id.
#[derive(Clone, Debug)]
pub struct Pending(pub std::sync::Arc<ApiError>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Pending(std::sync::Arc::new(self)));
        response
    }
}

/// The response of a problem.
pub fn problem(error: &ApiError, request_id: &str) -> Response {
    let problem = Problem {
        kind: format!("/docs#{}", error.code),
        title: error.status.canonical_reason().unwrap_or("Error").to_owned(),
        status: error.status.as_u16(),
        code: error.code,
        detail: error.detail.clone(),
        field: error.field.clone(),
        request_id: Some(request_id.to_owned()),
    };
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let mut response = (error.status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if error.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
    }
    response
}
