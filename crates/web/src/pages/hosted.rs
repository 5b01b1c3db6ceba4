//! The page of a simulated vendor on which a tester picks what becomes of a payment. The gateway serves it, to whoever has
//! its address; it needs no script, and nothing from anywhere else.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use data_encoding::BASE64;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use keymint_app::say;

use crate::reply::{self, Response};

const STYLE: &str = include_str!("../../assets/hosted.css");

/// Its own style sheet and nothing else. `form-action` is left out: browsers apply it to the redirect behind the form as
/// well, and that leads to the merchant.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()).as_ref());
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What a tester may pick.
pub struct Choice {
    /// What the form sends.
    pub value: &'static str,
    /// What the button says.
    pub label: &'static str,
}

impl Choice {
    /// The customer pays.
    pub fn pay() -> Self {
        Self { value: "success", label: say!("hosted-pay") }
    }

    /// The payment fails.
    pub fn fail() -> Self {
        Self { value: "failed", label: say!("hosted-fail") }
    }

    /// The customer gives up.
    pub fn cancel() -> Self {
        Self { value: "cancelled", label: say!("hosted-cancel") }
    }

    /// The payment stays under way.
    pub fn wait() -> Self {
        Self { value: "processing", label: say!("hosted-wait") }
    }

    /// The time for it is over.
    pub fn expire() -> Self {
        Self { value: "expired", label: say!("hosted-expire") }
    }
}

/// What a tester may type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: there are only outcomes to pick.
    Nothing,
    /// A phone number, whose outcome the payment gets.
    Phone,
    /// How it is paid: test cards, UPI ids, a one-time password.
    Instrument,
}

/// A form that takes the browser back to the merchant.
pub struct Back {
    /// Where it is sent.
    pub url: String,
    /// What it says.
    pub pairs: Vec<(&'static str, String)>,
}

/// The page.
#[derive(Template)]
#[template(path = "hosted.html")]
pub struct HostedPage {
    /// The vendor's name.
    pub product: String,
    /// The amount and its currency, as the vendor writes them.
    pub amount: String,
    /// The merchant's own reference.
    pub reference: String,
    /// How the payment stands, where there is nothing to pick any more.
    pub status: Option<String>,
    /// What may be picked.
    pub choices: Vec<Choice>,
    /// What may be typed besides.
    pub asks: Asks,
    /// The way back to the merchant, for a vendor whose page sends a form there.
    pub back: Option<Back>,
    /// What is wrong with what was sent before; empty when nothing is.
    pub problem: String,
}

impl HostedPage {
    fn asks_phone(&self) -> bool {
        self.asks == Asks::Phone
    }

    fn asks_instrument(&self) -> bool {
        self.asks == Asks::Instrument
    }

    fn style(&self) -> &'static str {
        STYLE
    }

    /// The response.
    pub fn response(&self, status: u16) -> Response {
        let Ok(body) = self.render() else { return reply::whole(500, "text/plain", "") };
        guarded(reply::whole(status, "text/html; charset=utf-8", body))
    }
}

fn guarded(mut response: Response) -> Response {
    let nothing_of_it: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        // The address of the page is what opens it: no other site hears of it.
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    response.headers_mut().extend(nothing_of_it);
    response
}

/// Sends the browser back to the merchant.
pub fn back_to(url: &str) -> Response {
    let mut response = guarded(reply::empty(http::StatusCode::SEE_OTHER));
    match HeaderValue::from_str(url) {
        Ok(url) => response.headers_mut().insert(http::header::LOCATION, url),
        Err(_) => None,
    };
    response
}
