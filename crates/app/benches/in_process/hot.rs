//! The pure decision with everything in the processor's caches: gate, claim, body, proof, life. No cache of
//! credentials, no replay memory, no HTTP.

use std::net::{IpAddr, Ipv4Addr};

use keymint_app::entropy::SystemEntropy;
use keymint_app::master_key::MasterKeyError;
use keymint_domain::credential::{self, Blank, Credential, Issued};
use keymint_domain::dialect::{BUILT_IN, Dialect};
use keymint_domain::gate;
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::present::{Holder, Presented, present_with};
use keymint_domain::scheme::{self, Context, Transport};
use keymint_domain::seal::Keyring;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::{self, Candidate, OwnerState, Verdict};

use crate::{cpu_ns, figure};

/// Decisions of one figure: some milliseconds.
const DECISIONS: u32 = 10_000;
/// Figures, over some seconds. The quickest tenth counts: what the decision costs is what it takes while nobody else is on the
/// same core, and in most moments somebody is where others share the machine.
const FIGURES: usize = 501;
const NOW: UnixMs = UnixMs(1_780_000_000_000);

/// A request and the record it names.
struct Case<'a> {
    dialect: &'a Dialect,
    keyring: &'a Keyring,
    view: RequestView<'a>,
    candidate: Candidate,
}

/// What is called.
struct Call<'a> {
    vendor: &'a str,
    scheme: usize,
    method: &'a str,
    target: &'a str,
    body: &'a str,
}

/// Measures every scheme, or the one of that name.
pub fn run(only: Option<&str>) {
    let text = Keyring::generate("k1", &SystemEntropy::default()).map_err(MasterKeyError::from).expect("a key ring");
    let keyring = Keyring::parse(&text).expect("a key ring");
    let body = format!(r#"{{"amount":"499.00","currency":"INR","note":"{}"}}"#, "a".repeat(980));
    let get = |vendor, target| Call { vendor, scheme: 0, method: "GET", target, body: "" };
    let post = |vendor, scheme, target| Call { vendor, scheme, method: "POST", target, body: &body };
    for (name, call) in [
        ("key_pair_ns", get("kpay", "/kpay/api/v1/payments")),
        ("basic_ns", get("razorpay", "/razorpay/v1/orders")),
        ("bearer_ns", get("keymint", "/keymint/v1/whoami")),
        ("signed_1k_ns", post("kwikpaisa", 0, "/kwikpaisa/api/v3/pg/order")),
        ("message_1k_ns", post("keymint", 1, "/keymint/v1/whoami")),
    ] {
        if only.is_none_or(|only| only == name) {
            measure(name, &call, &keyring);
        }
    }
}

fn measure(name: &str, call: &Call<'_>, keyring: &Keyring) {
    let file = format!("{}.toml", call.vendor);
    let (_, text) = BUILT_IN.iter().find(|(found, _)| *found == file).expect("a built-in dialect");
    let dialect = Dialect::parse(text).expect("a built-in dialect parses");
    let issued = issue(&dialect, keyring);
    let (headers, candidate) = authenticated(&dialect, call, keyring, issued);
    let headers: Vec<Header<'_>> =
        headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let view = RequestView { headers: &headers, ..bare_view(call) };
    let case = Case { dialect: &dialect, keyring, view, candidate };
    let mut figures: Vec<f64> = (0..FIGURES).map(|_| repeat(&case)).collect();
    figures.sort_by(f64::total_cmp);
    figure(name, figures.get(FIGURES / 10).copied().expect("a figure"));
}

/// A fresh test key.
pub fn issue(dialect: &Dialect, keyring: &Keyring) -> Issued {
    let entropy = SystemEntropy::default();
    let blank = Blank {
        dialect,
        style: dialect.secrets.first().expect("a style"),
        product: &dialect.name,
        mode: Mode::Test,
        merchant_id: MerchantId::fresh(NOW, &entropy).expect("an id"),
        app_id: AppId::fresh(NOW, &entropy).expect("an id"),
    };
    credential::issue(&blank, keyring, NOW, &entropy).expect("a credential")
}

fn bare_view<'a>(call: &Call<'a>) -> RequestView<'a> {
    RequestView {
        method: call.method,
        scheme: "http",
        authority: "pay.example",
        target: call.target,
        route_at: call.vendor.len() + 1,
        headers: &[],
        body: call.body.as_bytes(),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

fn authenticated(
    dialect: &Dialect,
    call: &Call<'_>,
    keyring: &Keyring,
    issued: Issued,
) -> (Vec<(String, String)>, Candidate) {
    let plain = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![plain("host", "pay.example"), plain("user-agent", "bench"), plain("accept", "*/*")];
    if !call.body.is_empty() {
        headers.push(plain("content-type", "application/json"));
        headers.push(plain("content-length", &call.body.len().to_string()));
    }
    let credential = issued.credential;
    let holder = Holder { key_id: &credential.key_id, secret: issued.secret.expose(), now: NOW, nonce: "n1" };
    let given: Vec<Header<'_>> = headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let scheme = dialect.schemes.get(call.scheme).expect("a scheme");
    let presented = present_with(dialect, scheme, &RequestView { headers: &given, ..bare_view(call) }, &holder);
    let Ok(Presented::Headers(credentials)) = presented else { panic!("it is no call that buys tokens") };
    headers.extend(credentials);
    (headers, candidate(keyring, credential))
}

/// What a verifier keeps of a key.
pub fn candidate(keyring: &Keyring, credential: Credential) -> Candidate {
    let verifier = keyring.open(&credential.id, &credential.key_id, &credential.secret).expect("its verifier");
    Candidate {
        key_id: credential.key_id.into(),
        product: credential.product.into(),
        mode: credential.mode,
        merchant_id: credential.merchant_id,
        app_id: credential.app_id,
        status: credential.status,
        expires_at: None,
        owner: OwnerState::Enabled,
        restrictions: None,
        verifier,
    }
}

/// CPU time of one decision. Nanoseconds.
fn repeat(case: &Case<'_>) -> f64 {
    let begun = cpu_ns();
    for _ in 0..DECISIONS {
        assert!(decide(std::hint::black_box(case)), "a good request was refused");
    }
    (cpu_ns() - begun) as f64 / f64::from(DECISIONS)
}

fn decide(case: &Case<'_>) -> bool {
    let Case { dialect, keyring, view, candidate } = case;
    let context =
        Context { dialect, product: &candidate.product, view, keyring, now: NOW, transport: Transport::default() };
    if gate::check_head(dialect, view).is_err() {
        return false;
    }
    let Ok(claim) = scheme::find_claim(&context) else { return false };
    if gate::check_body(dialect, view.body).is_err() {
        return false;
    }
    matches!(verify::decide(&context, &claim, Some(candidate)), Verdict::Allow | Verdict::AllowOnce(_))
}
