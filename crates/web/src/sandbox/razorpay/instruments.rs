//! What a customer pays with in test mode, and what becomes of it (vendors sheet 3.8; descriptions as in
//! `payments/payments/test-card-details.md`; `source` and `step` are chosen: no page gives them by reason).

use serde_json::{Value, json};

/// Why a payment fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `BAD_REQUEST_ERROR` or `GATEWAY_ERROR`.
    pub code: &'static str,
    /// The reason, one word.
    pub reason: &'static str,
    /// Who is the cause.
    pub source: &'static str,
    /// How far it came.
    pub step: &'static str,
    /// What the customer is told.
    pub description: &'static str,
}

const fn bad(reason: &'static str, (source, step): (&'static str, &'static str), description: &'static str) -> Fault {
    Fault { code: "BAD_REQUEST_ERROR", reason, source, step, description }
}

const fn gateway(reason: &'static str, (source, step): (&'static str, &'static str), text: &'static str) -> Fault {
    Fault { code: "GATEWAY_ERROR", reason, source, step, description: text }
}

const TIMED_OUT: Fault = bad(
    "payment_timed_out",
    ("customer", "payment_authentication"),
    "Your payment could not be completed due to a temporary issue. Try again later.",
);
const INSUFFICIENT: Fault = bad(
    "insufficient_fund",
    ("customer", "payment_authorization"),
    "Your payment could not be completed due to insufficient account balance. Try another card or payment method.",
);
const CANCELLED: Fault = bad(
    "payment_cancelled",
    ("customer", "payment_authentication"),
    "Your payment has been cancelled. Try again or complete the payment later.",
);
const DECLINED: Fault = bad(
    "card_declined",
    ("bank", "payment_authorization"),
    "Your payment did not go through as it was declined by the bank. Try another payment method or contact your bank.",
);
const DISABLED: Fault = bad(
    "card_disabled_for_online_payments",
    ("customer", "payment_authorization"),
    "Your card is disabled for online payments. Please reach to your bank or try with another card.",
);
const NUMBER_INVALID: Fault = bad(
    "card_number_invalid",
    ("customer", "payment_authentication"),
    "You have entered an incorrect card number. Try again.",
);
const TECHNICAL: Fault = gateway(
    "gateway_technical_error",
    ("gateway", "payment_authorization"),
    "Your payment did not go through due to a temporary issue. Any debited amount will be refunded in 4-5 business days.",
);
const NOT_AUTHENTICATED: Fault = gateway(
    "authentication_failed",
    ("customer", "payment_authentication"),
    "Your payment could not be completed due to incorrect OTP or verification details. Try another payment method or \
     contact your bank for details.",
);
/// An OTP of fewer than four digits: the page on captures has these words as its examples.
const OTP: Fault =
    bad("incorrect_otp", ("customer", "payment_authentication"), "Payment processing failed because of incorrect OTP");
/// Failure was chosen, and the instrument has no reason of its own.
const FAILED: Fault = bad(
    "payment_failed",
    ("gateway", "payment_authorization"),
    "Your payment didn't go through as it was declined by the bank. Try another payment method or contact your bank.",
);

/// A test card: its number, its network, and why it fails when Failure is chosen.
struct Card(&'static str, &'static str, Fault);

const CARDS: [Card; 25] = [
    Card("4100280000001007", "Visa", FAILED),
    Card("5500670000001002", "MasterCard", FAILED),
    Card("6527658900001005", "RuPay", FAILED),
    Card("36082800091007", "Diners Club", FAILED),
    Card("340256000401007", "American Express", FAILED),
    Card("5555555555554444", "MasterCard", FAILED),
    Card("5105105105105100", "MasterCard", FAILED),
    Card("5104060000000008", "MasterCard", FAILED),
    Card("4012888888881881", "Visa", FAILED),
    Card("4100280000090000", "Visa", TIMED_OUT),
    Card("5305620000060000", "MasterCard", TIMED_OUT),
    Card("4100280000080001", "Visa", INSUFFICIENT),
    Card("5305620000050001", "MasterCard", INSUFFICIENT),
    Card("4100280000070002", "Visa", CANCELLED),
    Card("5305620000040002", "MasterCard", CANCELLED),
    Card("4100280000060003", "Visa", DECLINED),
    Card("5305620000030003", "MasterCard", DECLINED),
    Card("4100280000050004", "Visa", DECLINED),
    Card("5305620000020004", "MasterCard", DECLINED),
    Card("4100280000040005", "Visa", DECLINED),
    Card("5305620000010005", "MasterCard", DECLINED),
    Card("4100280000030006", "Visa", DISABLED),
    Card("5305620000000006", "MasterCard", DISABLED),
    Card("4100280000010008", "Visa", NUMBER_INVALID),
    Card("5305620000080008", "MasterCard", NUMBER_INVALID),
];
const GATEWAY_CARDS: [Card; 4] = [
    Card("4100280000020007", "Visa", TECHNICAL),
    Card("5305620000090007", "MasterCard", TECHNICAL),
    Card("4100280000000009", "Visa", NOT_AUTHENTICATED),
    Card("5305620000070009", "MasterCard", NOT_AUTHENTICATED),
];
/// Those of `CARDS` that were issued abroad.
const INTERNATIONAL: [&str; 4] = ["5555555555554444", "5105105105105100", "5104060000000008", "4012888888881881"];

/// The UPI ids, and why one fails.
const VPAS: [(&str, Option<Fault>); 2] = [("success@razorpay", None), ("failure@razorpay", Some(FAILED))];
/// What may be picked on the mock bank page.
const OUTCOMES: [(&str, Pick); 3] =
    [("success", Pick::Success), ("failed", Pick::Failure), ("cancelled", Pick::Cancelled)];

/// What was picked on the mock bank page.
#[derive(Clone, Copy)]
enum Pick {
    /// Success, unless the one-time password is wrong.
    Success,
    /// Failure, for the reason of the instrument.
    Failure,
    /// Neither.
    Cancelled,
}

/// What the tester gives: texts as they were typed, empty where nothing was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed<'a> {
    /// `card`, `upi` or `netbanking`.
    pub method: &'a str,
    /// The card's digits, with or without spaces.
    pub number: &'a str,
    /// The UPI id.
    pub vpa: &'a str,
    /// The one-time password.
    pub otp: &'a str,
    /// What was picked on the mock bank page: `success`, `failed` or `cancelled`.
    pub outcome: &'a str,
}

/// How a payment is tried, and why it fails if it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// The payment's members that tell of it. No card number: its last four digits alone.
    pub members: Value,
    /// Why it fails.
    pub fault: Option<Fault>,
}

/// What is no test data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The method.
    Method,
    /// The card's number.
    Card,
    /// The UPI id.
    Vpa,
    /// The one-time password: no digits, or more than ten.
    Otp,
    /// The outcome.
    Outcome,
}

/// What becomes of what was typed.
///
/// # Errors
/// `Unknown`: nothing is tried with what is no test data.
pub fn decide(typed: Typed<'_>) -> Result<Tried, Unknown> {
    let of_bank = |failed: Fault| bank(typed, failed);
    match typed.method {
        "card" => {
            let number: String = typed.number.chars().filter(|digit| *digit != ' ').collect();
            let card = CARDS.iter().chain(&GATEWAY_CARDS).find(|card| card.0 == number).ok_or(Unknown::Card)?;
            let last4 = number.get(number.len().saturating_sub(4)..).unwrap_or_default();
            let card_of = json!({
                "entity": "card", "name": "", "last4": last4, "network": card.1, "type": "credit", "emi": false,
            });
            let international = INTERNATIONAL.contains(&card.0);
            let members = json!({ "method": "card", "international": international, "card": card_of });
            Ok(Tried { members, fault: of_bank(card.2)? })
        }
        // Cancelling in test mode counts as success.
        "upi" => {
            let (_, fault) = *VPAS.iter().find(|(vpa, _)| *vpa == typed.vpa).ok_or(Unknown::Vpa)?;
            let members = json!({
                "method": "upi", "vpa": typed.vpa, "upi": { "vpa": typed.vpa, "flow": "collect" },
            });
            Ok(Tried { members, fault })
        }
        "netbanking" => {
            Ok(Tried { members: json!({ "method": "netbanking", "bank": "HDFC" }), fault: of_bank(FAILED)? })
        }
        _ => Err(Unknown::Method),
    }
}

/// What the mock bank page says: an OTP of four to ten digits succeeds, one of fewer fails.
fn bank(typed: Typed<'_>, failed: Fault) -> Result<Option<Fault>, Unknown> {
    if typed.otp.len() > 10 || !typed.otp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unknown::Otp);
    }
    let asked = if typed.outcome.is_empty() { "success" } else { typed.outcome };
    let (_, pick) = OUTCOMES.iter().find(|(outcome, _)| *outcome == asked).ok_or(Unknown::Outcome)?;
    Ok(match pick {
        Pick::Failure => Some(failed),
        Pick::Cancelled => Some(CANCELLED),
        Pick::Success => matches!(typed.otp.len(), 1..=3).then_some(OTP),
    })
}

/// What docs/sandbox/razorpay.md has to say of the test data: each card with its reason, each UPI id, each outcome.
#[cfg(test)]
pub fn documented() -> Vec<crate::sandbox::documented::Row> {
    use crate::sandbox::documented::{Row, quoted};
    let of = |trigger: &str, fault: &Fault| {
        let words = [(2, fault.code), (3, fault.reason), (4, fault.source), (5, fault.step)];
        Row::new(trigger, &words.map(|(column, word)| (column, quoted(word))))
    };
    let mut rows = Vec::new();
    for card in CARDS.iter().chain(&GATEWAY_CARDS) {
        // Those for success fail as any payment does; the page has them in one list.
        rows.push(if card.2 == FAILED { Row::new(card.0, &[]) } else { of(card.0, &card.2) });
    }
    for (vpa, fault) in &VPAS {
        rows.push(
            fault.as_ref().map_or(Row::new(&quoted(vpa), &[(1, "paid".to_owned())]), |fault| of(&quoted(vpa), fault)),
        );
    }
    rows.extend(OUTCOMES.map(|(outcome, _)| Row::new(&quoted(outcome), &[])));
    rows.extend([of("`success`", &OTP), of("`failed`", &FAILED), of("`cancelled`", &CANCELLED)]);
    rows
}
