//! What a test event says, in each vendor's words: the body that is signed and sent. It has the shape of the one that the
//! simulator sends of the same name; what each of them is made of stands with the simulators.

use keymint_app::store_types::AppRow;
use keymint_domain::time::UnixMs;
use serde_json::json;

use super::{keymint, kpay, kwikpaisa, razorpay, rfc3339};

/// The body of a test event.
pub fn sample(sandbox: &str, app: &AppRow, event: &str, now: UnixMs) -> String {
    let body = match sandbox {
        "razorpay" => razorpay::samples::sample(event, app.merchant_id, now),
        "kpay" => kpay::sample(event, now),
        "kwikpaisa" => kwikpaisa::sample(event),
        _ => keymint::samples::sample(event, now),
    };
    body.unwrap_or_else(|| other(event, now))
}

/// Of an event that no simulator knows, which a dialect of an operator's own may have: the payload of Standard Webhooks 1.0.
fn other(event: &str, now: UnixMs) -> String {
    let data = json!({ "id": "obj_TestEvent00001", "status": event.rsplit('.').next() });
    json!({ "type": event, "timestamp": rfc3339(now), "data": data }).to_string()
}
