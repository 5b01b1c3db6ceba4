//! Why a request was denied: a closed list, known to the operator and to the merchant's own log. The caller sees only
//! what the dialect makes of it.

use serde::Deserialize;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// The closed list of reasons.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DenyReason { $($(#[$doc])* $name,)* }

        impl DenyReason {
            /// Every reason, in the order of the list.
            pub const ALL: &'static [DenyReason] = &[$(DenyReason::$name,)*];

            /// The stable name on the wire and in the log.
            pub fn as_str(self) -> &'static str {
                match self { $(DenyReason::$name => $text,)* }
            }

            /// The reason of that name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(DenyReason::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// No credentials where the dialect looks for them.
    MissingCredentials => "missing_credentials",
    /// Credentials that do not have the dialect's shape.
    MalformedCredentials => "malformed_credentials",
    /// Well-formed, and nobody's.
    UnknownKey => "unknown_key",
    /// The key exists, the secret is another.
    WrongSecret => "wrong_secret",
    /// The signature or token does not belong to this request and key.
    WrongSignature => "wrong_signature",
    /// Outside the time window, or a token past its end.
    StaleTimestamp => "stale_timestamp",
    /// This signature was spent before.
    Replayed => "replayed",
    /// The credential was revoked.
    Revoked => "revoked",
    /// The credential expired, or its grace after a roll ended.
    Expired => "expired",
    /// A test credential at a live address, or the reverse.
    WrongMode => "wrong_mode",
    /// The client's address is not on the credential's list.
    IpNotAllowed => "ip_not_allowed",
    /// The browser's origin is not on the credential's list.
    OriginNotAllowed => "origin_not_allowed",
    /// No scope of the credential covers this call.
    ScopeMissing => "scope_missing",
    /// The call names a provider that is not on the app's list, or none.
    ProviderNotAllowed => "provider_not_allowed",
    /// A live call carries a card of the vendor's test data.
    TestCardInLive => "test_card_in_live",
    /// Too many requests.
    RateLimited => "rate_limited",
    /// The app was disabled.
    AppDisabled => "app_disabled",
    /// The merchant is not approved for live mode, or suspended.
    MerchantSuspended => "merchant_suspended",
    /// A refresh token past its end.
    RefreshExpired => "refresh_expired",
    /// A live credential that came over plain HTTP.
    InsecureTransport => "insecure_transport",
    /// The address names another app than the credential's.
    WrongApp => "wrong_app",
    /// The request can be read in more than one way (T8, T83, T90).
    AmbiguousRequest => "ambiguous_request",
    /// A content type that the dialect does not take.
    UnsupportedMediaType => "unsupported_media_type",
    /// The body is larger than the dialect allows.
    BodyTooLarge => "body_too_large",
    /// The body did not arrive before its deadline.
    BodyTooSlow => "body_too_slow",
    /// Nothing at this path.
    RouteNotFound => "route_not_found",
    /// The path exists, not for this method.
    MethodNotAllowed => "method_not_allowed",
    /// Live mode has no upstream.
    NoUpstream => "no_upstream",
    /// The upstream could not be reached, or broke off before it answered.
    UpstreamFailed => "upstream_failed",
    /// The upstream did not answer in time.
    UpstreamTimeout => "upstream_timeout",
    /// No address of the upstream is well, or all are busy.
    UpstreamUnavailable => "upstream_unavailable",
    /// Keymint cannot decide now (store or replay memory out of reach).
    Unavailable => "unavailable",
    /// A fault of ours.
    Internal => "internal",
}

impl DenyReason {
    /// Whether the reason says that the caller did not prove who it is. Such a caller learns as little as the dialect
    /// allows (T14).
    pub fn is_unauthenticated(self) -> bool {
        matches!(
            self,
            Self::MissingCredentials
                | Self::MalformedCredentials
                | Self::UnknownKey
                | Self::WrongSecret
                | Self::WrongSignature
                | Self::StaleTimestamp
                | Self::Replayed
                | Self::Revoked
                | Self::Expired
                | Self::WrongMode
        )
    }
}
