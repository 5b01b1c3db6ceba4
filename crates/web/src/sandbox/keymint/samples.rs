//! Test events of the native API: objects that nobody made, and what becomes of them as it does of real ones.

use keymint_app::sandbox::turn::Next;
use keymint_domain::time::UnixMs;
use serde_json::{Value, json};

use super::{event, payments, payouts, refunds};
use crate::sandbox::{rfc3339, with};

/// The body of the test event of a name; nothing for a name that the simulator never says.
pub fn sample(name: &str, at: UnixMs) -> Option<String> {
    let events = match name.split_once('.')?.0 {
        "payment" => of_payments(at),
        "refund" => of_refunds(at),
        "payout" => of_payouts(at),
        _ => return None,
    };
    events.into_iter().find(|(one, _)| one == name).map(|(_, body)| body)
}

fn told(steps: impl IntoIterator<Item = Next>) -> impl Iterator<Item = (String, String)> {
    steps.into_iter().filter_map(|next| next.event)
}

fn of_payments(at: UnixMs) -> Vec<(String, String)> {
    let payment = json!({
        "id": "pay_TestEvent00000000001", "object": "payment", "amount": 50_000, "amount_captured": 0,
        "amount_refunded": 0, "currency": "INR", "status": "created", "capture": "automatic", "reference": "TEST-EVENT",
        "metadata": null, "failure_code": null, "created_at": rfc3339(at), "expires_at": rfc3339(at),
        "page_url": "https://shop.example/pay/test-event",
    });
    let authorized = with(&payment, json!({ "status": "authorized", "authorized_at": rfc3339(at) }));
    let ends = ["success", "failed", "expired"].into_iter().flat_map(|end| payments::steps(&payment, end, at));
    let ends = told(ends.map(|(_, next)| next)).chain(told([payments::cancelled(&authorized, at)]));
    std::iter::once(event("payment.created", &payment, at)).chain(ends).collect()
}

fn of_refunds(at: UnixMs) -> Vec<(String, String)> {
    let refund = json!({
        "id": "rfnd_TestEvent00000000001", "object": "refund", "payment_id": "pay_TestEvent00000000001",
        "amount": 20_000, "currency": "INR", "status": "processing", "reason": "TEST", "failure_code": null,
        "created_at": rfc3339(at),
    });
    let ends = told([refunds::processed(&refund, at), refunds::failed(&refund, at)]);
    std::iter::once(event("refund.created", &refund, at)).chain(ends).collect()
}

fn of_payouts(at: UnixMs) -> Vec<(String, String)> {
    let payout: Value = json!({
        "id": "pout_TestEvent00000000001", "object": "payout", "amount": 50_000, "currency": "INR",
        "destination": "upi:test@event", "status": "processing", "reference": "TEST-EVENT", "metadata": null,
        "failure_code": null, "created_at": rfc3339(at),
    });
    let ends = told(["processed", "failed", "reversed"].map(|status| payouts::moved(&payout, status, at)));
    std::iter::once(event("payout.created", &payout, at)).chain(ends).collect()
}
