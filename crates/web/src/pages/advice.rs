//! What a merchant reads of a denial: its name in words, what to do about it, and where.

use keymint_domain::reason::DenyReason;

/// `wrong_secret` as `wrong secret`.
pub fn words(reason: &str) -> String {
    reason.replace('_', " ")
}

/// What to do about a denial; nothing for a reason that this version does not know.
pub fn advice(reason: &str) -> &'static str {
    DenyReason::parse(reason).map_or("", |reason| match reason {
        DenyReason::MissingCredentials => "Send the credentials where the product looks for them.",
        DenyReason::MalformedCredentials => "The credentials do not have the product's form. Compare with a sample.",
        DenyReason::UnknownKey => "There is no such key. Compare the key id with the one in the list.",
        DenyReason::WrongSecret => {
            "Compare the secret your server reads with the one you saved, or regenerate the key."
        }
        DenyReason::WrongSignature => {
            "Sign the bytes that are sent, with the secret of this key id; `keymint request --dry-run` shows how."
        }
        DenyReason::StaleTimestamp => "Set the server's clock; sign just before sending.",
        DenyReason::Replayed => "Sign each request anew; a signature counts once.",
        DenyReason::Revoked => "Use the successor, or generate a key.",
        DenyReason::Expired => "Its time is over. Generate a key.",
        DenyReason::WrongMode => "Send test keys to the sandbox's address and live keys to the live one.",
        DenyReason::IpNotAllowed => "The address is not on this key's list.",
        DenyReason::OriginNotAllowed => "The origin is not on this key's list.",
        DenyReason::ScopeMissing => "No scope of this key covers the call.",
        DenyReason::RateLimited => "Send fewer requests at a time, and wait before trying again.",
        DenyReason::AppDisabled => "Enable the application.",
        DenyReason::MerchantSuspended => "Live keys work while the merchant is approved.",
        DenyReason::RefreshExpired => "Buy a new pair of tokens with the key.",
        DenyReason::WrongApp => "Use the key of the application that the address names.",
        DenyReason::AmbiguousRequest => "Send the request as a plain HTTP client does; a proxy may have rewritten it.",
        DenyReason::UnsupportedMediaType => "Send the content type that the product takes, application/json.",
        DenyReason::BodyTooLarge => "Send a smaller body.",
        DenyReason::BodyTooSlow => "The body did not arrive in time. Look at the network between.",
        DenyReason::RouteNotFound => "Nothing is at this path. Compare it with the product's reference.",
        DenyReason::MethodNotAllowed => "The path takes another method.",
        DenyReason::NoUpstream => "The operator has not connected live mode yet.",
        DenyReason::UpstreamFailed => {
            "The service behind the product broke off. Try again if the call may be repeated."
        }
        DenyReason::UpstreamTimeout => {
            "The service behind the product did not answer in time. Ask it what became of the call."
        }
        DenyReason::UpstreamUnavailable => "The service behind the product is away. Try again shortly.",
        DenyReason::Unavailable => "Keymint could not decide at that moment. Try again; tell the operator if it stays.",
        DenyReason::Internal => "A fault on our side. Tell the operator the request id.",
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
        DenyReason::WrongSecret | DenyReason::UnknownKey => keys("Compare or regenerate the key"),
        DenyReason::Revoked | DenyReason::Expired => keys("Generate a key"),
        DenyReason::WrongMode | DenyReason::WrongApp | DenyReason::MerchantSuspended => keys("See the keys"),
        DenyReason::IpNotAllowed | DenyReason::OriginNotAllowed | DenyReason::ScopeMissing => keys("See the key"),
        DenyReason::MissingCredentials
        | DenyReason::MalformedCredentials
        | DenyReason::WrongSignature
        | DenyReason::StaleTimestamp
        | DenyReason::Replayed
        | DenyReason::RefreshExpired
        | DenyReason::UnsupportedMediaType
        | DenyReason::RouteNotFound
        | DenyReason::MethodNotAllowed => start("Compare with a sample"),
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
