//! Decisions about requests that somebody else received: an operator's service at the verify API or in this process, a proxy at
//! forward-auth or `ext_authz`. They are counted and stand in the request log as those of the gateway do. What becomes of an allowed request
//! is its receiver's to know: the log says 200.

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::RequestView;

use crate::App;
use crate::clock::Stopwatch;
use crate::products::Product;
use crate::request_log::{Record, redact};
use crate::verify::{Decision, Denied, Way};

/// The status that the log has of a request that was let through.
const LET_THROUGH: u16 = 200;

/// What is known of the body of the request that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All of it, by a service that has the request itself.
    Received,
    /// All of it, or that there is none.
    Whole,
    /// Nothing: the proxy did not hand it over.
    Nothing,
}

/// Decides about a request, of whose body so much was seen. `arrived` is what the rates of addresses and products say: nothing,
/// where the only known address is a proxy's and everybody would be counted together.
pub async fn decide(
    app: &App,
    product: &Product,
    view: &RequestView<'_>,
    (seen, arrived): (Seen, Result<(), Denied>),
) -> Decision {
    let watch = app.log.is_open().then(|| (Stopwatch::start(), app.clock.now()));
    let decision = as_far_as_seen(verified(app, product, view, arrived).await, seen);
    let (reason, scheme, candidate) = match &decision {
        Decision::Allow(allowed) => (None, Some(allowed.scheme), Some(&allowed.candidate)),
        Decision::Deny(denied) => (Some(denied.reason), denied.scheme, denied.candidate.as_ref()),
    };
    app.metrics.decided(&product.name, reason);
    if let Some((watch, at)) = watch {
        app.log.push(Record {
            at,
            request_id: app.request_ids.next(at),
            product: product.name.clone(),
            candidate: candidate.cloned(),
            method: known_method(view.method),
            path: redact(view.target.get(view.route_at..).unwrap_or_default()),
            status: reason.map_or(LET_THROUGH, |reason| product.dialect.answer(reason, scheme).status),
            reason,
            scheme,
            client_ip: view.client_ip,
            duration_us: watch.elapsed_us(),
            trace: None,
        });
    }
    decision
}

async fn verified(app: &App, product: &Product, view: &RequestView<'_>, arrived: Result<(), Denied>) -> Decision {
    match app.check_head(product, view).and(arrived) {
        Ok(()) => {
            let host_mode = app.products.find_host(view.authority).map(|(_, mode)| *mode);
            // Who may have listened on the way to the operator's own proxy or service, that one knows and we do not.
            app.verify(product, view, Way { host_mode, ..Way::default() }).await
        }
        Err(denied) => Decision::Deny(denied),
    }
}

/// What an allowance is worth to a proxy. A proof over a body that was not seen is none; and a call that buys tokens is
/// answered by the gateway alone, since no upstream sells them.
fn as_far_as_seen(decision: Decision, seen: Seen) -> Decision {
    let Decision::Allow(allowed) = decision else { return decision };
    let covers_body = matches!(allowed.scheme, SchemeName::Signed | SchemeName::MessageSignature);
    let reason = match seen {
        Seen::Received => return Decision::Allow(allowed),
        _ if allowed.exchange.is_some() => DenyReason::RouteNotFound,
        Seen::Nothing if covers_body => DenyReason::WrongSignature,
        Seen::Nothing | Seen::Whole => return Decision::Allow(allowed),
    };
    let (scheme, candidate) = (Some(allowed.scheme), Some(allowed.candidate));
    Decision::Deny(Denied { scheme, candidate, ..Denied::early(reason) })
}

/// The product's own path begins behind `/{product}` where the target has it; otherwise the operator's service has
/// taken it away, or the product has a host of its own.
pub fn route_at(product: &Product, target: &str) -> usize {
    let behind = target.strip_prefix('/').and_then(|rest| rest.strip_prefix(&*product.name));
    match behind {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => product.name.len() + 1,
        _ => 0,
    }
}

/// The method as the log has it: one of those that APIs use, or `other`.
pub fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
