//! What a signature has to cover before it counts (RFC 9421 section 3.2.1 leaves this to the application).

use super::input::SignatureInput;
use crate::request::RequestView;

/// Why a signature covers too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoverageError {
    /// `@method` is not covered.
    #[error("@method is not covered")]
    Method,
    /// Neither `@target-uri` nor `@authority` with `@request-target` or `@path` is covered.
    #[error("the target is not covered")]
    Target,
    /// Authority and path are covered but the request has a query and `@query` is not.
    #[error("the query is not covered")]
    Query,
    /// The request has a body and `content-digest` is not covered.
    #[error("content-digest is not covered")]
    ContentDigest,
}

/// Whether the signature covers what decides about the request (T4, T5).
///
/// That is `@method`; the target, as `@target-uri`, or `@authority` with `@request-target`, or `@authority` with
/// `@path` and, when the target has a `?`, `@query`; and `content-digest` when there is a body. Only components without
/// parameters count: `"content-digest";key="sha-256"` leaves the rest of the field open, and `@query-param` the rest of
/// the query. Header fields that decide about more (an idempotency key, say) are the caller's to ask for with
/// [`SignatureInput::covers`].
///
/// # Errors
/// A [`CoverageError`] that names the first thing missing.
pub fn check_coverage(input: &SignatureInput, view: &RequestView<'_>) -> Result<(), CoverageError> {
    if !input.covers("@method") {
        return Err(CoverageError::Method);
    }
    check_target(input, view)?;
    if !view.body.is_empty() && !input.covers("content-digest") {
        return Err(CoverageError::ContentDigest);
    }
    Ok(())
}

fn check_target(input: &SignatureInput, view: &RequestView<'_>) -> Result<(), CoverageError> {
    if input.covers("@target-uri") {
        return Ok(());
    }
    if !input.covers("@authority") {
        return Err(CoverageError::Target);
    }
    if input.covers("@request-target") {
        return Ok(());
    }
    if !input.covers("@path") {
        return Err(CoverageError::Target);
    }
    if view.query().is_some() && !input.covers("@query") {
        return Err(CoverageError::Query);
    }
    Ok(())
}
