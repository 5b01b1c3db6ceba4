//! What a merchant reads of a denial: its name in words, what to do about it, and where.

use keymint_app::say;
use keymint_domain::reason::DenyReason;

/// `wrong_secret` as `wrong secret`; as it is kept, for a reason that this version does not know.
pub fn words(reason: &str) -> String {
    DenyReason::parse(reason).map_or_else(|| spaced(reason), |reason| named(reason).to_owned())
}

/// `key_pair` as `key pair`.
pub fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

fn named(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::MissingCredentials => say!("reason-missing-credentials"),
        DenyReason::MalformedCredentials => say!("reason-malformed-credentials"),
        DenyReason::UnknownKey => say!("reason-unknown-key"),
        DenyReason::WrongSecret => say!("reason-wrong-secret"),
        DenyReason::WrongSignature => say!("reason-wrong-signature"),
        DenyReason::StaleTimestamp => say!("reason-stale-timestamp"),
        DenyReason::Replayed => say!("reason-replayed"),
        DenyReason::Revoked => say!("reason-revoked"),
        DenyReason::Expired => say!("reason-expired"),
        DenyReason::WrongMode => say!("reason-wrong-mode"),
        DenyReason::InsecureTransport => say!("reason-insecure-transport"),
        DenyReason::IpNotAllowed => say!("reason-ip-not-allowed"),
        DenyReason::OriginNotAllowed => say!("reason-origin-not-allowed"),
        DenyReason::ScopeMissing => say!("reason-scope-missing"),
        DenyReason::ProviderNotAllowed => say!("reason-provider-not-allowed"),
        DenyReason::TestCardInLive => say!("reason-test-card-in-live"),
        DenyReason::RateLimited => say!("reason-rate-limited"),
        DenyReason::AppDisabled => say!("reason-app-disabled"),
        DenyReason::MerchantSuspended => say!("reason-merchant-suspended"),
        DenyReason::RefreshExpired => say!("reason-refresh-expired"),
        DenyReason::WrongApp => say!("reason-wrong-app"),
        DenyReason::AmbiguousRequest => say!("reason-ambiguous-request"),
        DenyReason::UnsupportedMediaType => say!("reason-unsupported-media-type"),
        DenyReason::BodyTooLarge => say!("reason-body-too-large"),
        DenyReason::BodyTooSlow => say!("reason-body-too-slow"),
        DenyReason::RouteNotFound => say!("reason-route-not-found"),
        DenyReason::MethodNotAllowed => say!("reason-method-not-allowed"),
        DenyReason::NoUpstream => say!("reason-no-upstream"),
        DenyReason::UpstreamFailed => say!("reason-upstream-failed"),
        DenyReason::UpstreamTimeout => say!("reason-upstream-timeout"),
        DenyReason::UpstreamUnavailable => say!("reason-upstream-unavailable"),
        DenyReason::Unavailable => say!("reason-unavailable"),
        DenyReason::Internal => say!("reason-internal"),
    }
}

/// What to do about a denial; nothing for a reason that this version does not know.
pub fn advice(reason: &str) -> &'static str {
    DenyReason::parse(reason).map_or("", |reason| match reason {
        DenyReason::MissingCredentials => say!("advice-missing-credentials"),
        DenyReason::MalformedCredentials => say!("advice-malformed-credentials"),
        DenyReason::UnknownKey => say!("advice-unknown-key"),
        DenyReason::WrongSecret => {
            say!("advice-wrong-secret")
        }
        DenyReason::WrongSignature => {
            say!("advice-wrong-signature")
        }
        DenyReason::StaleTimestamp => say!("advice-stale-timestamp"),
        DenyReason::Replayed => say!("advice-replayed"),
        DenyReason::Revoked => say!("advice-revoked"),
        DenyReason::Expired => say!("advice-expired"),
        DenyReason::WrongMode => say!("advice-wrong-mode"),
        DenyReason::InsecureTransport => say!("advice-insecure-transport"),
        DenyReason::IpNotAllowed => say!("advice-ip-not-allowed"),
        DenyReason::OriginNotAllowed => say!("advice-origin-not-allowed"),
        DenyReason::ScopeMissing => say!("advice-scope-missing"),
        DenyReason::ProviderNotAllowed => say!("advice-provider-not-allowed"),
        DenyReason::TestCardInLive => say!("advice-test-card-in-live"),
        DenyReason::RateLimited => say!("advice-rate-limited"),
        DenyReason::AppDisabled => say!("advice-app-disabled"),
        DenyReason::MerchantSuspended => say!("advice-merchant-suspended"),
        DenyReason::RefreshExpired => say!("advice-refresh-expired"),
        DenyReason::WrongApp => say!("advice-wrong-app"),
        DenyReason::AmbiguousRequest => say!("advice-ambiguous-request"),
        DenyReason::UnsupportedMediaType => say!("advice-unsupported-media-type"),
        DenyReason::BodyTooLarge => say!("advice-body-too-large"),
        DenyReason::BodyTooSlow => say!("advice-body-too-slow"),
        DenyReason::RouteNotFound => say!("advice-route-not-found"),
        DenyReason::MethodNotAllowed => say!("advice-method-not-allowed"),
        DenyReason::NoUpstream => say!("advice-no-upstream"),
        DenyReason::UpstreamFailed => say!("advice-upstream-failed"),
        DenyReason::UpstreamTimeout => say!("advice-upstream-timeout"),
        DenyReason::UpstreamUnavailable => say!("advice-upstream-unavailable"),
        DenyReason::Unavailable => say!("advice-unavailable"),
        DenyReason::Internal => say!("advice-internal"),
    })
}

/// A page on which a denial can be put right.
pub struct Fix {
    /// What the link says.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
}

/// Where to put a denial right; nothing where no page of an app can.
pub fn fix(reason: &str, app_id: &str, mode: &str) -> Option<Fix> {
    let keys = |label| Some(Fix { label, href: format!("/apps/{app_id}/keys?mode={mode}") });
    let start = |label| Some(Fix { label, href: format!("/apps/{app_id}/start") });
    match DenyReason::parse(reason)? {
        DenyReason::WrongSecret | DenyReason::UnknownKey => keys(say!("advice-fix-compare-key")),
        DenyReason::Revoked | DenyReason::Expired => keys(say!("advice-fix-generate")),
        DenyReason::WrongMode
        | DenyReason::WrongApp
        | DenyReason::MerchantSuspended
        | DenyReason::InsecureTransport => keys(say!("advice-fix-keys")),
        DenyReason::IpNotAllowed | DenyReason::OriginNotAllowed | DenyReason::ScopeMissing => {
            keys(say!("advice-fix-key"))
        }
        DenyReason::ProviderNotAllowed => {
            Some(Fix { label: say!("advice-fix-providers"), href: format!("/apps/{app_id}/settings#providers") })
        }
        DenyReason::TestCardInLive
        | DenyReason::MissingCredentials
        | DenyReason::MalformedCredentials
        | DenyReason::WrongSignature
        | DenyReason::StaleTimestamp
        | DenyReason::Replayed
        | DenyReason::RefreshExpired
        | DenyReason::UnsupportedMediaType
        | DenyReason::RouteNotFound
        | DenyReason::MethodNotAllowed => start(say!("advice-fix-sample")),
        DenyReason::RateLimited
        | DenyReason::AppDisabled
        | DenyReason::AmbiguousRequest
        | DenyReason::BodyTooLarge
        | DenyReason::BodyTooSlow
        | DenyReason::NoUpstream
        | DenyReason::UpstreamFailed
        | DenyReason::UpstreamTimeout
        | DenyReason::UpstreamUnavailable
        | DenyReason::Unavailable
        | DenyReason::Internal => None,
    }
}
