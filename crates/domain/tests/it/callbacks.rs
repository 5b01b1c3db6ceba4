//! The vendors' other signatures (callbacks, redirects, webhooks), as recipes: the vectors of each, and beside every one
//! the payload, the signature and the secret one step off.

use std::net::{IpAddr, Ipv4Addr};

use keymint_domain::dialect::recipe::{Digest, Encoding, Ingredients, Part, Recipe};
use keymint_domain::request::RequestView;

/// What is signed, with which secret, and the signature.
const VECTORS: [(&str, &str, &str); 4] = [
    // Razorpay's payment callback: order id, a bar, payment id.
    (
        "order_DBJOWzybf0sJbb|pay_DG4ZdRK8ZnXC3k",
        "secretsecretsecretsecret",
        "8216aeddd38eaee03e0c393de5fe590c23d41552c9cedbeedc83e26ecd40b80d",
    ),
    // KPay's return redirect: status, reference, external id, milliseconds.
    (
        "COMPLETED|KPAY-20260514-ABC123|ORDER-12345|1747245600000",
        "gwsec_demo",
        "278e08c29578d84c957620a0aea014bd89f472695c1619e9277e4eff11035c67",
    ),
    // KPay's webhook: the raw body.
    (
        r#"{"event":"payment.completed","paymentId":"pay_abc123","status":"COMPLETED"}"#,
        "whsec_demo",
        "7be8618f0de91009551e5b0959d496bc5c4c2fe867cae56e2c44209e4ae0bcaf",
    ),
    // Razorpay's webhook: the raw body.
    (
        r#"{"entity":"event","account_id":"acc_BFQ7uQEaa7j2z7","event":"payment.captured","contains":["payment"],"payload":{},"created_at":1567674599}"#,
        "rzp_wh_demo",
        "e3032c88022d29b84986d880e0ff0e814c76b141207a7a6da9aaa2f4215e5b2a",
    ),
];

/// Whether a recipe over the raw payload takes a signature.
fn accepts(payload: &[u8], secret: &str, signature: &str) -> bool {
    let recipe = Recipe {
        parts: vec![Part::Body],
        digest: Digest::HmacSha256,
        encoding: Encoding::Hex,
        canonical_bytes_max: 0,
        forms: Vec::new(),
    };
    let view = RequestView {
        method: "POST",
        scheme: "https",
        authority: "m.example",
        target: "/",
        route_at: 0,
        headers: &[],
        body: payload,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let ingredients = Ingredients { view: &view, timestamp: "", key_id: "" };
    recipe.decode(signature.as_bytes()).is_some_and(|tag| recipe.verify(ingredients, secret.as_bytes(), &tag))
}

#[test]
fn callback_vectors_are_accepted_and_nothing_one_step_beside_them() {
    for (payload, secret, signature) in VECTORS {
        assert!(accepts(payload.as_bytes(), secret, signature), "{payload}");
        for at in 0..payload.len() {
            let mut other = payload.as_bytes().to_vec();
            other[at] ^= 1;
            assert!(!accepts(&other, secret, signature), "byte {at} of {payload}");
            other.remove(at);
            assert!(!accepts(&other, secret, signature), "without byte {at} of {payload}");
        }
        for at in 0..signature.len() {
            let mut other = signature.as_bytes().to_vec();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).expect("ASCII");
            assert!(!accepts(payload.as_bytes(), secret, &other), "digit {at} of the signature");
        }
        assert!(!accepts(payload.as_bytes(), &secret[1..], signature));
        assert!(!accepts(payload.as_bytes(), "", signature));
        assert!(!accepts(payload.as_bytes(), secret, &signature.to_uppercase()));
        assert!(!accepts(payload.as_bytes(), secret, &signature[..62]));
    }
}
